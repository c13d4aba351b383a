/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/tie.h"

#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"
#include "base/error.h"

static afd_status make_ties(afd__ties *ties, uint32_t tie_num, afd_error *error)
{
    ties->ties = calloc(tie_num, sizeof(*ties->ties));
    if (ties->ties == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "ties", (uint64_t)tie_num * sizeof(*ties->ties), 0,
                         "no memory for the ties to %u FFN workers", tie_num);
    }
    ties->tie_num = tie_num;
    for (uint32_t i = 0; i < tie_num; i++) {
        ties->ties[i].channel = AFD__CHANNEL_NONE;
        ties->ties[i].pidfd = -1;
    }
    return AFD_OK;
}

afd_status afd__ties_make(afd__ties *ties, const char *const *names, uint32_t tie_num,
                          const afd_member_options *options, afd_error *error)
{
    const afd__keeper_duties duties = { afd__ties_ready, afd__ties_tick, ties };
    ties->dead_ns = options->dead_ns;
    (void)pthread_mutex_init(&ties->lock, NULL); /* cannot fail with the usual attributes */
    afd_status status = afd__keeper_make(&ties->keeper, &duties, options->heartbeat_ns,
                                         options->heartbeat_ns + options->dead_ns / 2, error);
    if (status == AFD_OK) {
        status = make_ties(ties, tie_num, error);
    }
    if (status == AFD_OK) {
        afd__ties_set_names(ties, names);
    }
    if (status == AFD_OK) {
        status = afd__keeper_start(&ties->keeper, error);
    }
    return status;
}

void afd__ties_end(afd__ties *ties)
{
    afd__keeper_end(&ties->keeper);
    for (uint32_t i = 0; i < ties->tie_num; i++) {
        afd__channel_close(&ties->ties[i].channel);
        afd__descriptor_close(&ties->ties[i].pidfd);
    }
    afd__post_close(ties->post);
    afd__credentials_wipe(&ties->credentials);
    (void)pthread_mutex_destroy(&ties->lock);
    free(ties->ties);
}

void afd__ties_lock(afd__ties *ties)
{
    (void)pthread_mutex_lock(&ties->lock);
}

void afd__ties_unlock(afd__ties *ties)
{
    (void)pthread_mutex_unlock(&ties->lock);
}

void afd__ties_settle(afd__ties *ties)
{
    afd__store_relaxed_i32(&ties->news, 0); /* under the lock, as all that raises them */
}

void afd__ties_raise(afd__ties *ties)
{
    /* R8, meets A8 in afd__ties_have_news(). */
    afd__store_release_i32(&ties->news, 1);
}

/* Watches the channel and the process of a tie that was just connected. */
static afd_status watch(afd__ties *ties, afd__tie *tie, afd_error *error)
{
    afd__peer peer;
    if (tie->channel.line != NULL) {
        afd__line_set_tag(tie->channel.line, afd__tie_tag(ties, tie, false));
        return AFD_OK;
    }
    afd_status status = afd__channel_identify(&tie->channel, &peer, error);
    if (status != AFD_OK) {
        return status;
    }
    tie->pid = peer.pid;
    tie->pidfd = peer.pidfd;
    status = afd__keeper_watch(&ties->keeper, tie->pidfd, afd__tie_tag(ties, tie, true), error);
    if (status == AFD_OK) {
        status = afd__keeper_watch(&ties->keeper, tie->channel.fd, afd__tie_tag(ties, tie, false), error);
    }
    return status;
}

afd_status afd__tie_connect(afd__ties *ties, afd__tie *tie, afd__tie_state state, afd_error *error)
{
    afd__channel channel = AFD__CHANNEL_NONE;
    afd_status status = tie->is_remote ? afd__tie_connect_post(ties, tie, &channel, error)
                                       : afd__channel_connect(ties->names[tie - ties->ties], &channel, error);
    if (status != AFD_OK) {
        return status;
    }
    tie->serial++;
    tie->channel = channel;
    tie->has_ended = false;
    tie->is_told_of_trouble = false;
    tie->is_told_of_drain = false;
    tie->closed_ns = 0;
    tie->heard_ns = afd_clock_ns();
    status = watch(ties, tie, error);
    if (status != AFD_OK) {
        afd__tie_close(ties, tie);
        return status == AFD_ERR_PEER ? AFD_ERR_NOT_FOUND : status;
    }
    tie->state = state;
    return AFD_OK;
}

void afd__tie_lose(afd__ties *ties, afd__tie *tie, afd_drop_reason reason)
{
    switch (tie->state) {
    case AFD__TIE_AWAY:
    case AFD__TIE_GONE:
    case AFD__TIE_REFUSED:
    case AFD__TIE_DROPPED:
    case AFD__TIE_LOST:
        return;
    case AFD__TIE_LEAVING: /* nobody there can write for us where there is nobody */
        tie->state = AFD__TIE_GONE;
        break;
    default:
        tie->state = AFD__TIE_LOST;
        tie->reason = reason;
        break;
    }
    afd__ties_raise(ties);
}

void afd__tie_say(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    if (!afd__channel_is_open(&tie->channel) || afd__channel_send(&tie->channel, message) != AFD_OK) {
        afd__tie_lose(ties, tie, tie->has_ended ? AFD_DROP_EXITED : AFD_DROP_CLOSED);
    }
}

void afd__tie_say_hello(afd__ties *ties, afd__tie *tie, const afd__message *hello)
{
    if (afd__channel_send_hello(&tie->channel, hello, &ties->credentials) != AFD_OK) {
        afd__tie_lose(ties, tie, tie->has_ended ? AFD_DROP_EXITED : AFD_DROP_CLOSED);
    }
}

void afd__tie_close(afd__ties *ties, afd__tie *tie)
{
    (void)ties;
    afd__channel_close(&tie->channel);
    afd__descriptor_close(&tie->pidfd);
    tie->state = AFD__TIE_AWAY;
    tie->is_draining = false;
}
