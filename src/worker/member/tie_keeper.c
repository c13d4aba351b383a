/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's half of the ties: hears the FFN workers, beats, notices who has gone, and probes for who was missing. */
#include <inttypes.h>
#include <string.h>

#include "afd/wait.h"
#include "base/error.h"
#include "window/stats.h"
#include "worker/member/tie.h"

static const uint64_t probe_period_ns = UINT64_C(1000000000);

/* A tag is the tie, whether it is about the process, and the connection's serial. */
uint64_t afd__tie_tag(const afd__ties *ties, const afd__tie *tie, bool is_process)
{
    return (uint64_t)(tie - ties->ties) << 30 | (tie->serial & 0x1FFFFFFFU) << 1 | (is_process ? 1 : 0);
}

afd__tie *afd__tie_of(const afd__ties *ties, uint64_t tag)
{
    afd__tie *tie = tag >> 30 < ties->tie_num ? &ties->ties[tag >> 30] : NULL;
    bool is_it = tie != NULL && afd__channel_is_open(&tie->channel) &&
                 (tie->serial & 0x1FFFFFFFU) == (tag >> 1 & 0x1FFFFFFFU);
    return is_it ? tie : NULL;
}

/* ---- hearing ---- */

static void become(afd__ties *ties, afd__tie *tie, afd__tie_state state)
{
    tie->state = state;
    afd__ties_raise(ties);
}

static void hear_turn(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    if (tie->state != AFD__TIE_ASKING) {
        return;
    }
    tie->turn = message->turn;
    tie->anchored = message->anchored != 0;
    tie->session = message->session;
    tie->generation = message->generation;
    tie->window_key = message->window_key;
    tie->data_port = message->data_port;
    if (tie->is_remote) {
        tie->pid = message->pid; /* as it says */
    }
    become(ties, tie, AFD__TIE_OFFERED);
}

/* What answers a START that was withdrawn meanwhile says nothing any more. */
static void hear_start_answered(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    if (tie->state != AFD__TIE_STARTING) {
        return;
    }
    tie->turn = message->turn;
    become(ties, tie, message->kind == AFD__MESSAGE_WELCOME ? AFD__TIE_LIVE : AFD__TIE_TOO_LATE);
}

static void hear_refusal(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    if (tie->state == AFD__TIE_LEAVING || tie->state == AFD__TIE_PROBING) {
        afd__tie_lose(ties, tie, AFD_DROP_CLOSED);
        return;
    }
    tie->status = (afd_status)message->status;
    memcpy(tie->text, message->text, sizeof(tie->text));
    become(ties, tie, AFD__TIE_REFUSED);
}

static void hear_drop(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    if (tie->state == AFD__TIE_LEAVING || tie->state == AFD__TIE_GONE) {
        return; /* GONE comes next */
    }
    tie->reason = (afd_drop_reason)message->reason;
    memcpy(tie->text, message->text, sizeof(tie->text));
    become(ties, tie, AFD__TIE_DROPPED);
}

/* Somebody answers where nobody did. */
static void hear_probed(afd__ties *ties, afd__tie *tie)
{
    tie->has_returned = true;
    afd__tie_close(ties, tie);
    afd__ties_raise(ties);
}

/* False for what an FFN worker does not say. */
static bool hear(afd__ties *ties, afd__tie *tie, const afd__message *message)
{
    tie->heard_ns = afd_clock_ns();
    bool is_about_anybody = message->kind == AFD__MESSAGE_BEAT || message->kind == AFD__MESSAGE_DRAIN ||
                            message->kind == AFD__MESSAGE_REFUSED;
    if (!is_about_anybody && message->epoch != tie->epoch) {
        return false;
    }
    switch (message->kind) {
    case AFD__MESSAGE_BEAT:
        if (tie->state == AFD__TIE_PROBING) {
            hear_probed(ties, tie);
        }
        return true;
    case AFD__MESSAGE_DRAIN:
        tie->is_draining = true;
        afd__ties_raise(ties);
        return true;
    case AFD__MESSAGE_REFUSED:
        hear_refusal(ties, tie, message);
        return true;
    case AFD__MESSAGE_TURN:
        hear_turn(ties, tie, message);
        return true;
    case AFD__MESSAGE_WELCOME:
    case AFD__MESSAGE_LATE:
        hear_start_answered(ties, tie, message);
        return true;
    case AFD__MESSAGE_DROPPED:
        hear_drop(ties, tie, message);
        return true;
    case AFD__MESSAGE_GONE:
        if (tie->state == AFD__TIE_LEAVING) {
            become(ties, tie, AFD__TIE_GONE);
        }
        return true;
    default:
        return false;
    }
}

static void hear_end(afd__ties *ties, afd__tie *tie)
{
    afd__keeper_forget(&ties->keeper, tie->channel.fd);
    tie->closed_ns = afd_clock_ns();
    switch (tie->state) {
    case AFD__TIE_LIVE: /* the next tick says whether its process has ended */
        if (!tie->is_remote) {
            return;
        }
        break;
    case AFD__TIE_PROBING:
        afd__tie_close(ties, tie);
        return;
    default:
        break;
    }
    afd__tie_lose(ties, tie, AFD_DROP_CLOSED);
}

/* Whoever speaks another version of the protocol will still do so when he is asked again. */
static void hear_garbage(afd__ties *ties, afd__tie *tie, const afd_error *error)
{
    if (tie->state != AFD__TIE_ASKING || strcmp(error->field, "message.version") != 0) {
        afd__tie_lose(ties, tie, AFD_DROP_GARBAGE);
        return;
    }
    tie->status = error->status;
    memcpy(tie->text, error->message, sizeof(tie->text));
    become(ties, tie, AFD__TIE_REFUSED);
}

void afd__tie_read(afd__ties *ties, afd__tie *tie)
{
    while (afd__channel_is_open(&tie->channel) && tie->closed_ns == 0) {
        afd__message message;
        afd_error error;
        afd_status status = afd__channel_receive(&tie->channel, &message, &error);
        if (status == AFD_OK && !hear(ties, tie, &message)) {
            status = afd__fail(&error, AFD_ERR_INVALID, "message.kind", message.kind, 0,
                               "a message of kind %" PRIu32 " came in out of place", message.kind);
        }
        if (status == AFD_ERR_PEER) {
            hear_end(ties, tie);
        } else if (status == AFD_ERR_INVALID) {
            hear_garbage(ties, tie, &error);
        }
        if (status != AFD_OK) {
            return;
        }
    }
}

static void notice_end(afd__ties *ties, afd__tie *tie)
{
    afd__keeper_forget(&ties->keeper, tie->pidfd);
    tie->has_ended = true;
    afd__tie_read(ties, tie); /* what it said before */
    if (tie->state == AFD__TIE_PROBING) {
        afd__tie_close(ties, tie);
    } else {
        afd__tie_lose(ties, tie, AFD_DROP_EXITED);
    }
}

void afd__ties_ready(void *owner, uint64_t tag)
{
    afd__ties *ties = owner;
    afd__ties_lock(ties);
    if (tag == afd__ties_post_tag()) {
        afd__ties_hear_post(ties);
        afd__ties_unlock(ties);
        return;
    }
    afd__tie *tie = afd__tie_of(ties, tag);
    if (tie != NULL && (tag & 1) != 0) {
        notice_end(ties, tie);
    } else if (tie != NULL) {
        afd__tie_read(ties, tie);
    }
    afd__ties_unlock(ties);
}

/* ---- beating ---- */

static void beat(afd__ties *ties, afd__tie *tie, uint64_t now_ns)
{
    const afd__message message = afd__message_make(AFD__MESSAGE_BEAT, tie->epoch);
    (void)afd__channel_send(&tie->channel, &message); /* one that has no room for it has enough to read */
    if (tie->closed_ns != 0) {
        if (afd__peer_end_is_known(tie->has_ended, tie->closed_ns, now_ns, ties->dead_ns)) {
            afd__tie_lose(ties, tie, tie->has_ended ? AFD_DROP_EXITED : AFD_DROP_CLOSED);
        }
    } else if (now_ns > tie->heard_ns && now_ns - tie->heard_ns > ties->dead_ns) {
        afd__tie_lose(ties, tie, AFD_DROP_SILENT);
    }
}

static void probe(afd__ties *ties, afd__tie *tie, uint64_t now_ns)
{
    if (tie->is_missing && !tie->has_returned && now_ns >= tie->retry_ns) {
        tie->retry_ns = now_ns + probe_period_ns;
        (void)afd__tie_connect(ties, tie, AFD__TIE_PROBING, NULL);
    }
}

static void look_after(afd__ties *ties, afd__tie *tie, uint64_t now_ns)
{
    switch (tie->state) {
    case AFD__TIE_AWAY:
        probe(ties, tie, now_ns);
        break;
    case AFD__TIE_PROBING:
        if (now_ns > tie->heard_ns && now_ns - tie->heard_ns > ties->dead_ns) {
            afd__tie_close(ties, tie); /* it is there and does not answer: stopped, most likely */
        }
        break;
    case AFD__TIE_ASKING:
    case AFD__TIE_OFFERED:
    case AFD__TIE_STARTING:
    case AFD__TIE_TOO_LATE:
    case AFD__TIE_LIVE:
        beat(ties, tie, now_ns);
        break;
    default:
        break;
    }
}

void afd__ties_tick(void *owner, uint64_t now_ns, bool stalled)
{
    afd__ties *ties = owner;
    afd__ties_lock(ties);
    for (uint32_t i = 0; i < ties->tie_num; i++) {
        afd__tie *tie = &ties->ties[i];
        if (afd__channel_is_open(&tie->channel) && stalled) {
            tie->heard_ns = now_ns;
        }
        if (ties->window != NULL && tie->state == AFD__TIE_LIVE) {
            afd__stat_set(&afd__window_own_member_stats(ties->window, i)->heard_ns, tie->heard_ns);
        }
        look_after(ties, tie, now_ns);
    }
    afd__ties_hear_post(ties);
    if (ties->window != NULL) {
        afd__stat_set(&afd__window_own_worker_stats(ties->window)->beat_ns, now_ns);
    }
    afd__ties_unlock(ties);
}
