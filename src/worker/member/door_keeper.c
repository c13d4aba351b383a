/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's half of a door: lets guests in, hears them, and notices who has gone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "afd/wait.h"
#include "base/error.h"
#include "window/stats.h"
#include "worker/member/door.h"

/* A tag is a kind, the guest's entry, and its serial. */
enum { TAG_POST = 0, TAG_LISTENER = 1, TAG_CHANNEL = 2, TAG_PROCESS = 3 };

/* Times dead_ns: for how long one that was lost and is silent may still be told so. */
enum { LOST_PATIENCE = 4 };

static uint64_t tag_of(const afd__door *door, const afd__guest *guest, uint32_t kind)
{
    uint64_t entry = (uint64_t)(guest - door->guests);
    return (uint64_t)kind << 62 | entry << 24 | (guest->serial & 0xFFFFFFU);
}

uint64_t afd__door_listener_tag(void)
{
    return (uint64_t)TAG_LISTENER << 62;
}

uint64_t afd__door_post_tag(void)
{
    return (uint64_t)TAG_POST << 62;
}

uint64_t afd__door_channel_tag(const afd__door *door, const afd__guest *guest)
{
    return tag_of(door, guest, TAG_CHANNEL);
}

afd__guest *afd__door_guest_of(const afd__door *door, uint64_t tag)
{
    uint64_t entry = tag << 2 >> 26;
    if (entry >= door->guest_num) {
        return NULL;
    }
    afd__guest *guest = &door->guests[entry];
    return guest->state != AFD__GUEST_NONE && (guest->serial & 0xFFFFFFU) == (tag & 0xFFFFFFU) ? guest : NULL;
}

/* ---- losing ---- */

/* A guest cannot go on. Who may not write yet, or cannot any more, is simply done with; who was admitted is the
 * worker's to drop, between two steps. */
static void lose(afd__door *door, afd__guest *guest, afd_drop_reason reason)
{
    switch (guest->state) {
    case AFD__GUEST_ADMITTED:
        if (guest->reason == AFD_DROP_NONE || reason == AFD_DROP_EXITED) {
            guest->reason = reason;
        }
        afd__door_ask(door, guest, AFD__ASKS_TO_BE_LOST);
        break;
    case AFD__GUEST_LOST:
        if (guest->has_ended || guest->is_remote) {
            afd__door_dismiss(door, guest);
        }
        break;
    case AFD__GUEST_REFUSED: /* the observer is still to be told */
        break;
    default:
        afd__door_dismiss(door, guest);
        break;
    }
}

static void refuse(afd__door *door, afd__guest *guest, const afd_error *error)
{
    afd__message message = afd__message_make(AFD__MESSAGE_REFUSED, guest->epoch);
    message.status = error->status;
    afd__message_set_text(&message, error->message);
    (void)afd__channel_send(&guest->channel, &message);
    guest->state = AFD__GUEST_REFUSED;
    guest->status = error->status;
    memcpy(guest->text, message.text, sizeof(guest->text));
    afd__door_ask(door, guest, AFD__ASKS_TO_BE_TOLD_OF);
}

/* ---- hearing ---- */

static void hear_hello(afd__door *door, afd__guest *guest, const afd__message *hello)
{
    afd_error error;
    if (door->is_draining) {
        (void)afd__fail(&error, AFD_ERR_PEER, "draining", 0, 0, "the FFN worker %s is draining", door->name);
        refuse(door, guest, &error);
        return;
    }
    /* Opening a window takes as long as the system likes. The guest asks for nothing yet, so nobody else touches it. */
    afd__door_unlock(door);
    afd_status status = afd__door_hear_hello(door, guest, hello, &error);
    afd__door_lock(door);
    if (status != AFD_OK) {
        refuse(door, guest, &error);
        return;
    }
    guest->state = AFD__GUEST_ASKED;
    afd__door_ask(door, guest, AFD__ASKS_PLACE);
}

/* What says something else than is expected of it now is not what it claims to be. */
static bool hear(afd__door *door, afd__guest *guest, const afd__message *message)
{
    guest->heard_ns = afd_clock_ns();
    if (message->kind == AFD__MESSAGE_BEAT) {
        return true;
    }
    if (message->kind == AFD__MESSAGE_HELLO && guest->state == AFD__GUEST_NEW) {
        hear_hello(door, guest, message);
        return true;
    }
    if (guest->state >= AFD__GUEST_LOST && message->kind != AFD__MESSAGE_GOODBYE) {
        return true; /* said before it heard that it has lost its place */
    }
    if (message->epoch != guest->epoch) {
        return false;
    }
    switch (message->kind) {
    case AFD__MESSAGE_START:
        if (guest->state != AFD__GUEST_OFFERED) {
            return false;
        }
        guest->start = message->turn;
        afd__door_ask(door, guest, AFD__ASKS_START);
        return true;
    case AFD__MESSAGE_WITHDRAW:
        if (guest->state != AFD__GUEST_OFFERED && guest->state != AFD__GUEST_ADMITTED) {
            return false;
        }
        afd__door_ask(door, guest, AFD__ASKS_WITHDRAWAL);
        return true;
    case AFD__MESSAGE_GOODBYE:
        afd__door_ask(door, guest, AFD__ASKS_GOODBYE);
        return true;
    default:
        return false;
    }
}

static void hear_garbage(afd__door *door, afd__guest *guest, const afd_error *error)
{
    switch (guest->state) {
    case AFD__GUEST_ADMITTED:
        lose(door, guest, AFD_DROP_GARBAGE);
        break;
    case AFD__GUEST_NEW:
    case AFD__GUEST_ASKED:
    case AFD__GUEST_OFFERED:
        afd__door_dismiss(door, guest);
        refuse(door, guest, error);
        break;
    default: /* nothing is expected of it any more */
        break;
    }
}

static void hear_end(afd__door *door, afd__guest *guest)
{
    afd__keeper_forget(&door->keeper, guest->channel.fd);
    afd__channel_close(&guest->channel);
    guest->closed_ns = afd_clock_ns();
    /* Of one that was admitted, the next tick says whether its process has ended. */
    if (guest->state != AFD__GUEST_ADMITTED || guest->is_remote) {
        lose(door, guest, AFD_DROP_CLOSED);
    }
}

static afd_status receive(const afd__door *door, const afd__guest *guest, afd__message *message, afd_error *error)
{
    return guest->state == AFD__GUEST_NEW
               ? afd__channel_receive_hello(&guest->channel, &door->asked, message, error)
               : afd__channel_receive(&guest->channel, message, error);
}

void afd__door_read(afd__door *door, afd__guest *guest)
{
    while (afd__channel_is_open(&guest->channel)) {
        afd__message message;
        afd_error error;
        afd_status status = receive(door, guest, &message, &error);
        if (status == AFD_OK && !hear(door, guest, &message)) {
            status = afd__fail(&error, AFD_ERR_INVALID, "message.kind", message.kind, 0,
                               "a message of kind %" PRIu32 " came in out of place", message.kind);
        }
        if (status == AFD_ERR_PEER) {
            hear_end(door, guest);
        } else if (status == AFD_ERR_INVALID || status == AFD_ERR_ACCESS) {
            hear_garbage(door, guest, &error);
        }
        if (status != AFD_OK) {
            return;
        }
    }
}

/* So that a process that was killed leaves no shared memory behind. Its name, if another one has taken it since, stays:
 * only a dead owner's is removed. */
static void remove_window(const char *name)
{
    if (name[0] != '\0') {
        (void)afd_window_remove(name, false, NULL);
    }
}

static void notice_end(afd__door *door, afd__guest *guest)
{
    afd__keeper_forget(&door->keeper, guest->pidfd);
    guest->has_ended = true;
    if (afd__channel_is_open(&guest->channel)) {
        afd__door_read(door, guest); /* it may have said goodbye before */
    }
    if ((guest->asks & AFD__ASKS_GOODBYE) == 0) {
        lose(door, guest, AFD_DROP_EXITED);
    }
}

/* ---- letting in ---- */

static void clear_done(afd__door *door)
{
    for (uint32_t i = 0; i < door->guest_num; i++) {
        if (door->guests[i].state == AFD__GUEST_DONE) {
            afd__door_clear(door, &door->guests[i]);
        }
    }
}

afd__guest *afd__door_free_entry(const afd__door *door)
{
    for (uint32_t i = 0; i < door->guest_num; i++) {
        if (door->guests[i].state == AFD__GUEST_NONE) {
            return &door->guests[i];
        }
    }
    return NULL;
}

static void let_in(afd__door *door, afd__channel *channel)
{
    afd_error error;
    afd__peer peer;
    afd__guest *guest = door->is_draining ? NULL : afd__door_free_entry(door);
    if (guest == NULL) {
        afd__channel_close(channel); /* it will knock again, here or at the door that comes after this one */
        return;
    }
    guest->channel = *channel;
    guest->session = AFD_SESSION_ANY;
    guest->state = AFD__GUEST_NEW;
    guest->heard_ns = afd_clock_ns();
    afd_status status = afd__channel_identify(channel, &peer, &error);
    if (status == AFD_OK) {
        guest->pid = peer.pid;
        guest->pidfd = peer.pidfd;
        status = afd__keeper_watch(&door->keeper, peer.pidfd, tag_of(door, guest, TAG_PROCESS), &error);
    }
    if (status == AFD_OK) {
        status = afd__keeper_watch(&door->keeper, channel->fd, tag_of(door, guest, TAG_CHANNEL), &error);
    }
    if (status == AFD_ERR_PEER) {
        afd__door_dismiss(door, guest);
    } else if (status != AFD_OK) {
        refuse(door, guest, &error);
    }
}

static void open_to_all(afd__door *door)
{
    afd__channel channel;
    clear_done(door);
    while (afd__channel_accept(door->listener, &channel, NULL) == AFD_OK) {
        let_in(door, &channel);
    }
}

void afd__door_ready(void *owner, uint64_t tag)
{
    afd__door *door = owner;
    char orphan[AFD_WINDOW_NAME_MAX + 1] = "";
    afd__door_lock(door);
    if (tag == afd__door_listener_tag()) {
        open_to_all(door);
    } else if (tag == afd__door_post_tag()) {
        clear_done(door);
        afd__door_hear_post(door);
    } else {
        afd__guest *guest = afd__door_guest_of(door, tag);
        if (guest != NULL && tag >> 62 == TAG_PROCESS) {
            (void)snprintf(orphan, sizeof(orphan), "%s", guest->window_name);
            notice_end(door, guest);
        } else if (guest != NULL && afd__channel_is_open(&guest->channel)) {
            afd__door_read(door, guest);
        }
    }
    afd__door_unlock(door);
    remove_window(orphan); /* which may take as long as somebody keeps the name locked */
}

/* ---- beating ---- */

static void beat(const afd__guest *guest)
{
    const afd__message message = afd__message_make(AFD__MESSAGE_BEAT, guest->epoch);
    if (afd__channel_is_open(&guest->channel)) {
        (void)afd__channel_send(&guest->channel, &message); /* one that has no room for it has enough to read */
    }
}

/* What lost its place may be too far behind to be told at once. */
static void look_after_lost(afd__guest *guest)
{
    if (guest->owes_drop) {
        afd__door_say_dropped(guest);
    }
    if (!guest->is_lent) {
        afd_writer_close(guest->writer);
        guest->writer = NULL;
    }
}

/* One of another host is not waited for: nothing can be written for it any more. */
static bool is_to_be_forgotten(const afd__door *door, const afd__guest *guest, uint64_t now_ns)
{
    return guest->is_remote && now_ns > guest->heard_ns && now_ns - guest->heard_ns > LOST_PATIENCE * door->dead_ns;
}

static void show_heard(const afd__door *door, const afd__guest *guest)
{
    if (guest->state == AFD__GUEST_ADMITTED) {
        afd__stat_set(&afd__window_own_member_stats(door->window, guest->session)->heard_ns, guest->heard_ns);
    }
}

static void look_after(afd__door *door, afd__guest *guest, uint64_t now_ns)
{
    switch (guest->state) {
    case AFD__GUEST_NEW:
    case AFD__GUEST_ASKED:
    case AFD__GUEST_OFFERED:
    case AFD__GUEST_ADMITTED:
        beat(guest);
        if (guest->closed_ns != 0) {
            if (afd__peer_end_is_known(guest->has_ended, guest->closed_ns, now_ns, door->dead_ns)) {
                lose(door, guest, guest->has_ended ? AFD_DROP_EXITED : AFD_DROP_CLOSED);
            }
        } else if (now_ns > guest->heard_ns && now_ns - guest->heard_ns > door->dead_ns) {
            lose(door, guest, AFD_DROP_SILENT);
        }
        break;
    case AFD__GUEST_LOST:
        look_after_lost(guest);
        if (is_to_be_forgotten(door, guest, now_ns)) {
            afd__door_dismiss(door, guest);
        }
        break;
    default:
        break;
    }
}

void afd__door_tick(void *owner, uint64_t now_ns, bool stalled)
{
    afd__door *door = owner;
    afd__door_lock(door);
    clear_done(door);
    for (uint32_t i = 0; i < door->guest_num; i++) {
        afd__guest *guest = &door->guests[i];
        if (afd__channel_is_open(&guest->channel) && stalled) {
            guest->heard_ns = now_ns;
        }
        show_heard(door, guest);
        look_after(door, guest, now_ns);
    }
    afd__door_hear_post(door);
    afd__stat_set(&door->stats->beat_ns, now_ns);
    afd__door_unlock(door);
}
