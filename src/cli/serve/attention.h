/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `afd attention`: an attention worker by itself, of FFN workers that may come, go and die.
 *
 * Each micro-batch is a flight, which goes through the layers round by round. A round that was sent and cannot end,
 * because an FFN worker that has tokens of it is lost, is ready to be sent again: its tokens are still here. Whatever
 * makes a new membership necessary, the worker first becomes quiet: it sends nothing more, collects what can still be
 * collected, and joins anew when nothing is open.
 */
#ifndef AFD_CLI_SERVE_ATTENTION_H
#define AFD_CLI_SERVE_ATTENTION_H

#include "afd/worker.h"

#include "run/flight.h"
#include "run/parse.h"
#include "run/verify.h"
#include "serve/check.h"
#include "serve/events.h"
#include "serve/plan.h"

typedef enum serve_flight_state {
    SERVE_FLIGHT_READY, /* its round is to be sent */
    SERVE_FLIGHT_OPEN,  /* its round is under way */
    SERVE_FLIGHT_DONE   /* it has no more rounds */
} serve_flight_state;

typedef struct serve_flight {
    run_flight course;
    serve_flight_state state;
    bool is_filler; /* the round is an empty one, of a flight that was done, to keep the order of micro-batches */
    bool was_lost;  /* the round was sent before, to somebody who died */
} serve_flight;

typedef struct serve_attention {
    serve_plan plan;
    serve_events events;
    afd_attention_worker *worker;
    serve_flight *flights;  /* [M], once it has a session */
    run_findings findings;
    run_verifier verifier;  /* of real experts */
    serve_checker checker;  /* of cheap ones */
    afd_wait wait;          /* of dispatch and collect; the next one, too, is raised by a signal */
    afd_wait join_wait;
    afd_late late[RUN_FFN_MAX]; /* of joining; collect fills the first */
    int32_t stop;
    bool is_quiet;          /* nothing is sent until it has joined anew */
    bool is_over;           /* nothing is sent any more */
    uint64_t end_ns;        /* when it is over by itself; 0: after its steps */
    uint64_t began_ns;
    uint64_t ended_ns;
    uint64_t round_num;     /* collected, without fillers */
    uint64_t lost_num;      /* rounds that were given up */
    uint64_t resent_num;    /* of them, sent again */
    uint64_t rejoin_num;
    uint64_t deadline_num;  /* waits that were reported late */
} serve_attention;

/* Joins, waiting for those that are not there: AFD_OK, AFD_STOPPED by a signal, AFD_DEADLINE where the deadline says
 * stop, or an error. */
afd_status serve_attention_join(serve_attention *self, afd_error *error);

/* Sends and collects all rounds until they are done or the worker is asked to end: AFD_OK and nothing is open;
 * AFD_DEADLINE where the deadline says stop; or an error. */
afd_status serve_attention_fly(serve_attention *self, afd_error *error);

/* AFD_EXIT_DONE, or another exit code if it could not be printed. `code` is what the program will end with. */
int serve_attention_report(const serve_attention *self, int code);

#endif
