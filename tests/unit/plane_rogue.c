/* SPDX-License-Identifier: Apache-2.0 */
#include "plane_rogue.h"

#include <time.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "transport/ucx/link.h"
#include "transport/ucx/settings.h"

static ucs_status_t count(void *arg, const void *header, size_t header_bytes, void *data, size_t data_bytes,
                          const ucp_am_recv_param_t *param)
{
    plane_rogue *rogue = arg;
    (void)header;
    (void)header_bytes;
    (void)data;
    (void)data_bytes;
    (void)param;
    rogue->received_num++;
    return UCS_OK;
}

void plane_rogue_open(plane_rogue *rogue)
{
    const afd__ucx_settings settings = { .device = "lo" };
    const ucp_worker_params_t params = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
    };
    const ucp_am_handler_param_t handler = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG,
        .id = AFD__PLANE_MESSAGE_ID,
        .cb = count,
        .arg = rogue,
    };
    *rogue = (plane_rogue){ .message_number = AFD__PLANE_MESSAGE_ID };
    assert_int_equal(afd__ucp_open(&rogue->ucp, NULL), AFD_OK);
    assert_int_equal(afd__ucx_context_create(rogue->ucp, &settings, &rogue->context, NULL), AFD_OK);
    assert_int_equal(rogue->ucp->worker_create(rogue->context, &params, &rogue->worker), UCS_OK);
    assert_int_equal(rogue->ucp->worker_set_am_recv_handler(rogue->worker, &handler), UCS_OK);
}

static void failed(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
    plane_rogue *rogue = arg;
    (void)endpoint;
    (void)status;
    rogue->has_failed = true;
}

void plane_rogue_connect(plane_rogue *rogue, const afd__address *address)
{
    const ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR | UCP_EP_PARAM_FIELD_ERR_HANDLER |
                      UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE,
        .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
        .sockaddr = { .addr = (const struct sockaddr *)&address->socket, .addrlen = address->socket_bytes },
        .err_mode = UCP_ERR_HANDLING_MODE_PEER,
        .err_handler = { .cb = failed, .arg = rogue },
    };
    rogue->has_failed = false;
    assert_int_equal(rogue->ucp->ep_create(rogue->worker, &params, &rogue->endpoint), UCS_OK);
}

static void done(void *request, ucs_status_t status, void *arg)
{
    plane_rogue *rogue = arg;
    (void)status;
    rogue->flying_num--;
    rogue->ucp->request_free(request);
}

static void remember(plane_rogue *rogue, ucs_status_ptr_t request)
{
    if (request == NULL || UCS_PTR_IS_ERR(request)) {
        rogue->flying_num--; /* there is no call back */
    }
}

void plane_rogue_disconnect(plane_rogue *rogue)
{
    const ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .flags = UCP_EP_CLOSE_FLAG_FORCE,
        .cb = { .send = done },
        .user_data = rogue,
    };
    rogue->flying_num++;
    remember(rogue, rogue->ucp->ep_close_nbx(rogue->endpoint, &param));
    rogue->endpoint = NULL;
    for (int i = 0; i < 100000 && rogue->flying_num > 0; i++) {
        plane_rogue_progress(rogue);
    }
    assert_int_equal(rogue->flying_num, 0);
    /* UCX 1.13 gives up (an assertion of its own) where an event of this descriptor, which its thread is late to hand
     * over, is found when the number is already another worker's of the same process. */
    (void)nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    plane_rogue_progress(rogue);
}

void plane_rogue_close(plane_rogue *rogue)
{
    if (rogue->endpoint != NULL) {
        plane_rogue_disconnect(rogue);
    }
    rogue->ucp->worker_destroy(rogue->worker);
    rogue->ucp->cleanup(rogue->context);
}

void plane_rogue_progress(plane_rogue *rogue)
{
    while (rogue->ucp->worker_progress(rogue->worker) != 0) {
    }
}

void plane_rogue_send(plane_rogue *rogue, const void *header, size_t header_bytes, const void *payload,
                      size_t payload_bytes, unsigned int flags)
{
    const ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .flags = flags,
        .cb = { .send = done },
        .user_data = rogue,
    };
    rogue->flying_num++;
    remember(rogue, rogue->ucp->am_send_nbx(rogue->endpoint, rogue->message_number, header, header_bytes, payload,
                                            payload_bytes, &param));
}

afd__wire_header plane_rogue_header(const afd__link_options *options, afd__wire_kind kind)
{
    return (afd__wire_header){
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = (uint32_t)kind,
        .key = options->key,
        .session = options->session,
        .row_bytes = options->sent_bytes,
    };
}
