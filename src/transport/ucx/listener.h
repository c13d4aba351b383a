/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners of UCX's, as posts and planes use them. */
#ifndef AFD_TRANSPORT_UCX_LISTENER_H
#define AFD_TRANSPORT_UCX_LISTENER_H

#include "transport/ucx/address.h"
#include "transport/ucx/still.h"

typedef struct afd__listen_options {
    ucp_worker_h worker;
    const afd__address *address;
    ucp_listener_conn_handler_t knock; /* in the worker's progress; what it is given is let in later, or rejected */
} afd__listen_options;

/* *at is the address with the port that it got. AFD_ERR_EXISTS if the port is taken; AFD_ERR_SYSTEM. */
afd_status afd__listen(const afd__ucp *ucp, const afd__listen_options *options, ucp_listener_h *listener,
                       afd__address *at, afd_error *error);

/* Turns somebody away who knocked; in `knock` too. */
void afd__listener_reject(const afd__ucp *ucp, ucp_listener_h listener, afd__still *still, ucp_conn_request_h request);

/* Ends a worker, its listener, which may be NULL, and whatever is under way. */
void afd__listener_end_worker(const afd__ucp *ucp, ucp_listener_h listener, afd__still *still, ucp_worker_h worker);

#endif
