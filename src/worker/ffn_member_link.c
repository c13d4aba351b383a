/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of tokens between an FFN worker and sessions of other hosts. Each has a link, which the worker's thread makes
 * when it offers the place and closes when the place is lost, between two steps, as everything of its plane.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "window/stats.h"
#include "worker/ffn_member.h"
#include "worker/member/event.h"

/* ---- the address ---- */

afd_status afd__ffn_member_parse_listen(const afd_member_options *options, afd__address *listen, afd_error *error)
{
    afd_status status = afd__address_parse(options->listen, true, listen, error);
    if (status != AFD_OK) {
        return status;
    }
    if (afd__address_port(listen) == UINT16_MAX) {
        return afd__fail(error, AFD_ERR_INVALID, "options.listen", UINT16_MAX, UINT16_MAX - 1,
                         "options.listen is %s, must have a port below %d, as tokens come in at the next one",
                         listen->text, UINT16_MAX);
    }
    if (!afd__address_is_loopback(listen) && options->secret == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "options.secret", 0, 1,
                         "options.listen is %s, which others than this host can reach: that needs a secret",
                         listen->text);
    }
    return AFD_OK;
}

/* ---- the plane ---- */

/* All sessions may come at once, and as many more as there may be guests without a place. */
static afd_status open_at(afd_ffn_worker *worker, const afd__address *address, afd_error *error)
{
    struct afd__ffn_member *member = worker->member;
    const afd__plane_options options = {
        .listen = address,
        .half_open_max = worker->shape.session_num + AFD__DOOR_SPARE_NUM,
        .patience_ns = member->options.dead_ns,
        .allow = &member->door.allow,
    };
    afd_status status = afd__plane_open(&options, &member->plane, error);
    worker->plane = member->plane;
    return status;
}

afd_status afd__ffn_member_open_plane(afd_ffn_worker *worker, const afd__address *listen, afd_error *error)
{
    struct afd__ffn_member *member = worker->member;
    afd__address address = *listen;
    uint16_t port = afd__address_port(listen);
    member->links = calloc(worker->shape.session_num, sizeof(*member->links));
    if (member->links == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "links", worker->shape.session_num * sizeof(*member->links), 0,
                         "no memory for the links of %" PRIu32 " sessions", worker->shape.session_num);
    }
    afd__address_set_port(&address, port == 0 ? 0 : (uint16_t)(port + 1));
    return open_at(worker, &address, error);
}

void afd__ffn_member_close_plane(afd_ffn_worker *worker)
{
    struct afd__ffn_member *member = worker->member;
    for (uint32_t s = 0; member->links != NULL && s < worker->shape.session_num; s++) {
        afd__ffn_member_close_link(worker, s);
    }
    worker->plane = NULL;
    afd__plane_close(member->plane);
    free(member->links);
}

/* ---- links ---- */

static bool is_for(const afd__ffn_link *made, const afd__guest *guest)
{
    return made->link != NULL && made->guest == guest && made->serial == guest->serial;
}

static afd_status make_link(afd_ffn_worker *worker, const afd__guest *guest, afd_error *error)
{
    afd__ffn_link *made = &worker->member->links[guest->session];
    const afd__link_options options = {
        .key = afd__epoch_new(),
        .session = guest->session,
        .kind = AFD_WINDOW_ATTENTION,
        .shape = worker->shape,
        .sent_bytes = worker->member->door.terms.result_bytes,
        .received_bytes = afd_token_slot_bytes(worker->batch.type, worker->hidden),
        .window = worker->window,
    };
    afd__ffn_member_close_link(worker, guest->session);
    afd_status status = afd__link_expect(worker->member->plane, &options, &made->link, error);
    if (status != AFD_OK) {
        made->link = NULL;
        return status;
    }
    made->key = options.key;
    made->guest = guest;
    made->serial = guest->serial;
    return AFD_OK;
}

afd_status afd__ffn_member_expect(afd_ffn_worker *worker, const afd__guest *guest, afd__message *turn,
                                  afd_error *error)
{
    const afd__ffn_link *made = &worker->member->links[guest->session];
    afd_status status = AFD_OK;
    if (!is_for(made, guest) || afd__link_state_of(made->link) == AFD__LINK_BROKEN) {
        status = make_link(worker, guest, error);
    }
    if (status == AFD_OK) {
        turn->window_key = made->key;
        turn->data_port = afd__address_port(afd__plane_address(worker->member->plane));
    }
    return status;
}

afd__link_state afd__ffn_member_link_state(const afd_ffn_worker *worker, const afd__guest *guest)
{
    const afd__ffn_link *made = &worker->member->links[guest->session];
    return is_for(made, guest) ? afd__link_state_of(made->link) : AFD__LINK_BROKEN;
}

void afd__ffn_member_close_link(afd_ffn_worker *worker, uint32_t session)
{
    struct afd__ffn_member *member = worker->member;
    if (member->links != NULL) {
        afd__link_close(member->links[session].link);
        member->links[session] = (afd__ffn_link){ .link = NULL };
    }
}

void afd__ffn_member_sweep_links(afd_ffn_worker *worker)
{
    const struct afd__ffn_member *member = worker->member;
    for (uint32_t s = 0; member->links != NULL && s < worker->shape.session_num; s++) {
        const afd__guest *holder = member->door.places[s];
        if (member->links[s].link != NULL && (holder == NULL || !is_for(&member->links[s], holder))) {
            afd__ffn_member_close_link(worker, s);
        }
    }
}

/* ---- what became of them ---- */

/* A session that leaves says goodbye over the post, and it may be that its link is heard to be closed first. So a link
 * without a peer is given a while, in which nobody can do anything with it. */
static bool is_to_be_dropped(const struct afd__ffn_member *member, afd__ffn_link *made, afd_drop_reason *reason)
{
    uint64_t now_ns = afd_clock_ns();
    afd_error trouble;
    bool is_garbage = afd__link_trouble(made->link, &trouble) == AFD_ERR_INVALID;
    *reason = is_garbage ? AFD_DROP_GARBAGE : AFD_DROP_CLOSED;
    made->broken_ns = made->broken_ns == 0 ? now_ns : made->broken_ns;
    return is_garbage || afd__peer_end_is_known(false, made->broken_ns, now_ns, member->options.dead_ns);
}

void afd__ffn_member_look_at_links(afd_ffn_worker *worker)
{
    struct afd__ffn_member *member = worker->member;
    for (uint32_t s = 0; member->links != NULL && s < worker->shape.session_num; s++) {
        afd__ffn_link *made = &member->links[s];
        afd_drop_reason reason = AFD_DROP_NONE;
        /* Of one that is not admitted yet, who made it finds out, and comes again. */
        bool is_broken = worker->writers[s] != NULL && made->link != NULL &&
                         afd__link_state_of(made->link) == AFD__LINK_BROKEN;
        if (is_broken && is_to_be_dropped(member, made, &reason)) {
            afd__ffn_member_drop(worker, s, reason, afd__ffn_member_event(worker, AFD_EVENT_DROPPED, s));
        }
    }
}

void afd__ffn_member_count_plane(const afd_ffn_worker *worker)
{
    afd_worker_stats *stats = worker->member->door.stats;
    const afd__plane_counters counters = afd__plane_count(worker->member->plane);
    afd__stat_set(&stats->stale_num, counters.stale_num);
    afd__stat_set(&stats->garbage_num, counters.garbage_num);
    afd__stat_set(&stats->credit_wait_num, counters.credit_wait_num);
}

const char *afd_ffn_worker_address(const afd_ffn_worker *worker)
{
    const struct afd__ffn_member *member = worker->member;
    return member == NULL || member->door.post == NULL ? NULL : member->door.address;
}
