/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/attention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "afd/wait.h"
#include "out.h"
#include "run/signals.h"
#include "verbs.h"

static const uint64_t minute_ns = 60 * UINT64_C(1000000000);

static afd_status create_worker(serve_attention *self, afd_error *error)
{
    const serve_options *options = &self->plan.options;
    const afd_attention_worker_options worker_options = {
        .size = sizeof(worker_options),
        .shape = self->plan.shape,
        .window_name = options->name,
        .session = options->session,
        .hidden = options->model->hidden,
        .type = AFD_TOKEN_BF16,
        .quantize = options->quantize,
        .top_k = options->model->top_k,
        .experts = self->plan.placement.table,
        .ffn_num = options->ffn_num,
        .sync_group_size = options->sync_group_size,
        .observer = run_stages_observe,
        .observer_arg = &self->plan.watch,
    };
    return afd_attention_worker_create(&worker_options, &self->worker, error);
}

static void create_waits(serve_attention *self)
{
    self->wait = (afd_wait)AFD_WAIT_INIT(self->plan.options.strategy);
    self->wait.late = self->late;
    self->wait.late_capacity = RUN_FFN_MAX;
    self->join_wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    self->join_wait.late = self->late;
    self->join_wait.late_capacity = RUN_FFN_MAX;
    self->join_wait.stop = &self->stop;
}

/* Tokens follow from the session, which may be known only now. */
static void create_flights(serve_attention *self)
{
    const serve_options *options = &self->plan.options;
    uint32_t session = afd_attention_worker_session(self->worker);
    self->flights = afd_cli_alloc(options->micro_batch_num, sizeof(serve_flight));
    for (uint32_t m = 0; m < options->micro_batch_num; m++) {
        run_flight_create(&self->flights[m].course, &self->plan.traffic, session, m);
        run_flight_next(&self->flights[m].course);
    }
}

static void destroy_flights(serve_attention *self)
{
    for (uint32_t m = 0; self->flights != NULL && m < self->plan.options.micro_batch_num; m++) {
        run_flight_destroy(&self->flights[m].course);
    }
    free(self->flights);
}

static void create_checks(serve_attention *self)
{
    const serve_options *options = &self->plan.options;
    const run_verifier_options verifier_options = {
        .traffic = &self->plan.traffic,
        .weights = &self->plan.weights,
        .findings = &self->findings,
        .round_num = 0, /* whoever is asked to end early wants a full sample, too */
        .is_full = options->verify_full,
    };
    if (options->checks_experts) {
        serve_checker_create(&self->checker, &self->findings, options->model->hidden);
    } else {
        run_verifier_create(&self->verifier, &verifier_options);
    }
}

static void destroy_checks(serve_attention *self)
{
    if (self->plan.options.checks_experts) {
        serve_checker_destroy(&self->checker);
    } else {
        run_verifier_destroy(&self->verifier);
    }
}

/* Nothing is open, so whatever goes wrong here takes nothing away: who hears no goodbye notices the end. */
static void leave(serve_attention *self)
{
    afd_error error;
    self->wait.stop = NULL;
    self->wait.deadline_ns = afd_clock_ns() + self->plan.options.deadline_ns;
    afd_status status = afd_attention_worker_leave(self->worker, &self->wait, &error);
    if (status < 0) {
        afd_cli_error("attention", &error);
    }
}

/* Joins, flies and leaves: AFD_OK; AFD_STOPPED before it had joined; AFD_DEADLINE; or an error, which is on stderr. */
static afd_status travel(serve_attention *self)
{
    afd_error error;
    afd_status status = create_worker(self, &error);
    if (status == AFD_OK) {
        serve_plan_note_window(&self->plan, afd_attention_worker_window(self->worker));
        status = serve_attention_join(self, &error);
    }
    if (status == AFD_OK) {
        create_flights(self);
        self->began_ns = afd_clock_ns();
        self->end_ns = self->plan.options.minute_num > 0
                           ? self->began_ns + self->plan.options.minute_num * minute_ns : 0;
        status = serve_attention_fly(self, &error);
        self->ended_ns = afd_clock_ns();
    }
    if (status == AFD_OK) {
        leave(self);
    }
    if (status < 0) {
        afd_cli_error("attention", &error);
    }
    return status;
}

static bool is_done(const serve_attention *self)
{
    for (uint32_t m = 0; self->flights != NULL && m < self->plan.options.micro_batch_num; m++) {
        if (self->flights[m].state != SERVE_FLIGHT_DONE) {
            return self->end_ns != 0 && self->ended_ns >= self->end_ns;
        }
    }
    return self->flights != NULL;
}

static int exit_code(const serve_attention *self, afd_status status)
{
    if (status < 0) {
        return afd_cli_exit_code(status);
    }
    if (self->findings.wrong_num > 0) {
        return AFD_EXIT_NO;
    }
    if (status == AFD_DEADLINE) {
        return AFD_EXIT_DIED;
    }
    return is_done(self) ? AFD_EXIT_DONE : AFD_EXIT_INTERRUPTED;
}

/* Where every number is off, somebody was started with other options, which the library cannot know. */
static void hint(void)
{
    afd_cli_note("attention", "were all workers given the same --model, --layers, --experts, --weights, --seed and "
                              "--copies, and do the names of --connect come in the order of --rank?");
}

static int work(serve_attention *self)
{
    int printed = AFD_EXIT_DONE;
    create_waits(self);
    create_checks(self);
    self->events = (serve_events){ .side = SERVE_ATTENTION, .names = self->plan.options.connect };
    run_signals_catch(&self->stop);
    afd_status status = travel(self);
    if (self->began_ns != 0 && !self->plan.options.checks_experts) {
        run_verifier_finish(&self->verifier); /* after it has left: it takes its time */
    }
    int code = exit_code(self, status);
    if (self->began_ns != 0) {
        printed = serve_attention_report(self, code);
    }
    if (code == AFD_EXIT_NO) {
        hint();
    }
    destroy_checks(self);
    return printed == AFD_EXIT_DONE ? code : printed;
}

int afd_cmd_attention(int argc, char **argv)
{
    serve_attention *self = afd_cli_alloc(1, sizeof(*self));
    char name[32];
    int code = serve_options_parse(&self->plan.options, SERVE_ATTENTION, argc, argv);
    if (code == AFD_CLI_GO_ON) {
        if (self->plan.options.name == NULL) {
            (void)snprintf(name, sizeof(name), "attention-%d", (int)getpid());
            self->plan.options.name = name;
        }
        code = serve_plan_create(&self->plan) ? work(self) : AFD_EXIT_REFUSED;
        afd_attention_worker_close(self->worker);
        destroy_flights(self);
        serve_plan_destroy(&self->plan);
    }
    serve_options_free(&self->plan.options);
    free(self);
    return code;
}
