/* SPDX-License-Identifier: Apache-2.0 */
/* What a session is at, which turn comes next, and losing a place. */
#include <inttypes.h>
#include <stdio.h>

#include "ffn/scheduler.h"
#include "window/handover.h"
#include "window/stats.h"
#include "worker/ffn_member.h"
#include "worker/member/event.h"

static afd_ffn_scheduler *scheduler_of(const afd_ffn_worker *worker)
{
    return worker->schedule.scheduler;
}

static afd_member_stats *stats_of(const afd_ffn_worker *worker, uint32_t session)
{
    return afd__window_own_member_stats(worker->window, session);
}

/* ---- what a session is at ---- */

static bool is_ready(const afd_ffn_worker *worker, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_is_ready(afd_window_desc(worker->window, session, micro_batch));
}

/* Only of a desc that is ready: its producer writes the layer before that, and nothing after it. */
static int32_t layer_of(const afd_ffn_worker *worker, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_read_layer_id(afd_window_desc(worker->window, session, micro_batch));
}

/* All-sync: the micro-batch that is awaited, at the layer of whoever has it ready. */
static void describe_turn(const afd_ffn_worker *worker, uint32_t session, afd_event *event)
{
    uint32_t micro_batch = (uint32_t)worker->context->ffn.polling_index;
    event->micro_batch = micro_batch;
    if (is_ready(worker, session, micro_batch)) {
        event->layer_id = layer_of(worker, session, micro_batch);
        return;
    }
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        if (afd_ffn_scheduler_state(scheduler_of(worker), s) == AFD_SESSION_LIVE &&
            is_ready(worker, s, micro_batch)) {
            event->layer_id = layer_of(worker, s, micro_batch);
            return;
        }
    }
}

/* Groups: what it has sent, and what was not taken. */
static void describe_open(const afd_ffn_worker *worker, uint32_t session, afd_event *event)
{
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        if (is_ready(worker, session, m)) {
            event->micro_batch = m;
            event->layer_id = layer_of(worker, session, m);
            return;
        }
    }
}

static void describe_guest(const afd__guest *guest, afd_event *event)
{
    event->pid = guest->pid;
    event->host = guest->host[0] != '\0' ? guest->host : NULL;
    event->epoch = guest->epoch;
}

afd_event afd__ffn_member_event(const afd_ffn_worker *worker, afd_event_kind kind, uint32_t session)
{
    afd_event event = afd__event_make(kind, session);
    const afd__guest *guest = worker->member->door.places[session]; /* only this thread gives places away */
    if (guest != NULL) {
        describe_guest(guest, &event);
    }
    if (afd_ffn_scheduler_state(scheduler_of(worker), session) == AFD_SESSION_AWAY) {
        return event;
    }
    event.silent_ns = afd_ffn_scheduler_silent_ns(scheduler_of(worker), session, afd_clock_ns());
    if (worker->member->takes_turns) {
        describe_turn(worker, session, &event);
    } else {
        describe_open(worker, session, &event);
    }
    return event;
}

/* "micro-batch 1, layer 3", as far as it is known. */
static void print_place(const afd_event *event, char *text, size_t text_bytes)
{
    int length = 0;
    text[0] = '\0';
    if (event->micro_batch != AFD_MICRO_BATCH_ANY) {
        length = snprintf(text, text_bytes, ", micro-batch %" PRIu32, event->micro_batch);
    }
    if (event->layer_id >= 0) {
        (void)snprintf(text + length, text_bytes - (size_t)length, ", layer %" PRId32, event->layer_id);
    }
}

void afd__ffn_member_note(afd__telling *what, afd_event event, const afd__guest *guest)
{
    what->is_due = true;
    what->event = event;
    describe_guest(guest, &what->event);
    (void)snprintf(what->host, sizeof(what->host), "%s", guest->host);
}

void afd__ffn_member_tell(const afd_ffn_worker *worker, const afd__telling *what)
{
    afd_event event = what->event;
    event.host = what->host[0] != '\0' ? what->host : NULL;
    if (what->is_due) {
        afd__event_tell(&worker->member->options, event, "%s", what->text);
    }
}

/* ---- turns ---- */

void afd__ffn_member_set_turn(afd_ffn_worker *worker, uint64_t turn)
{
    worker->member->turn = turn;
    worker->context->ffn.polling_index = (uint32_t)(turn % worker->shape.micro_batch_num);
}

void afd__ffn_member_find_next_start(afd__ffn_member *member)
{
    member->next_start = UINT64_MAX;
    for (uint32_t s = 0; s < member->door.terms.shape.session_num; s++) {
        const afd__guest *guest = member->door.places[s];
        if (guest != NULL && guest->is_pending && guest->start < member->next_start) {
            member->next_start = guest->start;
        }
    }
}

/* Those that take part from this turn on are awaited from now on. Under the lock. */
static void begin_starters(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        afd__guest *guest = member->door.places[s];
        if (guest != NULL && guest->is_pending && guest->start == member->turn) {
            guest->is_pending = false;
            afd__scheduler_note_taken(scheduler_of(worker), s, afd_clock_ns());
            afd__stat_set(&stats_of(worker, s)->state, AFD_MEMBER_LIVE);
        }
    }
    afd__ffn_member_find_next_start(member);
}

void afd__ffn_member_settle_turn(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    if (scheduler_of(worker)->live_num == 0 && member->next_start != UINT64_MAX) {
        afd__ffn_member_set_turn(worker, member->next_start);
    }
    if (member->next_start == member->turn) {
        begin_starters(worker);
    }
}

void afd__ffn_member_after_take(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    member->turn++; /* means nothing in groups */
    if (member->turn == member->next_start) {
        afd__door_lock(&member->door);
        begin_starters(worker);
        afd__door_unlock(&member->door);
    }
}

/* ---- losing a place ---- */

void afd__ffn_member_take_out(afd_ffn_worker *worker, afd__guest *guest, afd_member_state state)
{
    afd_member_stats *stats = stats_of(worker, guest->session);
    (void)afd_ffn_scheduler_drop(scheduler_of(worker), guest->session, NULL); /* in range */
    worker->writers[guest->session] = NULL;
    guest->is_lent = false;
    guest->is_pending = false;
    afd__stat_set(&stats->state, state);
    afd__stat_set(&stats->in_flight_num, 0);
    afd__ffn_member_find_next_start(worker->member);
}

/* Whether somebody is there, or may be: of this host's, the end of the process is still to come. */
static bool can_be_told(const afd__guest *guest)
{
    return !guest->is_remote || afd__channel_is_open(&guest->channel);
}

void afd__ffn_member_lose(afd_ffn_worker *worker, afd__guest *guest, afd_event event, afd__telling *what)
{
    afd__door *door = &worker->member->door;
    char place[64];
    char name[AFD__GUEST_NAME_BYTES];
    afd__ffn_member_take_out(worker, guest, AFD_MEMBER_DROPPED);
    if (guest->is_remote) { /* nothing of it is written any more, so others may have its place */
        afd__ffn_member_close_link(worker, guest->session);
        door->places[guest->session] = NULL;
    }
    event.reason = guest->reason;
    if (guest->reason == AFD_DROP_SILENT) {
        event.silent_ns = afd_clock_ns() - guest->heard_ns;
    }
    print_place(&event, place, sizeof(place));
    afd__ffn_member_note(what, event, guest);
    afd__guest_name(guest, name, sizeof(name));
    (void)snprintf(what->text, sizeof(what->text),
                   "session %" PRIu32 " (%s) was dropped: %s%s, silent for %" PRIu64 " ms", guest->session, name,
                   afd_drop_reason_text(guest->reason), place, event.silent_ns / 1000000);
    afd__stat_add(&door->stats->drop_num, 1);
    afd__stat_add(&stats_of(worker, guest->session)->drop_num, 1);
    if (guest->has_ended || !can_be_told(guest)) {
        afd__door_dismiss(door, guest);
    } else {
        guest->state = AFD__GUEST_LOST;
        guest->asks &= AFD__ASKS_GOODBYE;
        guest->owes_drop = true; /* the keeper says so, and again while there is no room for it */
        (void)snprintf(guest->text, sizeof(guest->text), "%s", what->text);
        if (guest->is_remote) { /* before it wonders where its link is */
            afd__door_say_dropped(guest);
        }
    }
    afd__ffn_member_settle_turn(worker);
}

void afd__ffn_member_drop(afd_ffn_worker *worker, uint32_t session, afd_drop_reason reason, afd_event event)
{
    afd__door *door = &worker->member->door;
    afd__telling what = { .is_due = false };
    afd__door_lock(door);
    afd__guest *guest = door->places[session];
    if (guest != NULL && guest->state == AFD__GUEST_ADMITTED) {
        guest->reason = reason;
        afd__ffn_member_lose(worker, guest, event, &what);
    }
    afd__door_unlock(door);
    afd__ffn_member_tell(worker, &what);
}

void afd__ffn_member_drop_wild(afd_ffn_worker *worker, const afd_wild_id *wild)
{
    afd_event event = afd__ffn_member_event(worker, AFD_EVENT_WILD_ID, wild->session);
    event.micro_batch = wild->micro_batch;
    afd__stat_add(&stats_of(worker, wild->session)->wild_num, 1);
    afd__event_tell(&worker->member->options, event,
                    "session %" PRIu32 " sent expert id %" PRId32 ", which is none, in micro-batch %" PRIu32
                    ", token %" PRIu32 ", slot %" PRIu32,
                    wild->session, wild->expert_id, wild->micro_batch, wild->token, wild->slot);
    event.kind = AFD_EVENT_DROPPED;
    afd__ffn_member_drop(worker, wild->session, AFD_DROP_WILD_ID, event);
}
