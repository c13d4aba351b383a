/* SPDX-License-Identifier: Apache-2.0 */
/* Producers as child processes. They know of the parent's window its name, and of the traffic what its seed says. */
#ifndef AFD_TEST_CHILDREN_H
#define AFD_TEST_CHILDREN_H

#include <stdint.h>
#include <sys/types.h>

#include "traffic.h"

typedef struct child_plan {
    const traffic_plan *traffic;
    const char *window_name;
    uint32_t first_session; /* the child's sessions are this one and every session_step-th after it */
    uint32_t session_step;
    uint32_t round_num;     /* of each of its (session, micro-batch) */
} child_plan;

/* A child that produces all its rounds, waits until all were given back, checks that, and exits with 0. */
pid_t child_start(const child_plan *plan);

/*
 * A child that produces `round_num` rounds and then stops in the middle of the next desc of its first session's
 * micro-batch 0: half of the slots written, not published. It writes a byte to the pipe, whose other end is *told, and
 * stays there until it is killed.
 */
pid_t victim_start(const child_plan *plan, int *told);

/* Waits until the victim is where it wants to be, kills it with SIGKILL and buries it. */
void victim_kill(pid_t victim, int told);

/* A child that raises the word, which is shared with it, and exits. */
pid_t stopper_start(int32_t *stop);

/* A poll for afd_wait: fails the test when a child has failed, so that nobody waits for it for ever. */
void children_watch(void *unused);

/* Waits for all children; fails the test unless each has exited with 0. */
void children_join(void);

#endif
