/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of tokens to FFN workers of other hosts: one plane, and a link to each. They belong to the worker's thread,
 * which progresses them in whatever it waits for.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "worker/attention_member.h"
#include "worker/worker.h"

/* ---- the plane ---- */

static afd_status open_plane(afd_attention_worker *worker, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    afd__address address;
    const afd__plane_options options = {
        .connect = &address,
        .half_open_max = 1, /* nobody connects to here */
        .patience_ns = member->options.dead_ns,
    };
    member->links = calloc(worker->ffn_num, sizeof(*member->links));
    if (member->links == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "links", worker->ffn_num * sizeof(*member->links), 0,
                         "no memory for the links to %" PRIu32 " FFN workers", worker->ffn_num);
    }
    afd_status status = afd__ties_common_address(&member->ties, &address, error);
    if (status == AFD_OK) {
        status = afd__plane_open(&options, &member->plane, error);
    }
    if (status != AFD_OK) {
        free(member->links);
        member->links = NULL;
        return status;
    }
    worker->plane = member->plane;
    return AFD_OK;
}

afd_status afd__attention_member_open_plane(afd_attention_worker *worker, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    afd_status status = AFD_OK;
    if (!afd__ties_need_post(&member->ties)) {
        return AFD_OK;
    }
    if (member->ties.post == NULL) {
        status = afd__ties_open_post(&member->ties, error);
    }
    if (status == AFD_OK && member->plane == NULL) {
        status = open_plane(worker, error);
    }
    return status;
}

void afd__attention_member_close_plane(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    for (uint32_t rank = 0; member->links != NULL && rank < worker->ffn_num; rank++) {
        afd__attention_member_close_way(worker, rank);
    }
    worker->plane = NULL;
    afd__plane_close(member->plane);
    free(member->links);
}

/* ---- a link ---- */

static afd_status connect_link(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    const afd__tie *tie = &member->ties.ties[rank];
    afd__attention_link *made = &member->links[rank];
    afd__address address = tie->address;
    const afd__link_options options = {
        .key = tie->window_key,
        .session = worker->session,
        .kind = AFD_WINDOW_FFN,
        .shape = worker->shape,
        .sent_bytes = worker->sent_slot_bytes,
        .received_bytes = afd_token_bytes(worker->type, worker->hidden),
        .window = worker->window,
    };
    afd__attention_member_close_way(worker, rank);
    afd__address_set_port(&address, (uint16_t)tie->data_port);
    afd_status status = afd__link_connect(member->plane, &address, &options, &made->link, error);
    if (status != AFD_OK) {
        made->link = NULL;
        return status == AFD_ERR_NO_MEMORY || status == AFD_ERR_OVERFLOW ? status : AFD_ERR_PEER;
    }
    made->key = tie->window_key;
    made->began_ns = afd_clock_ns();
    return AFD_OK;
}

/* The rank has its writer from when the link is attached. */
static afd_status look_at_link(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    const struct afd__attention_member *member = worker->member;
    const afd__attention_link *made = &member->links[rank];
    switch (afd__link_state_of(made->link)) {
    case AFD__LINK_ATTACHED:
        worker->writers[rank] = afd__link_writer(made->link);
        return afd__check_writer(worker->writers[rank], AFD_WINDOW_FFN, &worker->shape, worker->sent_slot_bytes,
                                 error);
    case AFD__LINK_PENDING:
        return afd_clock_ns() - made->began_ns > member->options.dead_ns ? AFD_ERR_PEER : AFD_OK;
    default:
        return AFD_ERR_PEER;
    }
}

afd_status afd__attention_member_open_link(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    const afd__tie *tie = &worker->member->ties.ties[rank];
    const afd__attention_link *made = &worker->member->links[rank];
    if (tie->window_key == 0 || tie->data_port == 0) {
        return afd__fail(error, AFD_ERR_INVALID, "message.data_port", tie->data_port, 1,
                         "FFN worker %" PRIu32 " (%s) offers no way for tokens", rank,
                         worker->member->ties.names[rank]);
    }
    if (made->link == NULL || made->key != tie->window_key) {
        afd_status status = connect_link(worker, rank, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return look_at_link(worker, rank, error);
}

void afd__attention_member_close_way(afd_attention_worker *worker, uint32_t rank)
{
    afd__attention_link *links = worker->member->links;
    if (links != NULL && links[rank].link != NULL) {
        afd__link_close(links[rank].link); /* and so its writer */
        links[rank] = (afd__attention_link){ .link = NULL };
    } else {
        afd_writer_close(worker->writers[rank]);
    }
    worker->writers[rank] = NULL;
}

/* ---- what became of them ---- */

bool afd__attention_member_link_is_broken(const afd_attention_worker *worker, uint32_t rank)
{
    const afd__attention_link *links = worker->member->links;
    return links != NULL && links[rank].link != NULL && afd__link_state_of(links[rank].link) == AFD__LINK_BROKEN;
}

/* Why the link is gone is said over the post, and may be heard later than that it is; so it is waited for, for a while
 * in which nobody can do anything with the link. */
static bool is_to_be_lost(const struct afd__attention_member *member, afd__attention_link *made, bool at_once,
                          afd_drop_reason *reason)
{
    uint64_t now_ns = afd_clock_ns();
    afd_error trouble;
    bool is_garbage = afd__link_trouble(made->link, &trouble) == AFD_ERR_INVALID;
    *reason = is_garbage ? AFD_DROP_GARBAGE : AFD_DROP_CLOSED;
    made->broken_ns = made->broken_ns == 0 ? now_ns : made->broken_ns;
    return is_garbage || afd__peer_end_is_known(at_once, made->broken_ns, now_ns, member->options.dead_ns);
}

void afd__attention_member_look_at_links(const afd_attention_worker *worker, bool at_once)
{
    struct afd__attention_member *member = worker->member;
    for (uint32_t rank = 0; member->is_joined && rank < worker->ffn_num; rank++) {
        afd_drop_reason reason = AFD_DROP_NONE;
        if (!afd__attention_member_link_is_broken(worker, rank) ||
            !is_to_be_lost(member, &member->links[rank], at_once, &reason)) {
            continue;
        }
        afd__ties_lock(&member->ties);
        afd__tie_lose(&member->ties, &member->ties.ties[rank], reason); /* once: it is LOST from then on */
        afd__ties_unlock(&member->ties);
    }
}
