/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UCX itself, opened at run time: nobody needs it who does not use it. When it is we who bring it into the process, its
 * signal handlers, its memory hooks and what it prints are switched off through its own calls, unless the environment
 * says otherwise; where it is there already, its settings are somebody else's and stay. It is never closed again.
 */
#ifndef AFD_TRANSPORT_UCX_LIBRARY_H
#define AFD_TRANSPORT_UCX_LIBRARY_H

#include <stdbool.h>
#include <ucp/api/ucp.h>
#include <ucs/async/async_fwd.h>
#include <ucs/sys/event_set.h>

#include "afd/status.h"

/* The calls that we use, each of the type that UCX's header gives it. */
typedef struct afd__ucp {
    __typeof__(ucp_get_version) *get_version;
    __typeof__(ucp_init_version) *init_version;
    __typeof__(ucp_cleanup) *cleanup;
    __typeof__(ucp_config_read) *config_read;
    __typeof__(ucp_config_modify) *config_modify;
    __typeof__(ucp_config_release) *config_release;
    __typeof__(ucp_worker_create) *worker_create;
    __typeof__(ucp_worker_destroy) *worker_destroy;
    __typeof__(ucp_worker_query) *worker_query;
    __typeof__(ucp_worker_progress) *worker_progress;
    __typeof__(ucp_worker_get_efd) *worker_get_efd;
    __typeof__(ucp_worker_arm) *worker_arm;
    __typeof__(ucp_worker_signal) *worker_signal;
    __typeof__(ucp_worker_set_am_recv_handler) *worker_set_am_recv_handler;
    __typeof__(ucp_listener_create) *listener_create;
    __typeof__(ucp_listener_destroy) *listener_destroy;
    __typeof__(ucp_listener_query) *listener_query;
    __typeof__(ucp_listener_reject) *listener_reject;
    __typeof__(ucp_conn_request_query) *conn_request_query;
    __typeof__(ucp_ep_create) *ep_create;
    __typeof__(ucp_ep_close_nbx) *ep_close_nbx;
    __typeof__(ucp_am_send_nbx) *am_send_nbx;
    __typeof__(ucp_am_recv_data_nbx) *am_recv_data_nbx;
    __typeof__(ucp_am_data_release) *am_data_release;
    __typeof__(ucp_request_check_status) *request_check_status;
    __typeof__(ucp_request_cancel) *request_cancel;
    __typeof__(ucp_request_free) *request_free;
    __typeof__(ucs_status_string) *status_string;
    __typeof__(ucs_async_set_event_handler) *async_set_event_handler;
    __typeof__(ucs_async_remove_handler) *async_remove_handler;
} afd__ucp;

/* The same each time; from any thread. AFD_ERR_NOT_FOUND names the package that is missing. */
afd_status afd__ucp_open(const afd__ucp **ucp, afd_error *error);

/* Whether the user set a variable of UCX's, "UCX_TLS". Then we do not. */
bool afd__ucx_environment_says(const char *variable);

#endif
