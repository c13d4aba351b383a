/* SPDX-License-Identifier: Apache-2.0 */
/* A plane: UCX's worker of tokens, opened, progressed and closed. */
#include "transport/ucx/plane.h"

#include <stdlib.h>

#include "afd/wait.h"
#include "base/check.h"
#include "base/error.h"
#include "transport/ucx/link.h"
#include "transport/ucx/settings.h"

/* How often UCX is asked at once: who sends without end does not keep the worker from its own work. */
enum { PROGRESS_MAX = 64 };

/* For how long a plane that closes waits for UCX to let go of what is under way. */
#define CLOSE_NS UINT64_C(200000000)

/* ---- opening ---- */

static afd_status open_context(afd__plane *plane, const afd__plane_options *options, afd_error *error)
{
    char device[AFD__DEVICE_NAME_BYTES];
    const afd__address *address = options->listen != NULL ? options->listen : options->connect;
    afd_status status = afd__address_device(address, options->listen != NULL, device, sizeof(device), error);
    if (status == AFD_OK) {
        const afd__ucx_settings settings = {
            .device = device, .is_v6 = afd__address_is_v6(address), .wakes_up = false
        };
        status = afd__ucx_context_create(plane->ucp, &settings, &plane->context, error);
    }
    return status;
}

static afd_status open_worker(afd__plane *plane, afd_error *error)
{
    const ucp_worker_params_t params = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
    };
    const ucp_am_handler_param_t handler = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG,
        .id = AFD__PLANE_MESSAGE_ID,
        .cb = afd__link_receive,
        .arg = plane,
    };
    ucs_status_t status = plane->ucp->worker_create(plane->context, &params, &plane->worker);
    if (status == UCS_OK) {
        status = afd__ucx_worker_guard(plane->ucp, plane->worker);
    }
    if (status == UCS_OK) {
        status = plane->ucp->worker_set_am_recv_handler(plane->worker, &handler);
    }
    return status == UCS_OK ? AFD_OK : afd__ucx_fail(plane->ucp, status, "plane", "make a worker of UCX", error);
}

static afd_status open_all(afd__plane *plane, const afd__plane_options *options, afd_error *error)
{
    afd_status status = afd__ucp_open(&plane->ucp, error);
    if (status == AFD_OK) {
        status = open_context(plane, options, error);
    }
    if (status == AFD_OK) {
        status = afd__still_make(plane->ucp, &plane->still, error);
    }
    if (status == AFD_OK) {
        status = open_worker(plane, error);
    }
    if (status == AFD_OK && options->listen != NULL) {
        const afd__listen_options listen_options = {
            .worker = plane->worker,
            .address = options->listen,
            .knock = { .cb = afd__connection_knock, .arg = plane },
        };
        status = afd__listen(plane->ucp, &listen_options, &plane->listener, &plane->address, error);
    }
    return status;
}

afd_status afd__plane_open(const afd__plane_options *options, afd__plane **plane, afd_error *error)
{
    if (options->listen == NULL && options->connect == NULL) {
        return afd__check_not_null("options.connect", NULL, error);
    }
    const uint32_t half_open_max = options->listen != NULL ? options->half_open_max : 0;
    afd__plane *made = calloc(1, sizeof(*made));
    afd__caller *callers = calloc(half_open_max + (size_t)1, sizeof(*callers));
    if (made == NULL || callers == NULL) {
        free(made);
        free(callers);
        return afd__fail(error, AFD_ERR_NO_MEMORY, "plane", sizeof(*made), 0, "no memory for a plane of %zu bytes",
                         sizeof(*made));
    }
    made->callers = callers;
    made->half_open_max = half_open_max;
    made->patience_ns = options->patience_ns;
    if (options->allow != NULL) {
        made->allow = *options->allow;
    }
    made->expiry_ns = UINT64_MAX;
    afd_status status = open_all(made, options, error);
    if (status != AFD_OK) {
        afd__plane_close(made);
        return status;
    }
    *plane = made;
    return AFD_OK;
}

/* ---- progress ---- */

/* They make and end connections. The progress is for the notes of UCX's thread; what comes in with it comes in. */
static __attribute__((noinline)) void do_chores(afd__plane *plane)
{
    afd__still_begin(plane->still);
    (void)plane->ucp->worker_progress(plane->worker);
    plane->has_chores = false;
    afd__connection_chores(plane);
    afd__link_chores(plane, true);
    afd__still_end(plane->still);
}

void afd__plane_progress(afd__plane *plane)
{
    uint32_t asked_num = 0;
    while (asked_num < PROGRESS_MAX && plane->ucp->worker_progress(plane->worker) != 0) {
        asked_num++;
    }
    if (plane->half_open_num > 0 && afd_clock_ns() >= plane->expiry_ns) {
        plane->has_chores = true;
    }
    if (plane->has_chores) {
        do_chores(plane);
    }
}

afd__plane_counters afd__plane_count(const afd__plane *plane)
{
    return plane->counters;
}

const afd__address *afd__plane_address(const afd__plane *plane)
{
    return &plane->address;
}

/* ---- closing ---- */

/* Those who have knocked, and everybody who will. */
static void turn_callers_away(afd__plane *plane)
{
    for (uint32_t i = 0; i < plane->caller_num; i++) {
        afd__listener_reject(plane->ucp, plane->listener, plane->still, plane->callers[i].request);
    }
    plane->caller_num = 0;
    plane->half_open_max = 0;
}

/* Ends every connection, and gives UCX a moment to let go of them: those at the other ends then learn of it. */
static void close_connections(afd__plane *plane)
{
    const uint64_t began_ns = afd_clock_ns();
    turn_callers_away(plane);
    for (afd__connection *connection = plane->connections; connection != NULL; connection = connection->next) {
        afd__connection_end(connection);
    }
    plane->has_chores = true;
    do {
        afd__plane_progress(plane);
    } while (plane->connections != NULL && afd_clock_ns() - began_ns < CLOSE_NS);
}

/* After UCX's worker, which would still call back. */
static void free_connections(afd__plane *plane)
{
    while (plane->connections != NULL) {
        afd__connection *connection = plane->connections;
        plane->connections = connection->next;
        free(connection);
    }
}

void afd__plane_close(afd__plane *plane)
{
    if (plane == NULL) {
        return;
    }
    while (plane->links != NULL) {
        afd__link_close(plane->links);
    }
    if (plane->worker != NULL) {
        close_connections(plane);
    }
    if (plane->worker != NULL) {
        afd__listener_end_worker(plane->ucp, plane->listener, plane->still, plane->worker);
    }
    afd__still_free(plane->still);
    afd__link_chores(plane, false);
    free_connections(plane);
    if (plane->context != NULL) {
        plane->ucp->cleanup(plane->context);
    }
    free(plane->callers);
    free(plane);
}
