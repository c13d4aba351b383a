/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listener of UCX's, as posts and planes use it. UCX's own thread, one in a process, takes connections in and has two
 * faults (1.13.1), each of which ends the process:
 *
 * - When the first message of a connection is there, it uses the listener that took it, though that may have been ended
 *   meanwhile. What is being made so is known to UCX alone, and ends with its worker.
 * - Where a connection is turned away while it looks at the same one, it leaves a note for the descriptor's number,
 *   which the next connection gets.
 *
 * So connections are turned away, and a listener and its worker ended, while that thread stands still: it is in a
 * handler of ours, which waits. It stands still for everybody who uses UCX, for as long as one call of UCX's takes.
 */
#ifndef AFD_TRANSPORT_UCX_LISTENER_H
#define AFD_TRANSPORT_UCX_LISTENER_H

#include "transport/ucx/address.h"
#include "transport/ucx/library.h"

typedef struct afd__listener afd__listener;

typedef struct afd__listener_options {
    ucp_worker_h worker;
    const afd__address *address;
    ucp_listener_conn_callback_t knock; /* in the worker's progress; what it is given is let in, or rejected */
    void *arg;
} afd__listener_options;

/* AFD_ERR_EXISTS if the port is taken; AFD_ERR_NO_MEMORY; AFD_ERR_SYSTEM. *address gets the port. */
afd_status afd__listener_open(const afd__ucp *ucp, const afd__listener_options *options, afd__listener **listener,
                              afd__address *address, afd_error *error);

/* Turns somebody away who knocked; in `knock` too. */
void afd__listener_reject(afd__listener *listener, ucp_conn_request_h request);

/* Ends the listener, its worker, and whatever is under way. */
void afd__listener_end(afd__listener *listener);

#endif
