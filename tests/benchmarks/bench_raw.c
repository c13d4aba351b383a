/* SPDX-License-Identifier: Apache-2.0 */
/* UCX's active messages as they are: one buffer there, which the server copies and sends back. */
#include <netinet/in.h>
#include <string.h>

#include "afd/wait.h"
#include "plane_bench.h"
#include "transport/ucx/library.h"
#include "transport/ucx/settings.h"

enum { MESSAGE_ID = 2, HEADER_BYTES = 64 };

typedef struct raw_end {
    const afd__ucp *ucp;
    ucp_context_h context;
    ucp_worker_h worker;
    ucp_listener_h listener;
    ucp_ep_h endpoint;
    ucp_conn_request_h caller;
    char header[HEADER_BYTES];
    char *sent;
    char *received;
    uint32_t received_num;
    int flying_num;
    int has_failed;
} raw_end;

static void fetched(void *request, ucs_status_t status, size_t byte_num, void *arg)
{
    raw_end *end = arg;
    (void)byte_num;
    bench_expect(status == UCS_OK, "receive");
    end->received_num++;
    end->ucp->request_free(request);
}

static ucs_status_t receive(void *arg, const void *header, size_t header_bytes, void *data, size_t data_bytes,
                            const ucp_am_recv_param_t *param)
{
    raw_end *end = arg;
    (void)header;
    (void)header_bytes;
    if ((param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0) {
        memcpy(end->received, data, data_bytes);
        end->received_num++;
        return UCS_OK;
    }
    const ucp_request_param_t how = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .cb = { .recv_am = fetched },
        .user_data = end,
    };
    ucs_status_ptr_t request = end->ucp->am_recv_data_nbx(end->worker, data, end->received, data_bytes, &how);
    bench_expect(!UCS_PTR_IS_ERR(request), "receive");
    end->received_num += request == NULL;
    return UCS_INPROGRESS;
}

static void open_end(raw_end *end, const bench_case *c)
{
    const afd__ucx_settings settings = { .device = "lo" };
    const ucp_worker_params_t params = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
    };
    const ucp_am_handler_param_t handler = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG,
        .id = MESSAGE_ID,
        .cb = receive,
        .arg = end,
    };
    *end = (raw_end){ .sent = bench_memory(bench_payload_bytes(c)), .received = bench_memory(bench_payload_bytes(c)) };
    bench_expect(afd__ucp_open(&end->ucp, NULL) == AFD_OK, "open UCX");
    bench_expect(afd__ucx_context_create(end->ucp, &settings, &end->context, NULL) == AFD_OK, "start UCX");
    bench_expect(end->ucp->worker_create(end->context, &params, &end->worker) == UCS_OK, "make a worker");
    bench_expect(end->ucp->worker_set_am_recv_handler(end->worker, &handler) == UCS_OK, "set a handler");
}

static void failed(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
    (void)endpoint;
    (void)status;
    ((raw_end *)arg)->has_failed = 1;
}

static void make_endpoint(raw_end *end, ucp_ep_params_t *params)
{
    params->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    params->err_mode = UCP_ERR_HANDLING_MODE_PEER;
    params->err_handler.cb = failed;
    params->err_handler.arg = end;
    bench_expect(end->ucp->ep_create(end->worker, params, &end->endpoint) == UCS_OK, "make an endpoint");
}

static void knock(ucp_conn_request_h request, void *arg)
{
    ((raw_end *)arg)->caller = request;
}

static void sent(void *request, ucs_status_t status, void *arg)
{
    raw_end *end = arg;
    bench_expect(status == UCS_OK, "send");
    end->flying_num--;
    end->ucp->request_free(request);
}

static void send_one(raw_end *end, const char *payload, size_t payload_bytes)
{
    const ucp_request_param_t how = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .flags = UCP_AM_SEND_FLAG_REPLY,
        .cb = { .send = sent },
        .user_data = end,
    };
    ucs_status_ptr_t request = end->ucp->am_send_nbx(end->endpoint, MESSAGE_ID, end->header, HEADER_BYTES, payload,
                                                     payload_bytes, &how);
    bench_expect(!UCS_PTR_IS_ERR(request), "send");
    end->flying_num += request != NULL;
}

static void progress(raw_end *end)
{
    while (end->ucp->worker_progress(end->worker) != 0) {
    }
}

static void serve(const bench_case *c, bench_board *board)
{
    raw_end end;
    open_end(&end, c);
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const ucp_listener_params_t params = {
        .field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
        .sockaddr = { .addr = (const struct sockaddr *)&any, .addrlen = sizeof(any) },
        .conn_handler = { .cb = knock, .arg = &end },
    };
    ucp_listener_attr_t got = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };
    bench_expect(end.ucp->listener_create(end.worker, &params, &end.listener) == UCS_OK, "listen");
    bench_expect(end.ucp->listener_query(end.listener, &got) == UCS_OK, "ask a listener");
    bench_announce(board, ntohs(((const struct sockaddr_in *)&got.sockaddr)->sin_port));
    while (end.caller == NULL) {
        progress(&end);
    }
    ucp_ep_params_t of_caller = { .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST, .conn_request = end.caller };
    make_endpoint(&end, &of_caller);
    for (uint32_t i = 0; i < c->round_num + bench_warm_up_num(c); i++) {
        while (end.received_num == i || end.flying_num > 0) {
            progress(&end);
        }
        send_one(&end, end.received, bench_payload_bytes(c));
    }
    while (!end.has_failed) {
        progress(&end); /* until the last answer was read */
    }
}

static void ask(const bench_case *c, bench_board *board)
{
    raw_end end;
    const uint16_t port = bench_await_port(board);
    open_end(&end, c);
    const struct sockaddr_in there = { AF_INET, htons(port), { htonl(INADDR_LOOPBACK) }, { 0 } };
    ucp_ep_params_t params = {
        .field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
        .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
        .sockaddr = { .addr = (const struct sockaddr *)&there, .addrlen = sizeof(there) },
    };
    make_endpoint(&end, &params);
    for (uint32_t i = 0; i < c->round_num + bench_warm_up_num(c); i++) {
        const uint64_t began_ns = afd_clock_ns();
        send_one(&end, end.sent, bench_payload_bytes(c));
        while (end.received_num == i || end.flying_num > 0) {
            progress(&end);
        }
        memcpy(end.sent, end.received, bench_payload_bytes(c));
        bench_note(c, board, i, began_ns);
    }
}

const bench_way bench_raw = { "raw", serve, ask };
