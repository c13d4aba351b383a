/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a post: what their caller does with them. */
#include "transport/ucx/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/wait.h"

/* ---- Ready ---- */

static bool has_news(const afd__line *line)
{
    return line->inbox_num != 0 || (line->trouble != AFD__TROUBLE_NONE && !line->is_trouble_told);
}

/* A line that its caller has is told of once each time that something is new. */
void afd__line_become_ready(afd__line *line)
{
    afd__post *post = line->post;
    if (line->is_ready || line->is_closed || line->is_caller || !has_news(line)) {
        return;
    }
    line->is_ready = true;
    line->next_ready = NULL;
    *post->ready_end = line;
    post->ready_end = &line->next_ready;
}

static afd__line *take_ready(afd__post *post)
{
    afd__line *line = post->ready_first;
    if (line != NULL) {
        post->ready_first = line->next_ready;
        if (post->ready_first == NULL) {
            post->ready_end = &post->ready_first;
        }
        line->is_ready = false;
    }
    return line;
}

static void leave_ready(afd__line *line)
{
    afd__line **place = &line->post->ready_first;
    if (!line->is_ready) {
        return;
    }
    while (*place != line) {
        place = &(*place)->next_ready;
    }
    *place = line->next_ready;
    if (*place == NULL) {
        line->post->ready_end = place;
    }
    line->is_ready = false;
}

bool afd__post_next_ready(afd__post *post, uint64_t *tag)
{
    afd__line *line = take_ready(post);
    while (line != NULL && !has_news(line)) {
        line = take_ready(post);
    }
    if (line != NULL) {
        *tag = line->tag;
    }
    return line != NULL;
}

const char *afd__line_host(const afd__line *line)
{
    return line->host;
}

void afd__line_set_tag(afd__line *line, uint64_t tag)
{
    line->tag = tag;
}

/* ---- What callbacks note ---- */

void afd__line_break(afd__line *line, afd__line_trouble trouble, ucs_status_t failure)
{
    if (line->trouble == AFD__TROUBLE_NONE) {
        line->trouble = trouble;
        line->failure = failure;
        afd__line_become_ready(line);
    }
}

static void on_error(void *argument, ucp_ep_h endpoint, ucs_status_t status)
{
    (void)endpoint;
    afd__line_break(argument, AFD__TROUBLE_UCX, status);
    ((afd__line *)argument)->is_done = true;
}

afd__packet *afd__packet_make(afd__line *line, afd__packet_kind kind, const void *content, size_t content_bytes)
{
    afd__packet *packet = malloc(sizeof(*packet) + content_bytes);
    if (packet != NULL) {
        *packet = (afd__packet){ .line = line, .content_bytes = content_bytes };
        packet->header = (afd__packet_header){ .key = line->own_key, .kind = kind };
        if (content_bytes != 0) {
            memcpy(packet->content, content, content_bytes);
        }
    }
    return packet;
}

/* ---- Sending ---- */

static void on_sent(void *request, ucs_status_t status, void *user_data)
{
    afd__packet *packet = user_data;
    afd__line *line = packet->line;
    line->outbox_num--;
    if (status != UCS_OK) {
        afd__line_break(line, AFD__TROUBLE_UCX, status);
    }
    line->post->ucp->request_free(request);
    free(packet);
}

/* Takes the packet over. */
static ucs_status_t send_packet(afd__line *line, afd__packet *packet)
{
    const ucp_request_param_t parameters = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS,
        .flags = UCP_AM_SEND_FLAG_REPLY | UCP_AM_SEND_FLAG_EAGER,
        .cb.send = on_sent,
        .user_data = packet,
    };
    packet->header.number = line->sent_num++;
    line->outbox_num++;
    ucs_status_ptr_t sent = line->post->ucp->am_send_nbx(line->endpoint, AFD__POST_MESSAGE_ID, &packet->header,
                                                         sizeof(packet->header), packet->content,
                                                         packet->content_bytes, &parameters);
    if (UCS_PTR_IS_PTR(sent)) {
        return UCS_OK;
    }
    line->outbox_num--;
    free(packet);
    return UCS_PTR_STATUS(sent);
}

static ucs_status_t send_goodbye(afd__line *line, afd__packet_kind kind)
{
    afd__packet *packet = afd__packet_make(line, kind, NULL, 0);
    return packet == NULL ? UCS_ERR_NO_MEMORY : send_packet(line, packet);
}

afd_status afd__line_send(afd__line *line, const void *packet, size_t packet_bytes)
{
    if (line->trouble != AFD__TROUBLE_NONE || line->endpoint == NULL) {
        return AFD_ERR_PEER;
    }
    if (packet_bytes > AFD__POST_PACKET_BYTES) {
        return AFD_ERR_INVALID;
    }
    if (line->outbox_num >= AFD__POST_OUTBOX_NUM) {
        return AFD_NOT_YET;
    }
    afd__packet *copy = afd__packet_make(line, AFD__PACKET_CONTENT, packet, packet_bytes);
    if (copy == NULL) {
        return AFD_ERR_NO_MEMORY;
    }
    ucs_status_t status = send_packet(line, copy);
    if (status != UCS_OK) {
        afd__line_break(line, AFD__TROUBLE_UCX, status);
    }
    /* What is under way is carried on by whoever progresses the post. */
    if (status != UCS_OK || line->outbox_num != 0) {
        afd__post_wake(line->post);
    }
    return status == UCS_OK ? AFD_OK : AFD_ERR_PEER;
}

/* ---- Receiving ---- */

static afd_status fail_broken(const afd__line *line, afd_error *error)
{
    const char *peer = line->peer.text[0] == '\0' ? "the other end" : line->peer.text;
    switch (line->trouble) {
    case AFD__TROUBLE_BYE:
        return afd__fail(error, AFD_ERR_PEER, "line", 0, 0, "%s has closed the line", peer);
    case AFD__TROUBLE_FLOOD:
        return afd__fail(error, AFD_ERR_PEER, "line", AFD__POST_INBOX_NUM + 1, AFD__POST_INBOX_NUM,
                         "%s sent more than %d packets before they were received", peer, AFD__POST_INBOX_NUM);
    case AFD__TROUBLE_SIZE:
        return afd__fail(error, AFD_ERR_PEER, "line", 0, AFD__POST_PACKET_BYTES,
                         "%s sent a packet of more than %d bytes", peer, AFD__POST_PACKET_BYTES);
    case AFD__TROUBLE_MEMORY:
        return afd__fail(error, AFD_ERR_PEER, "line", 0, 0, "no memory for a packet of %s", peer);
    default:
        break;
    }
    if (line->failure == UCS_ERR_REJECTED) {
        return afd__fail(error, AFD_ERR_PEER, "line", 0, 0,
                         "%s turned us away: it has as many lines as it takes, or none for this host", peer);
    }
    return afd__fail(error, AFD_ERR_PEER, "line", (uint64_t)line->failure, 0, "%s is gone or cannot be reached: %s",
                     peer, line->post->ucp->status_string(line->failure));
}

afd_status afd__line_receive(afd__line *line, void *packet, size_t capacity, size_t *packet_bytes, afd_error *error)
{
    afd__packet *first = line->inbox_first;
    if (first == NULL) {
        if (line->trouble == AFD__TROUBLE_NONE) {
            return AFD_NOT_YET;
        }
        line->is_trouble_told = true;
        return fail_broken(line, error);
    }
    if (first->content_bytes > capacity) {
        return afd__fail(error, AFD_ERR_INVALID, "capacity", capacity, first->content_bytes,
                         "the packet has %zu bytes, and there is room for %zu", first->content_bytes, capacity);
    }
    memcpy(packet, first->content, first->content_bytes);
    *packet_bytes = first->content_bytes;
    line->inbox_first = first->next;
    if (line->inbox_first == NULL) {
        line->inbox_end = &line->inbox_first;
    }
    line->inbox_num--;
    free(first);
    afd__line_become_ready(line);
    return AFD_OK;
}

/* ---- From making to freeing ---- */

afd__line *afd__line_make(afd__post *post)
{
    afd__line *line = calloc(1, sizeof(*line));
    if (line == NULL) {
        return NULL;
    }
    /* At most 256 bytes come at once and whole; with an old kernel that is not ready, the key is one that can be
     * guessed, and never 0. */
    if (getrandom(&line->own_key, sizeof(line->own_key), GRND_NONBLOCK) != sizeof(line->own_key)) {
        line->own_key = afd_clock_ns();
    }
    line->own_key |= 1;
    line->post = post;
    line->inbox_end = &line->inbox_first;
    line->next = post->lines;
    post->lines = line;
    post->line_num++;
    return line;
}

ucs_status_t afd__line_make_endpoint(afd__line *line, ucp_ep_params_t *parameters)
{
    parameters->field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
    parameters->err_mode = UCP_ERR_HANDLING_MODE_PEER;
    parameters->err_handler = (ucp_err_handler_t){ .cb = on_error, .arg = line };
    afd__still_begin(line->post->still);
    ucs_status_t status = line->post->ucp->ep_create(line->post->worker, parameters, &line->endpoint);
    afd__still_end(line->post->still);
    return status;
}

afd_status afd__line_connect(afd__post *post, const afd__address *address, afd__line **line, afd_error *error)
{
    ucp_ep_params_t parameters = {
        .field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR,
        .flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER,
        .sockaddr = { .addr = (const struct sockaddr *)&address->socket, .addrlen = address->socket_bytes },
    };
    afd__line *made = afd__line_make(post);
    if (made == NULL) {
        return afd__fail_system(error, ENOMEM, "line", "make a line");
    }
    made->peer = *address;
    ucs_status_t status = afd__line_make_endpoint(made, &parameters);
    if (status != UCS_OK) {
        /* Found out at once or later, it is told in one way. */
        made->endpoint = NULL;
        afd__line_break(made, AFD__TROUBLE_UCX, status);
    }
    afd__post_wake(post);
    *line = made;
    return AFD_OK;
}

afd__line *afd__line_accept(afd__post *post)
{
    /* The oldest is the last in the list. */
    afd__line *found = NULL;
    for (afd__line *line = post->lines; line != NULL; line = line->next) {
        if (line->is_caller && line->endpoint != NULL) {
            found = line;
        }
    }
    if (found != NULL) {
        found->is_caller = false;
        afd__line_become_ready(found);
    }
    return found;
}

bool afd__post_has_callers(const afd__post *post)
{
    const afd__line *line = post->lines;
    while (line != NULL && !(line->is_caller && line->endpoint != NULL)) {
        line = line->next;
    }
    return line != NULL;
}

void afd__line_close(afd__line *line)
{
    if (line == NULL || line->is_closed) {
        return;
    }
    leave_ready(line);
    line->is_closed = true;
    line->is_caller = false;
    line->post->line_num--;
    line->goodbye_ns = afd_clock_ns() + AFD__POST_GOODBYE_MS * UINT64_C(1000000);
    /* Where the other end has said BYE, it waits for ours alone. */
    if (line->trouble != AFD__TROUBLE_NONE || line->endpoint == NULL ||
        send_goodbye(line, AFD__PACKET_BYE) != UCS_OK) {
        line->is_done = true;
    }
    afd__post_wake(line->post);
}

static void on_ended(void *request, ucs_status_t status, void *user_data)
{
    afd__line *line = user_data;
    (void)status;
    line->is_ending = false;
    line->post->ucp->request_free(request);
}

/* By force: what had to be sent was waited for. */
static void end_endpoint(afd__line *line)
{
    const ucp_request_param_t parameters = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS,
        .flags = UCP_EP_CLOSE_FLAG_FORCE,
        .cb.send = on_ended,
        .user_data = line,
    };
    ucp_ep_h endpoint = line->endpoint;
    line->endpoint = NULL;
    line->is_ending = UCS_PTR_IS_PTR(line->post->ucp->ep_close_nbx(endpoint, &parameters));
}

bool afd__line_tidy(afd__line *line, uint64_t now_ns)
{
    bool has_done = false;
    if (line->owes_bye_back && line->endpoint != NULL) {
        line->owes_bye_back = false;
        (void)send_goodbye(line, AFD__PACKET_BYE_BACK);
        has_done = true;
    }
    /* A flood and what breaks the rules are not listened to until the caller has found out. */
    const bool is_hostile = line->trouble != AFD__TROUBLE_NONE && line->trouble != AFD__TROUBLE_BYE;
    const bool is_over = line->is_closed && (now_ns >= line->goodbye_ns || (line->is_done && line->outbox_num == 0));
    if (line->endpoint != NULL && (is_hostile || is_over)) {
        end_endpoint(line);
        has_done = true;
    }
    return has_done;
}

bool afd__line_is_over(const afd__line *line)
{
    return line->is_closed && line->endpoint == NULL && !line->is_ending && line->outbox_num == 0;
}

void afd__line_free(afd__line *line)
{
    while (line->inbox_first != NULL) {
        afd__packet *packet = line->inbox_first;
        line->inbox_first = packet->next;
        free(packet);
    }
    while (line->early_first != NULL) {
        afd__packet *packet = line->early_first;
        line->early_first = packet->next;
        free(packet);
    }
    free(line);
}
