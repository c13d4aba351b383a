/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_rogue.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "afd/wait.h"
#include "random_numbers.h"
#include "transport/ucx/library.h"
#include "transport/ucx/line.h"
#include "transport/ucx/link.h"
#include "transport/ucx/settings.h"
#include "worker/member/message.h"

#define MILLISECONDS UINT64_C(1000000)

enum { OPEN_MAX_NUM = 24, PORT_MAX_NUM = 8, HANDSHAKE_BYTES_MAX = 4096, CONTENT_BYTES = 16384, HEADER_BYTES = 128 };

/* How long a guest stays to be answered, and how long a message may take to leave. */
enum { STAY_MS = 40, LEAVE_MS = 4 };

struct wire_rogue {
    random_numbers numbers;
    afd__address door;
    afd__address tokens;
    const void *secret;
    size_t secret_bytes;
    uint16_t ports[PORT_MAX_NUM]; /* that sockets go to */
    uint32_t port_num;
    int open_fds[OPEN_MAX_NUM];
    unsigned char handshake[HANDSHAKE_BYTES_MAX]; /* what UCX sends first when it connects */
    size_t handshake_bytes;
    afd__post *post;
    const afd__ucp *ucp;
    ucp_context_h context;
    ucp_worker_h worker;
    unsigned char header[HEADER_BYTES];
    unsigned char content[CONTENT_BYTES];
};

static const char *const visit_texts[WIRE_VISIT_NUM] = {
#define WIRE_VISIT_TEXT(name, text) [name] = text,
    WIRE_VISIT_MAP(WIRE_VISIT_TEXT)
#undef WIRE_VISIT_TEXT
};

const char *wire_visit_text(wire_visit visit)
{
    return visit_texts[visit];
}

static void fill(wire_rogue *rogue, void *bytes, size_t byte_num)
{
    for (size_t i = 0; i < byte_num; i++) {
        ((unsigned char *)bytes)[i] = (unsigned char)random_u64(&rogue->numbers);
    }
}

/* ---- sockets ---- */

static int connect_to(const afd__address *address)
{
    const int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* Kept until its place is needed: some of them are open at any time. */
static void keep_open(wire_rogue *rogue, int fd)
{
    int *place = &rogue->open_fds[random_below(&rogue->numbers, OPEN_MAX_NUM)];
    if (*place >= 0) {
        (void)close(*place);
    }
    *place = fd;
}

static void visit_by_socket(wire_rogue *rogue, const unsigned char *bytes, size_t byte_num)
{
    afd__address address = rogue->door;
    afd__address_set_port(&address, rogue->ports[random_below(&rogue->numbers, rogue->port_num)]);
    const int fd = connect_to(&address);
    if (fd < 0) {
        return;
    }
    if (byte_num > 0) {
        (void)send(fd, bytes, byte_num, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (byte_num == 0 || random_chance(&rogue->numbers, 50)) {
        keep_open(rogue, fd);
    } else {
        (void)close(fd);
    }
}

static void visit_with_bytes(wire_rogue *rogue)
{
    const size_t byte_num = 1 + random_below(&rogue->numbers, random_chance(&rogue->numbers, 50) ? 64 : CONTENT_BYTES);
    fill(rogue, rogue->content, byte_num);
    visit_by_socket(rogue, rogue->content, byte_num);
}

static void visit_with_half_a_handshake(wire_rogue *rogue)
{
    visit_by_socket(rogue, rogue->handshake, random_below(&rogue->numbers, (uint32_t)rogue->handshake_bytes));
}

/* ---- guests at the door ---- */

static void stay(wire_rogue *rogue, afd__line *line, uint64_t milliseconds)
{
    const uint64_t end_ns = afd_clock_ns() + milliseconds * MILLISECONDS;
    unsigned char packet[AFD__POST_PACKET_BYTES];
    size_t byte_num;
    while (afd_clock_ns() < end_ns) {
        struct pollfd waiting = { .fd = afd__post_fd(rogue->post), .events = POLLIN };
        afd__post_progress(rogue->post);
        if (afd__line_receive(line, packet, sizeof(packet), &byte_num, NULL) != AFD_NOT_YET) {
            return;
        }
        (void)poll(&waiting, 1, 1);
    }
}

static afd__knock make_knock(const wire_rogue *rogue)
{
    afd__knock knock = { .hello = afd__message_make(AFD__MESSAGE_HELLO, afd__epoch_new()) };
    knock.hello.generation = knock.hello.epoch;
    knock.hello.pid = (uint32_t)getpid();
    knock.hello.session = 0;
    knock.hello.hidden = 16;
    knock.hello.sync_group_size = 1;
    knock.hello.shape = (afd_shape){ 1, 1, 1, 1, 1, 64, 64 };
    afd__credentials_set(&knock.credentials, rogue->secret, rogue->secret_bytes);
    return knock;
}

static void send_packets(wire_rogue *rogue, afd__line *line)
{
    for (uint32_t left = 1 + random_below(&rogue->numbers, 5); left > 0; left--) {
        const bool is_knock = random_chance(&rogue->numbers, 30);
        const size_t byte_num = is_knock ? sizeof(afd__knock)
                                         : random_below(&rogue->numbers, AFD__POST_PACKET_BYTES);
        fill(rogue, rogue->content, byte_num);
        (void)afd__line_send(line, rogue->content, byte_num);
    }
}

/* What is wrong with it is the kind of the visit. */
static void knock_wrongly(wire_rogue *rogue, afd__line *line, wire_visit visit)
{
    afd__knock knock = make_knock(rogue);
    if (visit == WIRE_OTHER_SECRET) {
        fill(rogue, knock.credentials.secret, rogue->secret_bytes);
    } else if (visit == WIRE_NO_SECRET) {
        afd__credentials_set(&knock.credentials, NULL, 0);
    } else if (visit == WIRE_OTHER_VERSION) {
        knock.hello.version += 1 + random_below(&rogue->numbers, 1000);
    }
    (void)afd__line_send(line, &knock, sizeof(knock));
    if (random_chance(&rogue->numbers, 30)) { /* it does not wait to be asked for more */
        send_packets(rogue, line);
    }
}

static void visit_door(wire_rogue *rogue, wire_visit visit)
{
    afd__line *line = NULL;
    if (afd__line_connect(rogue->post, &rogue->door, &line, NULL) != AFD_OK) {
        return;
    }
    if (visit == WIRE_PACKETS) {
        send_packets(rogue, line);
    } else if (visit != WIRE_QUIET_GUEST) {
        knock_wrongly(rogue, line, visit);
    }
    stay(rogue, line, visit == WIRE_QUIET_GUEST ? LEAVE_MS : STAY_MS);
    afd__line_close(line);
    afd__post_progress(rogue->post);
}

/* ---- messages of UCX ---- */

static void on_failure(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
    (void)endpoint;
    (void)status;
    *(bool *)arg = true;
}

static ucp_ep_h connect_endpoint(wire_rogue *rogue, const afd__address *address, bool *has_failed)
{
    const ucp_ep_params_t parameters = {
        .field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER,
        .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
        .sockaddr = { (const struct sockaddr *)&address->socket, address->socket_bytes },
        .err_mode = UCP_ERR_HANDLING_MODE_PEER,
        .err_handler = { on_failure, has_failed },
    };
    ucp_ep_h endpoint = NULL;
    return rogue->ucp->ep_create(rogue->worker, &parameters, &endpoint) == UCS_OK ? endpoint : NULL;
}

static void progress(wire_rogue *rogue, const bool *is_enough, uint64_t milliseconds)
{
    const uint64_t end_ns = afd_clock_ns() + milliseconds * MILLISECONDS;
    while (!*is_enough && afd_clock_ns() < end_ns) {
        (void)rogue->ucp->worker_progress(rogue->worker);
    }
}

static void end_endpoint(wire_rogue *rogue, ucp_ep_h endpoint)
{
    const ucp_request_param_t parameters = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS,
        .flags = UCP_EP_CLOSE_FLAG_FORCE,
    };
    ucs_status_ptr_t request = rogue->ucp->ep_close_nbx(endpoint, &parameters);
    if (request == NULL || UCS_PTR_IS_ERR(request)) {
        return;
    }
    while (rogue->ucp->request_check_status(request) == UCS_INPROGRESS) {
        (void)rogue->ucp->worker_progress(rogue->worker);
    }
    rogue->ucp->request_free(request);
}

/* One message, that is given up if it does not leave. Header and content stay where they are until it is. */
static void send_message(wire_rogue *rogue, ucp_ep_h endpoint, unsigned int id, size_t header_bytes,
                         size_t content_bytes)
{
    const ucp_request_param_t parameters = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS,
        .flags = (random_chance(&rogue->numbers, 70) ? UCP_AM_SEND_FLAG_REPLY : 0U) |
                 (random_chance(&rogue->numbers, 20) ? UCP_AM_SEND_FLAG_RNDV : 0U),
    };
    bool is_over = false;
    ucs_status_ptr_t request = rogue->ucp->am_send_nbx(endpoint, id, rogue->header, header_bytes, rogue->content,
                                                       content_bytes, &parameters);
    progress(rogue, &is_over, LEAVE_MS);
    if (request != NULL && !UCS_PTR_IS_ERR(request)) {
        if (rogue->ucp->request_check_status(request) == UCS_INPROGRESS) {
            rogue->ucp->request_cancel(rogue->worker, request);
        }
        rogue->ucp->request_free(request);
    }
}

/* Some fields are what they must be, so that those behind them are looked at. */
static void make_token_header(wire_rogue *rogue)
{
    afd__wire_header header;
    fill(rogue, &header, sizeof(header));
    header.magic = AFD__WIRE_MAGIC;
    header.version = random_chance(&rogue->numbers, 90) ? AFD__WIRE_VERSION : header.version;
    header.kind = random_chance(&rogue->numbers, 90) ? 1 + random_below(&rogue->numbers, 4) : header.kind;
    header.session = random_below(&rogue->numbers, 8);
    header.micro_batch = random_below(&rogue->numbers, 4);
    header.round = random_below(&rogue->numbers, 4);
    header.row_num = random_below(&rogue->numbers, 8);
    header.reserved = 0;
    memcpy(rogue->header, &header, sizeof(header));
}

static void visit_tokens(wire_rogue *rogue, bool is_of_tokens)
{
    bool has_failed = false;
    const bool goes_to_door = !is_of_tokens && random_chance(&rogue->numbers, 50);
    ucp_ep_h endpoint = connect_endpoint(rogue, goes_to_door ? &rogue->door : &rogue->tokens, &has_failed);
    if (endpoint == NULL) {
        return;
    }
    for (uint32_t left = 1 + random_below(&rogue->numbers, 3); left > 0 && !has_failed; left--) {
        size_t header_bytes = sizeof(afd__wire_header);
        fill(rogue, rogue->content, 256);
        if (is_of_tokens) {
            make_token_header(rogue);
        } else {
            header_bytes = random_below(&rogue->numbers, HEADER_BYTES);
            fill(rogue, rogue->header, header_bytes);
        }
        /* Numbers that have a handler, and any other. */
        const unsigned int id = is_of_tokens                        ? (unsigned int)AFD__PLANE_MESSAGE_ID
                                : random_chance(&rogue->numbers, 70) ? random_below(&rogue->numbers, 4)
                                                                     : random_below(&rogue->numbers, UINT16_MAX);
        send_message(rogue, endpoint, id, header_bytes, random_below(&rogue->numbers, CONTENT_BYTES));
    }
    end_endpoint(rogue, endpoint);
}

/* What UCX sends first, as a server of ours hears it. */
static void record_handshake(wire_rogue *rogue)
{
    afd__address own = { .socket_bytes = sizeof(own.socket) };
    bool has_failed = false;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    own.socket.ss_family = AF_INET;
    if (listener < 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&own.socket, &own.socket_bytes) != 0) {
        abort();
    }
    /* Listening without a name binds to any address; it is reached by the loopback or by the door's device. */
    ucp_ep_h endpoint = NULL;
    afd_error error;
    char text[AFD__ADDRESS_TEXT_BYTES];
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned int)afd__address_port(&own));
    if (afd__address_parse(text, false, &own, &error) == AFD_OK) {
        endpoint = connect_endpoint(rogue, &own, &has_failed);
    }
    const int fd = endpoint != NULL ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
    for (int attempt = 0; fd >= 0 && attempt < 200; attempt++) {
        const ssize_t got = recv(fd, rogue->handshake + rogue->handshake_bytes,
                                 HANDSHAKE_BYTES_MAX - rogue->handshake_bytes, MSG_DONTWAIT);
        rogue->handshake_bytes += got > 0 ? (size_t)got : 0;
        progress(rogue, &has_failed, 1);
    }
    if (endpoint != NULL) {
        end_endpoint(rogue, endpoint);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    (void)close(listener);
}

/* ---- coming and going ---- */

void wire_rogue_visit(wire_rogue *rogue, wire_visit visit)
{
    switch (visit) {
    case WIRE_BYTES:
        visit_with_bytes(rogue);
        break;
    case WIRE_HALF_OPEN:
        visit_by_socket(rogue, NULL, 0);
        break;
    case WIRE_CUT_OFF:
        visit_with_half_a_handshake(rogue);
        break;
    case WIRE_OTHER_MESSAGES:
    case WIRE_TOKENS:
        visit_tokens(rogue, visit == WIRE_TOKENS);
        break;
    default:
        visit_door(rogue, visit);
        break;
    }
}

static afd_status open_ucx(wire_rogue *rogue, afd_error *error)
{
    const afd__post_options options = { .connect = &rogue->door, .line_max = 4 };
    const afd__ucx_settings settings = { .device = "" };
    const ucp_worker_params_t parameters = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SINGLE,
    };
    afd_status status = afd__ucp_open(&rogue->ucp, error);
    if (status == AFD_OK) {
        status = afd__post_open(&options, &rogue->post, error);
    }
    if (status == AFD_OK) {
        status = afd__ucx_context_create(rogue->ucp, &settings, &rogue->context, error);
    }
    if (status == AFD_OK && (rogue->ucp->worker_create(rogue->context, &parameters, &rogue->worker) != UCS_OK ||
                             afd__ucx_worker_guard(rogue->ucp, rogue->worker) != UCS_OK)) {
        abort();
    }
    return status;
}

void wire_rogue_add_port(wire_rogue *rogue, uint16_t port)
{
    if (rogue->port_num < PORT_MAX_NUM) {
        rogue->ports[rogue->port_num++] = port;
    }
}

wire_rogue *wire_rogue_create(const char *door, const void *secret, size_t secret_bytes, uint64_t seed)
{
    wire_rogue *rogue = calloc(1, sizeof(*rogue));
    afd_error error = { .message = "no memory" };
    if (rogue == NULL) {
        abort();
    }
    *rogue = (wire_rogue){ .numbers = { seed }, .secret = secret, .secret_bytes = secret_bytes };
    for (size_t i = 0; i < OPEN_MAX_NUM; i++) {
        rogue->open_fds[i] = -1;
    }
    afd_status status = afd__address_parse(door, false, &rogue->door, &error);
    if (status == AFD_OK) {
        rogue->tokens = rogue->door;
        afd__address_set_port(&rogue->tokens, (uint16_t)(afd__address_port(&rogue->door) + 1));
        wire_rogue_add_port(rogue, afd__address_port(&rogue->door));
        wire_rogue_add_port(rogue, afd__address_port(&rogue->tokens));
        status = open_ucx(rogue, &error);
    }
    if (status != AFD_OK) {
        fprintf(stderr, "rogue: %s\n", error.message);
        free(rogue);
        return NULL;
    }
    record_handshake(rogue);
    return rogue;
}

void wire_rogue_free(wire_rogue *rogue)
{
    for (size_t i = 0; i < OPEN_MAX_NUM; i++) {
        if (rogue->open_fds[i] >= 0) {
            (void)close(rogue->open_fds[i]);
        }
    }
    afd__post_close(rogue->post);
    rogue->ucp->worker_destroy(rogue->worker);
    rogue->ucp->cleanup(rogue->context);
    free(rogue);
}
