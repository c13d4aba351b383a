/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of a plane: who knocks, who stays half open for too long, and ends that are closed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "afd/wait.h"
#include "base/error.h"
#include "transport/ucx/link.h"
#include "transport/ucx/settings.h"

void afd__connection_end(afd__connection *connection)
{
    if (!connection->is_over) {
        connection->is_over = true;
        connection->plane->has_chores = true;
        connection->plane->half_open_num -= connection->link == NULL;
    }
}

/* UCX's, when a connection cannot be made or has ended: the peer closed it, died, or is not there. */
static void connection_failed(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
    afd__connection *connection = arg;
    afd_error cause;
    (void)endpoint;
    if (connection->link != NULL && connection->link->state != AFD__LINK_BROKEN) {
        const char *text = connection->plane->ucp->status_string(status);
        (void)afd__fail(&cause, AFD_ERR_PEER, "link", (uint64_t)(int64_t)status, 0,
                        "the connection with the peer is over: %s", text);
        afd__link_break(connection->link, &cause);
    }
    afd__connection_end(connection);
}

/* Makes the endpoint that `params` describes, and a half-open connection of it. */
static afd_status make(afd__plane *plane, ucp_ep_params_t *params, const char *what, afd__connection **connection,
                       afd_error *error)
{
    afd__connection *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "connection", sizeof(*made), 0,
                         "no memory for a connection of %zu bytes", sizeof(*made));
    }
    made->plane = plane;
    made->born_ns = afd_clock_ns();
    params->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    params->err_mode = UCP_ERR_HANDLING_MODE_PEER;
    params->err_handler.cb = connection_failed;
    params->err_handler.arg = made;
    afd__still_begin(plane->still);
    ucs_status_t status = plane->ucp->ep_create(plane->worker, params, &made->endpoint);
    afd__still_end(plane->still);
    if (status != UCS_OK) {
        free(made);
        return afd__ucx_fail(plane->ucp, status, "address", what, error);
    }
    made->next = plane->connections;
    plane->connections = made;
    plane->half_open_num++;
    *connection = made;
    return AFD_OK;
}

afd_status afd__connection_make(afd__plane *plane, const afd__address *address, afd__connection **connection,
                                afd_error *error)
{
    char what[AFD__ADDRESS_TEXT_BYTES + 16];
    (void)snprintf(what, sizeof(what), "connect to %s", address->text);
    ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
        .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
        .sockaddr = { .addr = (const struct sockaddr *)&address->socket, .addrlen = address->socket_bytes },
    };
    return make(plane, &params, what, connection, error);
}

void afd__connection_knock(ucp_conn_request_h request, void *arg)
{
    afd__plane *plane = arg;
    if (plane->half_open_num + plane->caller_num >= plane->half_open_max ||
        !afd__ucx_is_allowed(plane->ucp, request, &plane->allow)) {
        afd__listener_reject(plane->ucp, plane->listener, plane->still, request);
        return;
    }
    plane->callers[plane->caller_num++].request = request;
    plane->has_chores = true;
}

static void take_callers_in(afd__plane *plane)
{
    const uint32_t caller_num = plane->caller_num;
    plane->caller_num = 0;
    for (uint32_t i = 0; i < caller_num; i++) {
        afd__connection *connection = NULL;
        ucp_ep_params_t params = {
            .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST,
            .conn_request = plane->callers[i].request,
        };
        (void)make(plane, &params, "answer a caller", &connection, NULL); /* who is lost so was nobody yet */
    }
}

afd__connection *afd__connection_find(const afd__plane *plane, ucp_ep_h endpoint)
{
    afd__connection *connection = plane->connections;
    while (connection != NULL && (connection->endpoint != endpoint || connection->is_closing)) {
        connection = connection->next;
    }
    return connection;
}

void afd__connection_bind(afd__connection *connection, afd__link *link)
{
    connection->link = link;
    link->connection = connection;
    connection->plane->half_open_num--;
}

/* Whoever has not said which link it is by now says it never. */
static void turn_away(afd__plane *plane)
{
    const uint64_t now_ns = afd_clock_ns();
    plane->expiry_ns = UINT64_MAX;
    for (afd__connection *connection = plane->connections; connection != NULL; connection = connection->next) {
        if (connection->link != NULL || connection->is_over) {
            continue;
        }
        const uint64_t expiry_ns = connection->born_ns + plane->patience_ns;
        if (expiry_ns <= now_ns) {
            afd__connection_end(connection);
        } else if (expiry_ns < plane->expiry_ns) {
            plane->expiry_ns = expiry_ns;
        }
    }
}

/* UCX's, when it has let go of an endpoint. */
static void closed(void *request, ucs_status_t status, void *arg)
{
    afd__connection *connection = arg;
    (void)status;
    connection->is_gone = true;
    connection->plane->has_chores = true;
    connection->plane->ucp->request_free(request);
}

/* At once: what is under way is given up, and nothing of it comes in any more. */
static void close_now(afd__connection *connection)
{
    const ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .flags = UCP_EP_CLOSE_FLAG_FORCE,
        .cb = { .send = closed },
        .user_data = connection,
    };
    connection->is_closing = true;
    ucs_status_ptr_t request = connection->plane->ucp->ep_close_nbx(connection->endpoint, &param);
    connection->is_gone = connection->is_gone || request == NULL || UCS_PTR_IS_ERR(request);
}

void afd__connection_chores(afd__plane *plane)
{
    take_callers_in(plane);
    turn_away(plane);
    afd__connection **place = &plane->connections;
    while (*place != NULL) {
        afd__connection *connection = *place;
        if (connection->is_over && !connection->is_closing) {
            close_now(connection);
        }
        if (!connection->is_gone) {
            place = &connection->next;
            continue;
        }
        *place = connection->next;
        if (connection->link != NULL) {
            connection->link->connection = NULL;
        }
        free(connection);
    }
}
