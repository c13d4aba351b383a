/* SPDX-License-Identifier: Apache-2.0 */
/* Guests of other hosts: who comes over the post, and what they say. */
#include <stdio.h>

#include "afd/wait.h"
#include "worker/member/door.h"

afd_status afd__door_open_post(afd__door *door, const afd__address *listen, afd_error *error)
{
    const afd__post_options options = { .listen = listen, .line_max = door->guest_num, .allow = &door->allow };
    afd_status status = afd__post_open(&options, &door->post, error);
    if (status != AFD_OK) {
        return status;
    }
    (void)snprintf(door->address, sizeof(door->address), "%s", afd__post_address(door->post)->text);
    status = afd__keeper_watch(&door->keeper, afd__post_fd(door->post), afd__door_post_tag(), error);
    afd__post_progress(door->post); /* so that its descriptor says from now on when there is something */
    return status;
}

/* Those of other hosts that have no place and will get none: they have not shown the secret yet, or the wrong one. */
static uint32_t count_half_open(const afd__door *door)
{
    uint32_t half_open_num = 0;
    for (uint32_t i = 0; i < door->guest_num; i++) {
        const afd__guest *guest = &door->guests[i];
        bool is_half_open = guest->state == AFD__GUEST_NEW || guest->state == AFD__GUEST_REFUSED;
        half_open_num += guest->is_remote && is_half_open ? 1 : 0;
    }
    return half_open_num;
}

static void let_in(afd__door *door, afd__line *line)
{
    bool is_full = door->is_draining || count_half_open(door) >= AFD__DOOR_SPARE_NUM;
    afd__guest *guest = is_full ? NULL : afd__door_free_entry(door);
    if (guest == NULL) {
        afd__line_close(line); /* it will knock again */
        return;
    }
    guest->channel = (afd__channel){ .fd = -1, .line = line };
    guest->is_remote = true;
    (void)snprintf(guest->host, sizeof(guest->host), "%s", afd__line_host(line));
    guest->session = AFD_SESSION_ANY;
    guest->state = AFD__GUEST_NEW;
    guest->heard_ns = afd_clock_ns();
    afd__line_set_tag(line, afd__door_channel_tag(door, guest));
    afd__door_read(door, guest); /* what came in before it had the tag */
}

void afd__door_hear_post(afd__door *door)
{
    uint64_t tag = 0;
    afd__line *line = NULL;
    if (door->post == NULL) {
        return;
    }
    afd__post_progress(door->post);
    while ((line = afd__line_accept(door->post)) != NULL) {
        let_in(door, line);
    }
    while (afd__post_next_ready(door->post, &tag)) {
        afd__guest *guest = afd__door_guest_of(door, tag);
        if (guest != NULL && afd__channel_is_open(&guest->channel)) {
            afd__door_read(door, guest);
        }
    }
}
