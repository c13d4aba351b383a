/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/door.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

static afd_status make_guests(afd__door *door, bool between_hosts, afd_error *error)
{
    uint64_t place_num = (uint64_t)door->terms.shape.session_num + AFD__DOOR_SPARE_NUM;
    /* Those of other hosts that have not shown the secret, or have lost their places, take no entry from others. */
    uint64_t guest_num = between_hosts ? 2 * place_num : place_num;
    door->guests = guest_num <= UINT32_MAX ? calloc(guest_num, sizeof(*door->guests)) : NULL;
    door->places = calloc(door->terms.shape.session_num, sizeof(afd__guest *));
    if (door->guests == NULL || door->places == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "door", guest_num * sizeof(*door->guests), 0,
                         "no memory for a door with room for %llu guests", (unsigned long long)guest_num);
    }
    door->guest_num = (uint32_t)guest_num;
    for (uint32_t i = 0; i < door->guest_num; i++) {
        door->guests[i].channel = AFD__CHANNEL_NONE;
        door->guests[i].pidfd = -1;
    }
    return AFD_OK;
}

afd_status afd__door_open(afd__door *door, const char *name, const afd_member_options *options,
                          const afd__address *listen, afd_error *error)
{
    const afd__keeper_duties duties = { afd__door_ready, afd__door_tick, door };
    door->listener = -1;
    door->heartbeat_ns = options->heartbeat_ns;
    door->dead_ns = options->dead_ns;
    (void)snprintf(door->name, sizeof(door->name), "%s", name);
    afd__credentials_set(&door->asked, options->secret, options->secret_bytes);
    (void)pthread_mutex_init(&door->lock, NULL); /* cannot fail with the usual attributes */
    afd_status status = afd__keeper_make(&door->keeper, &duties, options->heartbeat_ns,
                                         options->heartbeat_ns + options->dead_ns / 2, error);
    if (status == AFD_OK) {
        status = make_guests(door, listen != NULL, error);
    }
    if (status == AFD_OK) {
        status = afd__channel_listen(name, &door->listener, error);
    }
    if (status == AFD_OK) {
        status = afd__keeper_watch(&door->keeper, door->listener, afd__door_listener_tag(), error);
    }
    if (status == AFD_OK && listen != NULL) {
        status = afd__door_open_post(door, listen, error);
    }
    if (status == AFD_OK) {
        status = afd__keeper_start(&door->keeper, error);
    }
    return status;
}

void afd__door_close(afd__door *door)
{
    afd__keeper_end(&door->keeper);
    for (uint32_t i = 0; i < door->guest_num; i++) {
        afd__door_clear(door, &door->guests[i]);
    }
    afd__post_close(door->post);
    afd__credentials_wipe(&door->asked);
    afd__descriptor_close(&door->listener);
    (void)pthread_mutex_destroy(&door->lock);
    free(door->places);
    free(door->guests);
}

void afd__door_lock(afd__door *door)
{
    (void)pthread_mutex_lock(&door->lock);
}

void afd__door_unlock(afd__door *door)
{
    (void)pthread_mutex_unlock(&door->lock);
}

static void raise_news(afd__door *door)
{
    /* R7, meets A7 in afd__door_has_news(): the guest's marks stand before the word says that there are some. */
    afd__store_release_i32(&door->news, 1);
}

void afd__door_ask(afd__door *door, afd__guest *guest, uint32_t asks)
{
    guest->asks |= asks;
    raise_news(door);
}

afd__guest *afd__door_next(afd__door *door, uint32_t asks)
{
    afd__store_relaxed_i32(&door->news, 0); /* under the lock, so nothing is raised between this and the look */
    for (uint32_t i = 0; i < door->guest_num; i++) {
        if ((door->guests[i].asks & asks) != 0) {
            raise_news(door); /* there may be more of them, or more that it asks for */
            return &door->guests[i];
        }
    }
    return NULL;
}

void afd__door_say(afd__door *door, afd__guest *guest, const afd__message *message)
{
    if (!afd__channel_is_open(&guest->channel)) {
        return;
    }
    if (afd__channel_send(&guest->channel, message) != AFD_OK && guest->state != AFD__GUEST_DONE) {
        if (guest->reason == AFD_DROP_NONE) {
            guest->reason = AFD_DROP_CLOSED;
        }
        afd__door_ask(door, guest, AFD__ASKS_TO_BE_LOST);
    }
}

void afd__door_say_dropped(afd__guest *guest)
{
    afd__message message = afd__message_make(AFD__MESSAGE_DROPPED, guest->epoch);
    message.reason = (uint32_t)guest->reason;
    afd__message_set_text(&message, guest->text);
    guest->owes_drop = afd__channel_is_open(&guest->channel) &&
                       afd__channel_send(&guest->channel, &message) == AFD_NOT_YET;
}

void afd__door_dismiss(afd__door *door, afd__guest *guest)
{
    if (afd__door_has_place(door, guest)) {
        door->places[guest->session] = NULL;
    }
    guest->state = AFD__GUEST_DONE;
    guest->asks = 0;
    if (guest->is_remote) {
        raise_news(door); /* the worker's thread may have a link to close */
    }
}

void afd__guest_name(const afd__guest *guest, char *text, size_t text_bytes)
{
    char process[32] = "somebody";
    if (guest->pid != 0 || !guest->is_remote) {
        (void)snprintf(process, sizeof(process), "process %" PRIu32, guest->pid);
    }
    const char *host = guest->host[0] != '\0' ? guest->host : "another host";
    (void)snprintf(text, text_bytes, "%s%s%s", process, guest->is_remote ? " of " : "", guest->is_remote ? host : "");
}

void afd__door_clear(afd__door *door, afd__guest *guest)
{
    (void)door;
    afd__channel_close(&guest->channel);
    afd__descriptor_close(&guest->pidfd);
    afd_writer_close(guest->writer);
    *guest = (afd__guest){ .serial = guest->serial + 1, .channel = AFD__CHANNEL_NONE, .pidfd = -1 };
}
