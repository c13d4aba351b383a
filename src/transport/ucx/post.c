/* SPDX-License-Identifier: Apache-2.0 */
/* A post: its worker and its listener. Lines are in line.c. */
#include "transport/ucx/post.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/wait.h"
#include "transport/ucx/line.h"
#include "transport/ucx/settings.h"

/* So many rounds of UCX's before the caller has its thread back, though there is more: a peer that sends without end
 * must not hold it. */
enum { ROUND_MAX = 1000, LAST_ROUND_MS = 5 };

/* ---- What UCX calls ---- */

static afd__line *find_line(const afd__post *post, ucp_ep_h endpoint)
{
    afd__line *line = post->lines;
    while (line != NULL && line->endpoint != endpoint) {
        line = line->next;
    }
    return line;
}

static ucs_status_t on_message(void *argument, const void *header, size_t header_bytes, void *data, size_t data_bytes,
                               const ucp_am_recv_param_t *parameters)
{
    afd__packet_header checked;
    const bool has_sender = (parameters->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) != 0;
    afd__line *line = has_sender ? find_line(argument, parameters->reply_ep) : NULL;
    if (line == NULL || header_bytes != sizeof(checked)) {
        return UCS_OK;
    }
    memcpy(&checked, header, sizeof(checked));
    /* What UCX would have to fetch from the sender is more than a packet, and never fetched: `data` is no data then. */
    if ((parameters->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) {
        data_bytes = AFD__POST_PACKET_BYTES + 1;
    }
    afd__line_take(line, &checked, data, data_bytes);
    return UCS_OK;
}

/* Somebody knocks. Endpoints are not made in here, but afterwards. */
static void on_knock(ucp_conn_request_h request, void *argument)
{
    afd__post *post = argument;
    const bool is_welcome = post->line_num < post->line_max && afd__ucx_is_allowed(post->ucp, request, &post->allow);
    afd__line *line = is_welcome ? afd__line_make(post) : NULL;
    if (line == NULL) {
        afd__listener_reject(post->ucp, post->listener, post->still, request);
        return;
    }
    struct sockaddr_storage address;
    if (afd__ucx_caller(post->ucp, request, &address)) {
        afd__address_write_host(&address, line->host, sizeof(line->host));
    }
    line->is_caller = true;
    line->request = request;
}

/* ---- Progress ---- */

static void let_in(afd__line *line)
{
    ucp_ep_params_t parameters = { .field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST, .conn_request = line->request };
    line->request = NULL;
    if (afd__line_make_endpoint(line, &parameters) != UCS_OK) {
        line->endpoint = NULL;
        afd__line_close(line);
    }
}

/* Does for a line what is due. True if there was something. */
static bool tidy_line(afd__line *line, uint64_t now_ns)
{
    const bool is_new = line->request != NULL;
    if (is_new) {
        let_in(line);
    }
    /* Who went again before he was let in, and left nothing, was nobody. */
    if (line->is_caller && line->trouble != AFD__TROUBLE_NONE && line->inbox_num == 0) {
        afd__line_close(line);
    }
    return afd__line_tidy(line, now_ns) || is_new;
}

static bool tidy(afd__post *post)
{
    const uint64_t now_ns = afd_clock_ns();
    bool has_done = false;
    afd__line **place = &post->lines;
    while (*place != NULL) {
        afd__line *line = *place;
        has_done = tidy_line(line, now_ns) || has_done;
        if (afd__line_is_over(line)) {
            *place = line->next;
            afd__line_free(line);
        } else {
            place = &line->next;
        }
    }
    return has_done;
}

void afd__post_wake(afd__post *post)
{
    (void)post->ucp->worker_signal(post->worker);
}

/* True when there is nothing left to do, and the descriptor will tell of the next. */
static bool work_off(afd__post *post)
{
    for (int round = 0; round < ROUND_MAX; round++) {
        /* UCX may have something to do after what we have done, and says nothing of it at the descriptor. */
        if (post->ucp->worker_progress(post->worker) != 0 || tidy(post)) {
            continue;
        }
        /* Busy: something came in between, which the descriptor would not have told. */
        if (post->ucp->worker_arm(post->worker) != UCS_ERR_BUSY) {
            return true;
        }
    }
    return false;
}

void afd__post_progress(afd__post *post)
{
    afd__still_begin(post->still);
    if (!work_off(post)) {
        (void)tidy(post);
        afd__post_wake(post);
    }
    afd__still_end(post->still);
}

/* ---- Opening ---- */

static afd_status open_worker(afd__post *post, afd_error *error)
{
    const ucp_worker_params_t parameters = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SERIALIZED,
    };
    ucs_status_t status = post->ucp->worker_create(post->context, &parameters, &post->worker);
    if (status != UCS_OK) {
        return afd__ucx_fail(post->ucp, status, "post", "make a worker of UCX", error);
    }
    const ucp_am_handler_param_t handler = {
        .field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                      UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG,
        .id = AFD__POST_MESSAGE_ID,
        .flags = UCP_AM_FLAG_WHOLE_MSG,
        .cb = on_message,
        .arg = post,
    };
    status = afd__ucx_worker_guard(post->ucp, post->worker);
    if (status == UCS_OK) {
        status = post->ucp->worker_set_am_recv_handler(post->worker, &handler);
    }
    if (status == UCS_OK) {
        status = post->ucp->worker_get_efd(post->worker, &post->fd);
    }
    if (status != UCS_OK) {
        return afd__ucx_fail(post->ucp, status, "post", "wait for messages of UCX", error);
    }
    /* UCX opens it without; what the program executes has no use for it. */
    return fcntl(post->fd, F_SETFD, FD_CLOEXEC) == 0
               ? AFD_OK
               : afd__fail_system(error, errno, "post", "keep the descriptor of a post from other programs");
}

static afd_status open_all(afd__post *post, const afd__post_options *options, afd_error *error)
{
    char device[AFD__DEVICE_NAME_BYTES];
    const afd__address *address = options->listen != NULL ? options->listen : options->connect;
    afd_status status = afd__ucp_open(&post->ucp, error);
    if (status == AFD_OK) {
        device[0] = '\0';
    }
    if (status == AFD_OK && address != NULL) {
        status = afd__address_device(address, options->listen != NULL, device, sizeof(device), error);
    }
    if (status == AFD_OK) {
        const afd__ucx_settings settings = {
            .device = device, .is_v6 = address != NULL && afd__address_is_v6(address), .wakes_up = true
        };
        status = afd__ucx_context_create(post->ucp, &settings, &post->context, error);
    }
    if (status == AFD_OK) {
        status = afd__still_make(post->ucp, &post->still, error);
    }
    if (status == AFD_OK) {
        status = open_worker(post, error);
    }
    if (status == AFD_OK && options->listen != NULL) {
        const afd__listen_options listen_options = {
            .worker = post->worker,
            .address = options->listen,
            .knock = { .cb = on_knock, .arg = post },
        };
        status = afd__listen(post->ucp, &listen_options, &post->listener, &post->address, error);
    }
    return status;
}

afd_status afd__post_open(const afd__post_options *options, afd__post **post, afd_error *error)
{
    afd__post *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__fail_system(error, ENOMEM, "post", "make a post");
    }
    made->line_max = options->line_max;
    if (options->allow != NULL) {
        made->allow = *options->allow;
    }
    made->ready_end = &made->ready_first;
    made->fd = -1;
    afd_status status = open_all(made, options, error);
    if (status != AFD_OK) {
        afd__post_close(made);
        return status;
    }
    /* Armed, so that who waits before the first progress is woken. */
    afd__post_progress(made);
    *post = made;
    return AFD_OK;
}

const afd__address *afd__post_address(const afd__post *post)
{
    return &post->address;
}

int afd__post_fd(const afd__post *post)
{
    return post->fd;
}

/* ---- Closing ---- */

static void turn_away(afd__post *post, afd__line *line)
{
    if (line->request != NULL) {
        afd__listener_reject(post->ucp, post->listener, post->still, line->request);
        line->request = NULL;
    }
    afd__line_close(line);
}

/* Lines are closed, and get a moment to say so; who knocks meanwhile is turned away. */
static void say_goodbye(afd__post *post)
{
    post->line_max = 0;
    for (afd__line *line = post->lines; line != NULL; line = line->next) {
        turn_away(post, line);
    }
    const uint64_t began_ns = afd_clock_ns();
    const uint64_t most_ns = AFD__POST_GOODBYE_MS * UINT64_C(1000000);
    afd__post_progress(post);
    while (post->lines != NULL && afd_clock_ns() - began_ns < most_ns) {
        struct pollfd readable = { .fd = post->fd, .events = POLLIN };
        (void)poll(&readable, 1, LAST_ROUND_MS);
        afd__post_progress(post);
    }
}

void afd__post_close(afd__post *post)
{
    if (post == NULL) {
        return;
    }
    if (post->worker != NULL) {
        say_goodbye(post);
        /* Gives up whatever is still under way, and calls back for it; so lines are freed afterwards. */
        afd__listener_end_worker(post->ucp, post->listener, post->still, post->worker);
    }
    afd__still_free(post->still);
    if (post->context != NULL) {
        post->ucp->cleanup(post->context);
    }
    while (post->lines != NULL) {
        afd__line *line = post->lines;
        post->lines = line->next;
        afd__line_free(line);
    }
    free(post);
}
