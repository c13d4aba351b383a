/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UCX's own thread, one in a process, takes connections in and carries on those that are being made. It has faults
 * (1.13.1), each of which ends the process:
 *
 * - When the first message of a connection is there, it uses the listener that took it, though that may have been ended
 *   meanwhile. What is being made so is known to UCX alone, and ends with its worker.
 * - Where it finds a worker in use it leaves a note for that worker's next progress: the number of the descriptor that
 *   something happened at. By then the number may be another connection's, or another worker's.
 *
 * So whoever makes, ends or turns away connections of a worker keeps that thread still meanwhile, and has the worker's
 * progress take the notes that were there before. The thread is in a handler of ours, which waits; it stands still for
 * everybody who uses UCX in the process.
 */
#ifndef AFD_TRANSPORT_UCX_STILL_H
#define AFD_TRANSPORT_UCX_STILL_H

#include "transport/ucx/library.h"

typedef struct afd__still afd__still;

/* One for each worker of UCX's, used by its thread or under its lock. Takes a descriptor. AFD_ERR_SYSTEM. */
afd_status afd__still_make(const afd__ucp *ucp, afd__still **still, afd_error *error);

/* Returns when UCX's thread has nothing under way; it begins nothing until the end. May be nested. Nobody may wait for
 * a lock in between. NULL is allowed: a UCX without a thread, as fuzzing has. */
void afd__still_begin(afd__still *still);
void afd__still_end(afd__still *still);

/* NULL is allowed. */
void afd__still_free(afd__still *still);

#endif
