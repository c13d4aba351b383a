/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes and who goes, decided by the worker's thread between two steps, when no row of anybody is under way. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "ffn/scheduler.h"
#include "window/handover.h"
#include "window/registry.h"
#include "window/stats.h"
#include "worker/ffn_member.h"
#include "worker/member/event.h"

#define TURN_LEAP_MAX (UINT64_C(1) << 40)

static afd_ffn_scheduler *scheduler_of(const afd_ffn_worker *worker)
{
    return worker->schedule.scheduler;
}

static bool is_anchored(const afd_ffn_worker *worker)
{
    return scheduler_of(worker)->live_num > 0 || worker->member->next_start != UINT64_MAX;
}

/* ---- asking for a place ---- */

static void refuse(afd_ffn_worker *worker, afd__guest *guest, const afd_error *error)
{
    afd__door *door = &worker->member->door;
    afd__message message = afd__message_make(AFD__MESSAGE_REFUSED, guest->epoch);
    message.status = error->status;
    afd__message_set_text(&message, error->message);
    guest->state = AFD__GUEST_REFUSED;
    (void)snprintf(guest->text, sizeof(guest->text), "%s", message.text);
    (void)afd__channel_send(&guest->channel, &message);
    afd__door_ask(door, guest, AFD__ASKS_TO_BE_TOLD_OF);
}

/* Who came in while the draining began. */
static bool refuse_while_draining(afd_ffn_worker *worker, afd__guest *guest)
{
    afd__door *door = &worker->member->door;
    afd_error error;
    if (!door->is_draining) {
        return false;
    }
    (void)afd__fail(&error, AFD_ERR_PEER, "draining", 0, 0, "the FFN worker %s is draining", door->name);
    afd__door_dismiss(door, guest);
    refuse(worker, guest, &error);
    return true;
}

static uint32_t first_free_place(const afd__door *door, uint32_t first)
{
    uint32_t session_num = door->terms.shape.session_num;
    for (uint32_t i = 0; i < session_num; i++) {
        uint32_t session = (first % session_num + i) % session_num;
        if (door->places[session] == NULL) {
            return session;
        }
    }
    return session_num;
}

/* Whether who has the place can write no more: its process has ended, or it is the same worker, which says by coming
 * again that it has left that incarnation behind. A process that is merely stopped is neither. */
static bool has_let_go(const afd__guest *holder, const afd__guest *guest)
{
    bool is_successor = holder->pid == guest->pid && holder->is_remote == guest->is_remote &&
                        (holder->epoch == guest->previous_epoch || holder->epoch == guest->epoch);
    return is_successor || afd__peer_has_ended(holder->pidfd);
}

/* AFD_OK: the place is free now. */
static afd_status make_room(afd_ffn_worker *worker, const afd__guest *guest, uint32_t session, afd__telling *what,
                            afd_error *error)
{
    afd__door *door = &worker->member->door;
    afd__guest *holder = door->places[session];
    if (holder == NULL) {
        return AFD_OK;
    }
    if (!has_let_go(holder, guest)) {
        char name[AFD__GUEST_NAME_BYTES];
        afd__guest_name(holder, name, sizeof(name));
        return afd__fail(error, AFD_ERR_EXISTS, "session", session, holder->pid,
                         "session %" PRIu32 " is held by %s, which lives%s", session, name,
                         holder->state == AFD__GUEST_LOST ? ", though it was dropped" : "");
    }
    if (holder->state == AFD__GUEST_ADMITTED) {
        holder->reason = holder->pid == guest->pid ? AFD_DROP_CLOSED : AFD_DROP_EXITED;
        afd__ffn_member_lose(worker, holder, afd__ffn_member_event(worker, AFD_EVENT_DROPPED, session), what);
    }
    if (holder->state != AFD__GUEST_DONE) {
        afd__door_dismiss(door, holder);
    }
    return AFD_OK;
}

/* How the guest comes to write into the window: it opens that itself, or another host's sends over a link. */
static afd_status offer_way(afd_ffn_worker *worker, const afd__guest *guest, afd__message *turn, afd_error *error)
{
    afd_window_info info;
    if (guest->is_remote) {
        return afd__ffn_member_expect(worker, guest, turn, error);
    }
    afd_window_describe(worker->window, &info);
    turn->window_key = info.name[0] == '\0' ? afd__window_share(worker->window) : 0;
    return AFD_OK;
}

static void offer(afd_ffn_worker *worker, afd__guest *guest)
{
    afd__ffn_member *member = worker->member;
    afd_window_info info;
    afd_error error;
    afd_window_describe(worker->window, &info);
    afd__message message = afd__message_make(AFD__MESSAGE_TURN, guest->epoch);
    message.turn = member->turn;
    message.anchored = is_anchored(worker);
    message.session = guest->session;
    message.generation = info.generation;
    message.pid = (uint32_t)getpid();
    if (offer_way(worker, guest, &message, &error) != AFD_OK) {
        afd__door_dismiss(&member->door, guest);
        refuse(worker, guest, &error);
        return;
    }
    guest->state = AFD__GUEST_OFFERED;
    afd__door_say(&member->door, guest, &message);
}

static void answer_hello(afd_ffn_worker *worker, afd__guest *guest, afd__telling *what)
{
    afd__door *door = &worker->member->door;
    afd_error error;
    uint32_t session = guest->session;
    afd_status status = AFD_OK;
    if (refuse_while_draining(worker, guest)) {
        return;
    }
    if (session == AFD_SESSION_ANY) {
        session = first_free_place(door, guest->first_session);
    }
    if (session == worker->shape.session_num) {
        status = afd__fail(&error, AFD_ERR_EXISTS, "session", AFD_SESSION_ANY, session,
                           "all %" PRIu32 " places are taken", session);
    } else {
        status = make_room(worker, guest, session, what, &error);
    }
    if (status != AFD_OK) {
        refuse(worker, guest, &error);
        return;
    }
    guest->session = session;
    door->places[session] = guest;
    offer(worker, guest);
}

/* ---- starting ---- */

/* Nobody writes the descs of the session but us: whoever did before can write no more. */
static void reset_descs(const afd_ffn_worker *worker, uint32_t session)
{
    size_t id_num = (size_t)worker->shape.micro_batch_size * worker->shape.selected_expert_num;
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        afd__desc_reset(afd_window_desc(worker->window, session, m), id_num);
    }
    memset(&worker->round_numbers[(size_t)session * worker->shape.micro_batch_num], 0,
           worker->shape.micro_batch_num * sizeof(uint64_t));
}

static void show_joined(afd_ffn_worker *worker, const afd__guest *guest)
{
    afd_member_stats *stats = afd__window_own_member_stats(worker->window, guest->session);
    uint64_t now_ns = afd_clock_ns();
    afd__stat_set(&stats->state, worker->member->takes_turns && !guest->is_pending ? AFD_MEMBER_LIVE
                                                                                   : AFD_MEMBER_JOINING);
    afd__stat_set(&stats->pid, guest->pid);
    afd__stat_set(&stats->epoch, guest->epoch);
    afd__stat_set(&stats->joined_ns, now_ns);
    afd__stat_set(&stats->delivered_ns, 0);
    afd__stat_add(&stats->join_num, 1);
    afd__stat_add(&worker->member->door.stats->join_num, 1);
}

static void tell_joined(afd__guest *guest, afd__telling *what)
{
    const afd_event_kind kind = guest->has_joined_before ? AFD_EVENT_REJOINED : AFD_EVENT_JOINED;
    char name[AFD__GUEST_NAME_BYTES];
    afd__ffn_member_note(what, afd__event_make(kind, guest->session), guest);
    afd__guest_name(guest, name, sizeof(name));
    (void)snprintf(what->text, sizeof(what->text), "session %" PRIu32 " (%s) has %s", guest->session, name,
                   afd_event_kind_text(kind));
    what->is_due = !guest->is_told_of; /* else it has only moved to a later start */
    guest->is_told_of = true;
}

static void admit(afd_ffn_worker *worker, afd__guest *guest, afd__telling *what)
{
    afd__ffn_member *member = worker->member;
    const afd__message welcome = afd__message_make(AFD__MESSAGE_WELCOME, guest->epoch);
    reset_descs(worker, guest->session);
    worker->writers[guest->session] = guest->is_remote ? afd__link_writer(member->links[guest->session].link)
                                                       : guest->writer;
    guest->is_lent = true;
    guest->state = AFD__GUEST_ADMITTED;
    if (member->takes_turns) {
        guest->is_pending = true;
        afd__ffn_member_find_next_start(member);
        afd__ffn_member_settle_turn(worker);
    } else {
        (void)afd_ffn_scheduler_admit(scheduler_of(worker), guest->session, NULL); /* in range */
    }
    if (!member->takes_turns && !worker->has_taken) { /* as who is accepted by hand before the first take */
        afd__scheduler_note_taken(scheduler_of(worker), guest->session, afd_clock_ns());
    }
    show_joined(worker, guest);
    afd__door_say(&member->door, guest, &welcome);
    tell_joined(guest, what);
}

/* Micro-batches begin at 0, and no two FFN workers of one world are so far apart: a start beyond that would only wear
 * the turns out. */
static bool is_start(const afd_ffn_worker *worker, uint64_t start)
{
    return start % worker->shape.micro_batch_num == 0 && start <= worker->member->turn + TURN_LEAP_MAX;
}

/* Who starts has a way for its tokens. One that has lost it is told as if nobody were there, and comes again. */
static bool refuse_without_link(afd_ffn_worker *worker, afd__guest *guest)
{
    afd_error error;
    if (!guest->is_remote || afd__ffn_member_link_state(worker, guest) == AFD__LINK_ATTACHED) {
        return false;
    }
    (void)afd__fail(&error, AFD_ERR_PEER, "link", guest->session, 0,
                    "session %" PRIu32 " starts without a link for its tokens", guest->session);
    afd__door_dismiss(&worker->member->door, guest);
    refuse(worker, guest, &error);
    return true;
}

static void answer_start(afd_ffn_worker *worker, afd__guest *guest, afd__telling *what)
{
    afd__ffn_member *member = worker->member;
    if (guest->state != AFD__GUEST_OFFERED || refuse_while_draining(worker, guest) ||
        refuse_without_link(worker, guest)) {
        return;
    }
    if (!is_start(worker, guest->start)) {
        afd_error error;
        (void)afd__fail(&error, AFD_ERR_INVALID, "message.turn", guest->start, worker->shape.micro_batch_num,
                        "a session starts at turn %" PRIu64 ", must be a multiple of %" PRIu32
                        " that can be reached from turn %" PRIu64,
                        guest->start, worker->shape.micro_batch_num, member->turn);
        afd__door_dismiss(&member->door, guest);
        refuse(worker, guest, &error);
        return;
    }
    if (member->takes_turns && !is_anchored(worker)) {
        afd__ffn_member_set_turn(worker, guest->start);
    }
    if (member->takes_turns && guest->start < member->turn) {
        afd__message late = afd__message_make(AFD__MESSAGE_LATE, guest->epoch);
        late.turn = member->turn;
        afd__door_say(&member->door, guest, &late);
        return;
    }
    admit(worker, guest, what);
}

/* ---- going ---- */

static void answer_goodbye(afd_ffn_worker *worker, afd__guest *guest, afd__telling *what)
{
    afd__door *door = &worker->member->door;
    char name[AFD__GUEST_NAME_BYTES];
    const afd__message gone = afd__message_make(AFD__MESSAGE_GONE, guest->epoch);
    if (guest->state == AFD__GUEST_ADMITTED) {
        afd__ffn_member_take_out(worker, guest, AFD_MEMBER_LEFT);
        afd__ffn_member_settle_turn(worker);
        afd__ffn_member_note(what, afd__event_make(AFD_EVENT_LEFT, guest->session), guest);
        afd__guest_name(guest, name, sizeof(name));
        (void)snprintf(what->text, sizeof(what->text), "session %" PRIu32 " (%s) has left", guest->session, name);
        afd__stat_add(&door->stats->leave_num, 1);
    }
    if (guest->is_remote && afd__door_has_place(door, guest)) {
        afd__ffn_member_close_link(worker, guest->session);
    }
    if (afd__channel_is_open(&guest->channel)) {
        (void)afd__channel_send(&guest->channel, &gone);
    }
    afd__door_dismiss(door, guest);
}

static void answer_withdrawal(afd_ffn_worker *worker, afd__guest *guest)
{
    if (guest->state == AFD__GUEST_ADMITTED) {
        afd__ffn_member_take_out(worker, guest, AFD_MEMBER_AWAY);
        afd__ffn_member_settle_turn(worker);
    }
    offer(worker, guest);
}

static void tell_refused(afd_ffn_worker *worker, afd__guest *guest, afd__telling *what)
{
    afd__door *door = &worker->member->door;
    char name[AFD__GUEST_NAME_BYTES];
    afd__ffn_member_note(what, afd__event_make(AFD_EVENT_REFUSED, guest->session), guest);
    afd__guest_name(guest, name, sizeof(name)); /* of another host, without what it says of itself before the secret */
    (void)snprintf(what->text, sizeof(what->text), "%s was refused: %.140s", name, guest->text);
    afd__stat_add(&door->stats->refuse_num, 1);
    afd__door_dismiss(door, guest);
}

/* ---- hearing ---- */

/* One guest that asks for one of these; who goes makes room for who comes, and so is heard first. */
static bool hear_one(afd_ffn_worker *worker, uint32_t asks, afd__telling *what)
{
    afd__door *door = &worker->member->door;
    afd__guest *guest = afd__door_next(door, asks);
    if (guest == NULL) {
        return false;
    }
    uint32_t asked = guest->asks;
    guest->asks = 0;
    if ((asked & AFD__ASKS_GOODBYE) != 0) {
        answer_goodbye(worker, guest, what);
    } else if ((asked & AFD__ASKS_TO_BE_LOST) != 0) {
        if (guest->state == AFD__GUEST_ADMITTED) {
            afd__ffn_member_lose(worker, guest, afd__ffn_member_event(worker, AFD_EVENT_DROPPED, guest->session), what);
        } else if (guest->state != AFD__GUEST_LOST) {
            afd__door_dismiss(door, guest);
        }
    } else if ((asked & AFD__ASKS_TO_BE_TOLD_OF) != 0) {
        tell_refused(worker, guest, what);
    } else if ((asked & AFD__ASKS_WITHDRAWAL) != 0) {
        answer_withdrawal(worker, guest);
    } else if ((asked & AFD__ASKS_START) != 0) {
        answer_start(worker, guest, what);
    } else {
        answer_hello(worker, guest, what);
    }
    return true;
}

void afd__ffn_member_hear(afd_ffn_worker *worker)
{
    static const uint32_t goers = AFD__ASKS_GOODBYE | AFD__ASKS_TO_BE_LOST;
    afd__door *door = &worker->member->door;
    bool has_heard = true;
    /* Whose messages broke the rules loses its place for that, also where it has said goodbye since. */
    if (worker->plane != NULL) {
        afd__ffn_member_look_at_links(worker);
    }
    while (has_heard) {
        afd__telling what = { .is_due = false };
        afd__door_lock(door);
        has_heard = hear_one(worker, goers, &what) || hear_one(worker, UINT32_MAX, &what);
        afd__door_unlock(door);
        afd__ffn_member_tell(worker, &what);
    }
    if (worker->plane != NULL) {
        afd__door_lock(door);
        afd__ffn_member_sweep_links(worker);
        afd__door_unlock(door);
    }
}
