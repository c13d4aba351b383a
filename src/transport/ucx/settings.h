/* SPDX-License-Identifier: Apache-2.0 */
/* How we use UCX: what is set in its configuration, unless the environment says something else. */
#ifndef AFD_TRANSPORT_UCX_SETTINGS_H
#define AFD_TRANSPORT_UCX_SETTINGS_H

#include <stdbool.h>

#include "transport/ucx/allow.h"
#include "transport/ucx/library.h"

typedef struct afd__ucx_settings {
    const char *device;   /* the only network device that is used and listened at; "" for every one */
    bool is_v6;           /* of a device's addresses UCX takes one: an IPv6 one, else an IPv4 one */
    bool wakes_up;        /* its worker has a descriptor to wait at */
} afd__ucx_settings;

/*
 * A UCX context for active messages. What UCX_TLS, UCX_NET_DEVICES, UCX_RNDV_THRESH and UCX_TCP_... in the environment
 * do not say is set here: no shared memory of UCX's own (it refuses to notice a peer's death), the one device and its
 * address, the threshold that was measured best, that a port may be taken again after a restart, and how much a
 * stranger may say at a listener.
 */
afd_status afd__ucx_context_create(const afd__ucp *ucp, const afd__ucx_settings *settings, ucp_context_h *context,
                                   afd_error *error);

/*
 * To be called for every worker of UCX's, before anybody can reach it: a message of whatever number is dropped. UCX
 * keeps a table of handlers up to the highest number that it was told. It looks beyond its end without asking how long
 * it is, and leaves what nobody set as it found the memory (1.13), so that one message of a stranger ends the process.
 * Takes 1.5 MiB, and 0.25 to 0.8 ms where it was measured.
 */
ucs_status_t afd__ucx_worker_guard(const afd__ucp *ucp, ucp_worker_h worker);

/* Where a connection that was asked for comes from. False: UCX does not say. */
bool afd__ucx_caller(const afd__ucp *ucp, ucp_conn_request_h request, struct sockaddr_storage *address);

/* Whether it comes from a host that may have one. */
bool afd__ucx_is_allowed(const afd__ucp *ucp, ucp_conn_request_h request, const afd__allow *allow);

/* An error of UCX's, as ours: `what` is what was tried, "listen at 10.0.0.2:7000". */
afd_status afd__ucx_fail(const afd__ucp *ucp, ucs_status_t status, const char *field, const char *what,
                         afd_error *error);

#endif
