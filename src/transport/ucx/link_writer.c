/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator sees of a link, and what goes out. A row is copied once, behind the rows that were put before it, so
 * a message is contiguous; the send buffer holds nothing but what was put for this peer, and zeros.
 *
 * On a broken link everything is taken and goes nowhere, as into the window of a process that is dead: whoever has the
 * link learns by afd__link_state_of() that it is lost, and one lost peer fails no call that serves others.
 *
 * No allocation, lock or system call but UCX's own.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "transport/ucx/link.h"

static inline afd__link *link_of(afd_writer *base)
{
    return (afd__link *)(void *)base;
}

static inline const afd__link *link_of_const(const afd_writer *base)
{
    return (const afd__link *)(const void *)base;
}

static inline bool sends_rounds(const afd__link *link)
{
    return link->base.kind == AFD_WINDOW_FFN;
}

/* ---- gathering ---- */

/* Whether the send buffer is the caller's: nothing of it is under way, or nothing of it matters any more. */
static inline bool is_ours(const afd__link *link, const afd__lane *lane)
{
    return link->state == AFD__LINK_BROKEN || (!lane->is_sending && !(sends_rounds(link) && lane->is_open));
}

static bool link_is_free(const afd_writer *base, uint32_t session, uint32_t micro_batch)
{
    const afd__link *link = link_of_const(base);
    afd__lane *lane = &link->lanes[micro_batch];
    if (link->state != AFD__LINK_ATTACHED || session != link->rules.session) {
        return false;
    }
    const bool is_free = is_ours(link, lane);
    if (!is_free && !lane->was_awaited) {
        lane->was_awaited = true;
        link->plane->counters.credit_wait_num++;
    }
    return is_free;
}

/* Where the row of a slot is in the message: where it was put before, else behind all others. */
static char *row_of(afd__link *link, afd__lane *lane, const afd_place *place)
{
    const uint32_t slot = place->token * link->base.shape.selected_expert_num + place->slot;
    uint32_t number = lane->row_numbers[slot];
    if (number == 0) {
        number = ++lane->put_num;
        lane->row_numbers[slot] = number;
    }
    lane->entries[number - 1] = (afd__wire_entry){
        .slot = slot,
        .expert_id = sends_rounds(link) ? place->expert_id : 0,
    };
    return lane->sent_payload + (number - 1) * link->row_bytes;
}

static afd_status check_place(const afd__link *link, const afd_place *place, afd_error *error)
{
    if (sends_rounds(link) && place->session != link->rules.session) {
        return afd__fail(error, AFD_ERR_INVALID, "place.session", place->session, link->rules.session,
                         "place.session is %" PRIu32 ", and the link is of session %" PRIu32, place->session,
                         link->rules.session);
    }
    if (!is_ours(link, &link->lanes[place->micro_batch])) {
        return afd__fail(error, AFD_ERR_INVALID, "place.micro_batch", place->micro_batch, 0,
                         "micro-batch %" PRIu32 " is under way and not free", place->micro_batch);
    }
    return AFD_OK;
}

static void *link_stage(afd_writer *base, const afd_place *place)
{
    afd__link *link = link_of(base);
    return check_place(link, place, NULL) == AFD_OK ? row_of(link, &link->lanes[place->micro_batch], place) : NULL;
}

static afd_status link_put(afd_writer *base, const afd_place *place, const void *row, size_t row_bytes,
                           afd_error *error)
{
    afd__link *link = link_of(base);
    afd_status status = check_place(link, place, error);
    if (status != AFD_OK) {
        return status;
    }
    char *slot = row_of(link, &link->lanes[place->micro_batch], place);
    memcpy(slot, row, row_bytes);
    memset(slot + row_bytes, 0, link->row_bytes - row_bytes);
    afd__fault_at_torn(sends_rounds(link) ? AFD__FAULT_PUT : AFD__FAULT_REPLY, NULL, slot, row_bytes);
    return AFD_OK;
}

void afd__lane_clear(afd__lane *lane)
{
    for (uint32_t i = 0; i < lane->put_num; i++) {
        lane->row_numbers[lane->entries[i].slot] = 0;
    }
    lane->put_num = 0;
}

static void link_discard(afd_writer *base, uint32_t session, uint32_t micro_batch)
{
    afd__link *link = link_of(base);
    afd__lane *lane = &link->lanes[micro_batch];
    (void)session;
    if (is_ours(link, lane)) {
        afd__lane_clear(lane);
    }
}

/* ---- sending ---- */

static void break_by_status(afd__link *link, ucs_status_t status)
{
    afd_error cause;
    (void)afd__fail(&cause, AFD_ERR_PEER, "link", (uint64_t)(int64_t)status, 0, "a message did not leave: %s",
                    link->plane->ucp->status_string(status));
    afd__link_break(link, &cause);
}

static void set_flying(afd__link *link, afd__lane *lane, bool is_flying)
{
    link->flying_num += is_flying ? 1 : -1U;
    link->plane->has_chores |= link->window_writer == NULL; /* it may be freed now */
    if (lane != NULL) {
        lane->is_sending = is_flying;
    }
}

/* UCX's, when a greeting has left. */
static void greeted(void *request, ucs_status_t status, void *arg)
{
    afd__link *link = arg;
    set_flying(link, NULL, false);
    link->plane->ucp->request_free(request);
    if (status != UCS_OK) {
        break_by_status(link, status);
    }
}

/* UCX's, when a message of a lane has left, or never will. */
static void sent(void *request, ucs_status_t status, void *arg)
{
    afd__lane *lane = arg;
    afd__link *link = lane->link;
    set_flying(link, lane, false);
    link->plane->ucp->request_free(request);
    if (status != UCS_OK) {
        break_by_status(link, status);
    } else if (lane->is_parked) {
        afd__link_unpark(lane);
    }
}

void afd__link_send(afd__link *link, afd__lane *lane)
{
    const afd__wire_header *header = lane != NULL ? &lane->sent : &link->greeting;
    const uint64_t payload_bytes = afd__wire_payload_bytes(header->row_num, header->row_bytes);
    const ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .flags = UCP_AM_SEND_FLAG_REPLY,
        .cb = { .send = lane != NULL ? sent : greeted },
        .user_data = lane != NULL ? (void *)lane : (void *)link,
    };
    set_flying(link, lane, true);
    ucs_status_ptr_t request =
        link->plane->ucp->am_send_nbx(link->connection->endpoint, AFD__PLANE_MESSAGE_ID, header, sizeof(*header),
                                      lane != NULL ? lane->sent_payload : NULL, payload_bytes, &param);
    if (request == NULL || UCS_PTR_IS_ERR(request)) {
        set_flying(link, lane, false); /* there is no call back */
    }
    if (UCS_PTR_IS_ERR(request)) {
        break_by_status(link, UCS_PTR_STATUS(request));
        return;
    }
    link->plane->counters.sent_bytes += sizeof(*header) + payload_bytes;
}

static afd_status check_round(const afd__link *link, const afd__lane *lane, const afd_round *round, afd_error *error)
{
    if (sends_rounds(link) && round->session != link->rules.session) {
        return afd__fail(error, AFD_ERR_INVALID, "round.session", round->session, link->rules.session,
                         "round.session is %" PRIu32 ", and the link is of session %" PRIu32, round->session,
                         link->rules.session);
    }
    if (link->state == AFD__LINK_PENDING || !is_ours(link, lane) || (!sends_rounds(link) && !lane->is_open)) {
        return afd__fail(error, AFD_ERR_INVALID, "round.micro_batch", round->micro_batch, 0,
                         "micro-batch %" PRIu32 " %s", round->micro_batch,
                         link->state == AFD__LINK_PENDING ? "has no peer attached yet"
                         : sends_rounds(link)             ? "is under way and not free"
                                                          : "has no round to answer");
    }
    return AFD_OK;
}

static afd_status link_publish(afd_writer *base, const afd_round *round, afd_error *error)
{
    afd__link *link = link_of(base);
    afd__lane *lane = &link->lanes[round->micro_batch];
    if (link->state == AFD__LINK_BROKEN) {
        link_discard(base, round->session, round->micro_batch);
        return AFD_OK;
    }
    afd_status status = check_round(link, lane, round, error);
    if (status != AFD_OK) {
        return status;
    }
    const bool is_round = sends_rounds(link);
    lane->round += is_round;
    lane->was_awaited = false;
    lane->sent = (afd__wire_header){
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = (uint32_t)(is_round ? AFD__WIRE_ROUND : AFD__WIRE_ANSWER),
        .key = link->key,
        .round = lane->round,
        .session = link->rules.session,
        .micro_batch = round->micro_batch,
        .layer_id = is_round ? round->layer_id : 0,
        .row_num = lane->put_num,
        .row_bytes = link->row_bytes,
    };
    memcpy(lane->sent_payload + lane->put_num * link->row_bytes, lane->entries, lane->put_num * sizeof(*lane->entries));
    afd__fault_at(is_round ? AFD__FAULT_PUBLISH : AFD__FAULT_ANSWER, lane);
    lane->is_open = is_round;
    if (!is_round) {
        afd__lane_clear(lane); /* a ROUND's rows say until its ANSWER which slots may be answered */
    }
    afd__link_send(link, lane);
    return AFD_OK;
}

/* ---- the rest of a writer ---- */

/* One link of a plane does it for all of them. */
static void link_progress(afd_writer *base)
{
    afd__plane *plane = link_of(base)->plane;
    if (plane->links == link_of(base)) {
        afd__plane_progress(plane);
    }
}

static bool link_is_idle(const afd_writer *base)
{
    (void)base; /* rows were copied */
    return true;
}

static afd_peer_state link_peer(const afd_writer *base)
{
    return link_of_const(base)->state == AFD__LINK_BROKEN ? AFD_PEER_DEAD : AFD_PEER_ALIVE;
}

static void link_close(afd_writer *base)
{
    afd__link_close(link_of(base));
}

const afd_writer_ops afd__link_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "ucx",
    .is_free = link_is_free,
    .put = link_put,
    .stage = link_stage,
    .publish = link_publish,
    .discard = link_discard,
    .progress = link_progress,
    .is_idle = link_is_idle,
    .peer = link_peer,
    .close = link_close,
};
