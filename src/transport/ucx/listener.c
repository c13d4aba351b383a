/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/listener.h"

#include <stdio.h>

#include "base/error.h"
#include "transport/ucx/settings.h"

static afd_status fail_to_listen(const afd__ucp *ucp, ucs_status_t status, const afd__address *address,
                                 afd_error *error)
{
    char what[AFD__ADDRESS_TEXT_BYTES + 16];
    if (status == UCS_ERR_BUSY) {
        return afd__fail(error, AFD_ERR_EXISTS, "listen", afd__address_port(address), 0,
                         "another process listens at %s", address->text);
    }
    (void)snprintf(what, sizeof(what), "listen at %s", address->text);
    return afd__ucx_fail(ucp, status, "listen", what, error);
}

afd_status afd__listen(const afd__ucp *ucp, const afd__listen_options *options, ucp_listener_h *listener,
                       afd__address *at, afd_error *error)
{
    const afd__address *address = options->address;
    const ucp_listener_params_t params = {
        .field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
        .sockaddr = { .addr = (const struct sockaddr *)&address->socket, .addrlen = address->socket_bytes },
        .conn_handler = options->knock,
    };
    ucp_listener_attr_t found = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };
    ucs_status_t status = ucp->listener_create(options->worker, &params, listener);
    if (status == UCS_OK) {
        status = ucp->listener_query(*listener, &found);
    }
    if (status != UCS_OK) {
        return fail_to_listen(ucp, status, address, error);
    }
    const afd__address got = { .socket = found.sockaddr, .socket_bytes = address->socket_bytes };
    *at = *address;
    afd__address_set_port(at, afd__address_port(&got));
    return AFD_OK;
}

void afd__listener_reject(const afd__ucp *ucp, ucp_listener_h listener, afd__still *still, ucp_conn_request_h request)
{
    afd__still_begin(still);
    (void)ucp->listener_reject(listener, request);
    afd__still_end(still);
}

void afd__listener_end_worker(const afd__ucp *ucp, ucp_listener_h listener, afd__still *still, ucp_worker_h worker)
{
    afd__still_begin(still);
    if (listener != NULL) {
        ucp->listener_destroy(listener);
    }
    ucp->worker_destroy(worker);
    afd__still_end(still);
}
