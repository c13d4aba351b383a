/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/settings.h"

#include <stdio.h>

#include "base/error.h"

/* One setting of ours: what UCX calls it in the environment, and in its calls. */
typedef struct setting {
    const char *variable;
    const char *name;
    const char *value;
} setting;

/* Until 1.16 the calls name what belongs to one transport without the name of that. */
static bool names_transports(const afd__ucp *ucp)
{
    unsigned major;
    unsigned minor;
    unsigned release;
    ucp->get_version(&major, &minor, &release);
    return major > 1 || minor > 16;
}

static ucs_status_t set_all(const afd__ucp *ucp, const afd__ucx_settings *settings, ucp_config_t *config)
{
    const bool is_long = names_transports(ucp);
    const setting wanted[] = {
        { "UCX_TLS", "TLS", "^sm" },
        /* Never a rendezvous, in which one side writes into the other's memory and waits to be told that it has: where
         * the peer dies meanwhile, and that word is in the same bytes as a message that we cannot answer any more, UCX
         * ends the process (1.13; the assertion in tcp_ep.c is in all later versions, too). Of a hundred killed
         * attention workers one took its FFN worker along. Measured over TCP (tests/benchmarks), a round there and
         * back: of 115 KB it takes 43 us eager and 69 us with a rendezvous, of 460 KB 215 and 165 us. */
        { "UCX_RNDV_THRESH", "RNDV_THRESH", "inf" },
        /* Else the port stays taken for a minute after a restart. */
        { "UCX_TCP_CM_REUSEADDR", "CM_REUSEADDR", "y" },
        /* A stranger that sends more than this to a listener leaves UCX's own thread spinning for as long as the
         * listener is there (1.13), and the default is 2 KiB: less than what a web browser may say first. */
        { "UCX_TCP_CM_PRIV_DATA_LEN", is_long ? "TCP_CM_PRIV_DATA_LEN" : "PRIV_DATA_LEN", "64K" },
        { "UCX_TCP_AF_PRIO", is_long ? "TCP_AF_PRIO" : "AF_PRIO", settings->is_v6 ? "inet6,inet" : "inet,inet6" },
        { "UCX_NET_DEVICES", "NET_DEVICES", settings->device[0] == '\0' ? "all" : settings->device },
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!afd__ucx_environment_says(wanted[i].variable)) {
            ucs_status_t status = ucp->config_modify(config, wanted[i].name, wanted[i].value);
            if (status != UCS_OK) {
                return status;
            }
        }
    }
    return UCS_OK;
}

afd_status afd__ucx_context_create(const afd__ucp *ucp, const afd__ucx_settings *settings, ucp_context_h *context,
                                   afd_error *error)
{
    ucp_config_t *config;
    ucs_status_t status = ucp->config_read(NULL, NULL, &config);
    if (status != UCS_OK) {
        return afd__ucx_fail(ucp, status, "ucx", "read the configuration of UCX", error);
    }
    const ucp_params_t parameters = {
        .field_mask = UCP_PARAM_FIELD_FEATURES,
        .features = UCP_FEATURE_AM | (settings->wakes_up ? (uint64_t)UCP_FEATURE_WAKEUP : 0),
    };
    status = set_all(ucp, settings, config);
    if (status == UCS_OK) {
        status = ucp->init_version(UCP_API_MAJOR, UCP_API_MINOR, &parameters, config, context);
    }
    ucp->config_release(config);
    if (status != UCS_OK) {
        char what[AFD_ERROR_MESSAGE_BYTES];
        (void)snprintf(what, sizeof(what), "start UCX on %s",
                       settings->device[0] == '\0' ? "every network device" : settings->device);
        return afd__ucx_fail(ucp, status, "ucx", what, error);
    }
    return AFD_OK;
}

static ucs_status_t drop_message(void *argument, const void *header, size_t header_bytes, void *data,
                                 size_t data_bytes, const ucp_am_recv_param_t *parameters)
{
    (void)argument;
    (void)header;
    (void)header_bytes;
    (void)data;
    (void)data_bytes;
    (void)parameters;
    return UCS_OK;
}

ucs_status_t afd__ucx_worker_guard(const afd__ucp *ucp, ucp_worker_h worker)
{
    ucp_am_handler_param_t every = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB,
        .cb = drop_message,
    };
    ucs_status_t status = UCS_OK;
    /* The highest first, so that UCX makes room for all of them at once. */
    for (uint32_t number = UINT16_MAX + UINT32_C(1); number > 0 && status == UCS_OK; number--) {
        every.id = number - 1;
        status = ucp->worker_set_am_recv_handler(worker, &every);
    }
    return status;
}

bool afd__ucx_caller(const afd__ucp *ucp, ucp_conn_request_h request, struct sockaddr_storage *address)
{
    ucp_conn_request_attr_t found = { .field_mask = UCP_CONN_REQUEST_ATTR_FIELD_CLIENT_ADDR };
    const bool is_known = ucp->conn_request_query(request, &found) == UCS_OK;
    *address = found.client_address;
    return is_known;
}

bool afd__ucx_is_allowed(const afd__ucp *ucp, ucp_conn_request_h request, const afd__allow *allow)
{
    struct sockaddr_storage address;
    return allow->num == 0 || (afd__ucx_caller(ucp, request, &address) && afd__allow_has(allow, &address));
}

static afd_status status_of(ucs_status_t status)
{
    switch (status) {
    case UCS_ERR_NO_MEMORY:
        return AFD_ERR_NO_MEMORY;
    case UCS_ERR_BUSY:
    case UCS_ERR_ALREADY_EXISTS:
        return AFD_ERR_EXISTS;
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_REJECTED:
    case UCS_ERR_ENDPOINT_TIMEOUT:
        return AFD_ERR_PEER;
    default:
        return AFD_ERR_SYSTEM;
    }
}

afd_status afd__ucx_fail(const afd__ucp *ucp, ucs_status_t status, const char *field, const char *what,
                         afd_error *error)
{
    return afd__fail(error, status_of(status), field, (uint64_t)status, 0, "cannot %s: UCX says: %s", what,
                     ucp->status_string(status));
}
