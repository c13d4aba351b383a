/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in. A header is checked by the rules of its link before any of its numbers is used; what UCX has in its
 * memory then goes straight into the window, and what it does not have yet is received into the link's memory first.
 * Entries are checked when all of a message is there, and rows are written by a writer into the own window, as any
 * producer on this host does it: so ids, flags and their order are nobody else's business here.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "transport/ucx/link.h"

static inline bool takes_rounds(const afd__link *link)
{
    return link->rules.carrier == AFD__WIRE_ROUND;
}

/* ---- into the window ---- */

/* What an ANSWER may say: slots that its ROUND had, so that no peer sets a flag that is another's. */
static afd_status check_answered(const afd__lane *lane, const afd__wire_header *header, const void *payload,
                                 afd_error *error)
{
    for (uint32_t i = 0; i < header->row_num; i++) {
        const afd__wire_entry entry = afd__wire_entry_at(header, payload, i);
        if (lane->row_numbers[entry.slot] == 0) {
            return afd__fail(error, AFD_ERR_INVALID, "entry.slot", entry.slot, 0,
                             "slot %" PRIu32 " is answered, and was not sent", entry.slot);
        }
    }
    return AFD_OK;
}

static afd_status check_content(afd__link *link, const afd__lane *lane, const afd__wire_header *header,
                                const void *payload, afd_error *error)
{
    afd_status status = afd__wire_check_entries(header, payload, &link->rules, link->seen, error);
    if (status != AFD_OK) {
        return status;
    }
    if (!takes_rounds(link)) {
        return check_answered(lane, header, payload, error);
    }
    if (!afd_writer_is_free(link->window_writer, header->session, header->micro_batch)) {
        return afd__fail(error, AFD_ERR_INVALID, "header.micro_batch", header->micro_batch, 0,
                         "a round of micro-batch %" PRIu32 " came in before the one before it was taken",
                         header->micro_batch);
    }
    return AFD_OK;
}

/* As a producer on this host. Nothing of it can fail after the checks. */
static afd_status write_rows(const afd__link *link, const afd__wire_header *header, const char *payload,
                             afd_error *error)
{
    const uint32_t slots_per_token = link->base.shape.selected_expert_num;
    afd_status status = AFD_OK;
    for (uint32_t i = 0; i < header->row_num && status == AFD_OK; i++) {
        const afd__wire_entry entry = afd__wire_entry_at(header, payload, i);
        const afd_place place = {
            .session = header->session,
            .micro_batch = header->micro_batch,
            .token = entry.slot / slots_per_token,
            .slot = entry.slot % slots_per_token,
            .expert_id = entry.expert_id,
        };
        status = afd_writer_put(link->window_writer, &place, payload + i * header->row_bytes, header->row_bytes, error);
    }
    const afd_round round = { header->session, header->micro_batch, header->layer_id, header->round };
    return status == AFD_OK ? afd_writer_publish(link->window_writer, &round, error) : status;
}

/* A whole message is there. */
static void deliver(afd__lane *lane, const afd__wire_header *header, const void *payload)
{
    afd__link *link = lane->link;
    afd_error cause;
    if (link->state != AFD__LINK_ATTACHED) {
        return; /* it was broken or closed meanwhile */
    }
    afd_status status = check_content(link, lane, header, payload, &cause);
    if (status == AFD_OK) {
        status = write_rows(link, header, payload, &cause);
    }
    if (status != AFD_OK) {
        link->plane->counters.garbage_num++;
        afd__link_break(link, &cause);
        return;
    }
    lane->is_open = takes_rounds(link);
    if (!takes_rounds(link)) {
        afd__lane_clear(lane);
    }
}

void afd__link_unpark(afd__lane *lane)
{
    lane->is_parked = false;
    deliver(lane, &lane->arrived, lane->received);
}

/* ---- receiving ---- */

/* What was received goes on, or waits in the link's memory until the last ANSWER has left. */
static void arrive(afd__lane *lane)
{
    if (lane->is_sending && takes_rounds(lane->link)) {
        lane->is_parked = true;
    } else {
        deliver(lane, &lane->arrived, lane->received);
    }
}

static __attribute__((cold)) void break_by_status(afd__link *link, ucs_status_t status)
{
    afd_error cause;
    (void)afd__fail(&cause, AFD_ERR_PEER, "link", (uint64_t)(int64_t)status, 0, "a message did not come in whole: %s",
                    link->plane->ucp->status_string(status));
    afd__link_break(link, &cause);
}

static void set_flying(afd__lane *lane, bool is_flying)
{
    afd__link *link = lane->link;
    link->flying_num += is_flying ? 1 : -1U;
    link->plane->has_chores |= link->window_writer == NULL; /* it may be freed now */
    lane->is_receiving = is_flying;
}

/* UCX's, when a message is in the link's memory, or never will be. */
static void received(void *request, ucs_status_t status, size_t byte_num, void *arg)
{
    afd__lane *lane = arg;
    (void)byte_num; /* what was asked for: the length was checked */
    set_flying(lane, false);
    lane->link->plane->ucp->request_free(request);
    if (status == UCS_OK) {
        arrive(lane);
    } else {
        break_by_status(lane->link, status);
    }
}

/* Asks UCX for what the peer has ready to be fetched. The descriptor `data` is UCX's from here on. */
static ucs_status_t fetch(afd__lane *lane, void *data, size_t data_bytes)
{
    const afd__plane *plane = lane->link->plane;
    const ucp_request_param_t param = {
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .cb = { .recv_am = received },
        .user_data = lane,
    };
    set_flying(lane, true);
    ucs_status_ptr_t request = plane->ucp->am_recv_data_nbx(plane->worker, data, lane->received, data_bytes, &param);
    if (request != NULL && !UCS_PTR_IS_ERR(request)) {
        return UCS_INPROGRESS;
    }
    set_flying(lane, false); /* there is no call back */
    if (request == NULL) {
        arrive(lane);
    } else {
        break_by_status(lane->link, UCS_PTR_STATUS(request));
    }
    return UCS_OK;
}

/* A ROUND or an ANSWER that the lane may have now. */
static ucs_status_t take_in(afd__lane *lane, const afd__wire_header *header, void *data, size_t data_bytes,
                            bool is_elsewhere)
{
    if (is_elsewhere) {
        lane->arrived = *header;
        return fetch(lane, data, data_bytes);
    }
    if (lane->is_sending && takes_rounds(lane->link)) {
        lane->arrived = *header;
        memcpy(lane->received, data, data_bytes);
        lane->is_parked = true;
    } else {
        deliver(lane, header, data);
    }
    return UCS_OK;
}

/* Whether a message is the next of its micro-batch: AFD_OK; AFD_NOT_YET where it is of a round that is over; an error
 * where it must not be sent. */
static afd_status check_turn(const afd__link *link, const afd__lane *lane, const afd__wire_header *header,
                             afd_error *error)
{
    const bool is_round = takes_rounds(link);
    const uint64_t expected = is_round ? lane->round + 1 : lane->round;
    if (header->round < expected || (!is_round && header->round == expected && !lane->is_open)) {
        return AFD_NOT_YET;
    }
    if (header->round > expected) {
        return afd__fail(error, AFD_ERR_INVALID, "header.round", header->round, expected,
                         "header.round is %" PRIu64 " in micro-batch %" PRIu32 ", must be %" PRIu64, header->round,
                         header->micro_batch, expected);
    }
    if (lane->is_receiving || lane->is_parked || (is_round && lane->is_open)) {
        return afd__fail(error, AFD_ERR_INVALID, "header.micro_batch", header->micro_batch, 0,
                         "micro-batch %" PRIu32 " was sent again before the message before it was answered",
                         header->micro_batch);
    }
    return AFD_OK;
}

static ucs_status_t receive_rows(afd__link *link, const afd__wire_header *header, void *data, size_t data_bytes,
                                 bool is_elsewhere)
{
    afd__lane *lane = &link->lanes[header->micro_batch];
    afd_error cause;
    afd_status status = check_turn(link, lane, header, &cause);
    if (status == AFD_NOT_YET) {
        link->plane->counters.stale_num++;
        return UCS_OK;
    }
    if (status != AFD_OK) {
        link->plane->counters.garbage_num++;
        afd__link_break(link, &cause);
        return UCS_OK;
    }
    if (takes_rounds(link)) {
        lane->round = header->round;
    }
    return take_in(lane, header, data, data_bytes, is_elsewhere);
}

/* ATTACH makes a half-open connection the link's, the first one that has the key; ATTACHED says that it was. */
static bool receive_greeting(afd__link *link, afd__connection *connection)
{
    if (!takes_rounds(link)) {
        if (link->state != AFD__LINK_PENDING) {
            return false;
        }
        link->state = AFD__LINK_ATTACHED;
        return true;
    }
    if (link->connection != NULL || connection->link != NULL) {
        return false;
    }
    afd__connection_bind(connection, link);
    link->state = AFD__LINK_ATTACHED;
    afd__link_greet(link);
    return true;
}

/* ---- whose is it ---- */

/* What breaks the rules and has the key of a link breaks that link, or ends the connection that asks to be one. */
static __attribute__((cold)) void refuse(afd__plane *plane, afd__connection *connection, const afd_error *cause)
{
    plane->counters.garbage_num++;
    if (connection->link != NULL) {
        afd__link_break(connection->link, cause);
    }
    afd__connection_end(connection);
}

/* What does not have the key of the connection that it names. UCX believes a message which connection it came over, so
 * anybody may have sent it; a link does not suffer for that. A connection that is no link's yet is worth nothing. */
static __attribute__((cold)) void refuse_stranger(afd__plane *plane, afd__connection *connection)
{
    plane->counters.garbage_num++;
    if (connection != NULL && connection->link == NULL) {
        afd__connection_end(connection);
    }
}

/* A key that no link has, any more or ever: whoever attaches with it learns it by the end of the connection. */
static __attribute__((cold)) void drop(afd__plane *plane, afd__connection *connection)
{
    plane->counters.stale_num++;
    if (connection != NULL && connection->link == NULL) {
        afd__connection_end(connection);
    }
}

ucs_status_t afd__link_receive(void *arg, const void *header, size_t header_bytes, void *data, size_t data_bytes,
                               const ucp_am_recv_param_t *param)
{
    afd__plane *plane = arg;
    afd__wire_header copy;
    afd_error cause;
    const bool has_sender = (param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) != 0;
    plane->counters.received_bytes += header_bytes + data_bytes;
    afd_status status = afd__wire_read(header, header_bytes, &copy, NULL);
    afd__link *link = status == AFD_OK ? afd__link_find(plane, copy.key) : NULL;
    const bool is_own = link != NULL && link->connection != NULL && has_sender &&
                        link->connection->endpoint == param->reply_ep && !link->connection->is_over;
    afd__connection *connection = is_own       ? link->connection
                                  : has_sender ? afd__connection_find(plane, param->reply_ep)
                                               : NULL;
    if (status != AFD_OK || !has_sender) {
        refuse_stranger(plane, connection);
        return UCS_OK;
    }
    if (link == NULL || connection == NULL || connection->is_over) {
        drop(plane, connection);
        return UCS_OK;
    }
    if (!is_own && (copy.kind != AFD__WIRE_ATTACH || connection->link != NULL || link->connection != NULL)) {
        refuse_stranger(plane, connection);
        return UCS_OK;
    }
    status = afd__wire_check(&copy, data_bytes, &link->rules, &cause);
    if (status != AFD_OK) {
        refuse(plane, connection, &cause);
        return UCS_OK;
    }
    if (copy.kind == link->rules.carrier) {
        return receive_rows(link, &copy, data, data_bytes, (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0);
    }
    if (!receive_greeting(link, connection)) {
        (void)afd__fail(&cause, AFD_ERR_INVALID, "header.kind", copy.kind, 0, "a link was greeted twice");
        refuse(plane, connection, &cause);
    }
    return UCS_OK;
}
