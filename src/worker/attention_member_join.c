/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way in. A pass looks at every tie and does what can be done now; the wait goes from pass to pass. In all-sync the
 * start is agreed on in two steps: every FFN worker says which turn comes next, then all are told one that lies ahead
 * of all of them. One that has passed it by then says so; then the session takes back what it said and asks again, and
 * leaves twice as much room.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/wait.h"
#include "window/registry.h"
#include "worker/attention_member.h"

enum { REFUSAL_RETRY_NS = 20 * 1000 * 1000 };

static afd__tie *tie_of(const afd_attention_worker *worker, uint32_t rank)
{
    return &worker->member->ties.ties[rank];
}

static const char *name_of(const afd_attention_worker *worker, uint32_t rank)
{
    return worker->member->ties.names[rank];
}

/* ---- saying ---- */

static void say(afd_attention_worker *worker, uint32_t rank, afd__message_kind kind, uint64_t turn)
{
    afd__message message = afd__message_make(kind, worker->member->epoch);
    message.turn = turn;
    afd__tie_say(&worker->member->ties, tie_of(worker, rank), &message);
}

static void say_hello(afd_attention_worker *worker, uint32_t rank)
{
    struct afd__attention_member *member = worker->member;
    afd__tie *tie = tie_of(worker, rank);
    afd_window_info info;
    afd__message hello = afd__message_make(AFD__MESSAGE_HELLO, member->epoch);
    hello.previous_epoch = tie->epoch; /* also where that one was never admitted: it is asked for under another now */
    hello.anchored = member->has_joined_before;
    if (!tie->is_remote) { /* another host has no way into the window */
        afd_window_describe(worker->window, &info);
        hello.generation = info.generation;
        hello.window_key = info.name[0] == '\0' ? afd__window_share(worker->window) : 0;
        memcpy(hello.window_name, info.name, sizeof(hello.window_name));
    }
    hello.pid = (uint32_t)getpid();
    hello.session = worker->session;
    hello.first_session = member->first_session;
    hello.hidden = worker->hidden;
    hello.sent_type = (uint32_t)(worker->dispatch.quantize ? AFD_TOKEN_INT8 : worker->type);
    hello.result_type = (uint32_t)worker->type;
    hello.sync_group_size = worker->sync_group_size;
    hello.shape = worker->shape;
    tie->epoch = member->epoch;
    afd__tie_say_hello(&member->ties, tie, &hello);
}

/* ---- one tie ---- */

/* The rank is not there, so it is gone without, where that may be and can be. */
static void do_without(afd_attention_worker *worker, uint32_t rank)
{
    afd__tie *tie = tie_of(worker, rank);
    if (worker->member->may_go_without && afd__attention_member_can_spare(worker, rank)) {
        tie->is_missing = true;
        tie->has_returned = false;
    }
}

/* Whoever has been told a start waits for us from then on, and must not while another one is not there. */
static void withdraw(afd_attention_worker *worker)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd__tie *tie = tie_of(worker, rank);
        if (tie->state == AFD__TIE_STARTING || tie->state == AFD__TIE_TOO_LATE || tie->state == AFD__TIE_LIVE) {
            tie->state = AFD__TIE_ASKING;
            say(worker, rank, AFD__MESSAGE_WITHDRAW, 0);
        }
    }
}

/* Closes a tie, to come again later. */
static void step_back(afd_attention_worker *worker, uint32_t rank, uint64_t pause_ns)
{
    afd__tie *tie = tie_of(worker, rank);
    afd__attention_member_close_way(worker, rank);
    afd__tie_close(&worker->member->ties, tie);
    tie->retry_ns = afd_clock_ns() + afd__tie_next_pause(tie, pause_ns);
    do_without(worker, rank);
}

static bool knows_session(const afd_attention_worker *worker)
{
    return worker->session != AFD_SESSION_ANY;
}

static uint32_t first_present(const afd_attention_worker *worker)
{
    uint32_t rank = 0;
    while (rank + 1 < worker->ffn_num && tie_of(worker, rank)->is_missing) {
        rank++;
    }
    return rank;
}

static afd_status knock(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    afd__tie *tie = tie_of(worker, rank);
    bool is_its_turn = knows_session(worker) || rank == first_present(worker);
    if (!is_its_turn || afd_clock_ns() < tie->retry_ns) {
        return AFD_OK;
    }
    afd_status status = afd__tie_connect(&worker->member->ties, tie, AFD__TIE_ASKING, error);
    if (status == AFD_OK) {
        say_hello(worker, rank);
        return AFD_OK;
    }
    if (status == AFD_ERR_NOT_FOUND || status == AFD_NOT_YET) {
        step_back(worker, rank, AFD__TIE_RETRY_NS);
        return AFD_OK;
    }
    return status;
}

/* Another place, of those that are left, where the first rank may choose and another one has that taken. */
static void choose_again(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    member->refused_num++;
    member->first_session = worker->session + 1;
    worker->session = AFD_SESSION_ANY;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (afd__channel_is_open(&tie_of(worker, rank)->channel)) {
            say(worker, rank, AFD__MESSAGE_GOODBYE, 0);
            afd__attention_member_close_way(worker, rank);
            afd__tie_close(&member->ties, tie_of(worker, rank));
        }
    }
}

static afd_status take_refusal(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    const struct afd__attention_member *member = worker->member;
    const afd__tie *tie = tie_of(worker, rank);
    if (tie->status == AFD_ERR_PEER) { /* it drains: another one may come in its place */
        withdraw(worker);
        step_back(worker, rank, REFUSAL_RETRY_NS);
        return AFD_OK;
    }
    if (tie->status == AFD_ERR_EXISTS && member->takes_any_session && knows_session(worker) &&
        member->refused_num < worker->shape.session_num) {
        choose_again(worker);
        return AFD_OK;
    }
    return afd__fail(error, tie->status, "rank", rank, 0, "FFN worker %" PRIu32 " (%s): %.200s", rank,
                     name_of(worker, rank), tie->text);
}

/* The first rank that is there says which session it is; the others only repeat it. */
static afd_status take_offer(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    const afd__tie *tie = tie_of(worker, rank);
    if (!knows_session(worker) && tie->session < worker->shape.session_num) {
        worker->session = tie->session;
    }
    if (tie->session != worker->session || !knows_session(worker)) {
        return afd__fail(error, AFD_ERR_INVALID, "session", tie->session, worker->session,
                         "FFN worker %" PRIu32 " (%s) offers session %" PRIu32 ", asked for was %" PRIu32, rank,
                         name_of(worker, rank), tie->session, worker->session);
    }
    if (!tie->is_remote && worker->writers[rank] != NULL) {
        return AFD_OK;
    }
    afd_status status = tie->is_remote ? afd__attention_member_open_link(worker, rank, error)
                                       : afd__attention_member_open(worker, rank, error);
    if (status == AFD_ERR_OWNER_DEAD || status == AFD_ERR_NOT_FOUND || status == AFD_ERR_PEER) {
        /* It went away meanwhile. */
        step_back(worker, rank, AFD__TIE_RETRY_NS);
        return AFD_OK;
    }
    return status;
}

static afd_status look_at_tie(afd_attention_worker *worker, uint32_t rank, afd_error *error)
{
    switch (tie_of(worker, rank)->state) {
    case AFD__TIE_AWAY:
        return knock(worker, rank, error);
    case AFD__TIE_OFFERED:
        return take_offer(worker, rank, error);
    case AFD__TIE_REFUSED:
        return take_refusal(worker, rank, error);
    case AFD__TIE_PROBING:
        afd__tie_close(&worker->member->ties, tie_of(worker, rank));
        return AFD_OK;
    case AFD__TIE_GONE:
    case AFD__TIE_DROPPED:
    case AFD__TIE_LOST:
        withdraw(worker);
        step_back(worker, rank, AFD__TIE_RETRY_NS);
        return AFD_OK;
    default:
        if (afd__attention_member_link_is_broken(worker, rank)) {
            afd__tie_lose(&worker->member->ties, tie_of(worker, rank), AFD_DROP_CLOSED);
        }
        return AFD_OK;
    }
}

/* ---- all ties ---- */

static uint32_t count_in(const afd_attention_worker *worker, afd__tie_state state)
{
    uint32_t num = 0;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        num += !tie_of(worker, rank)->is_missing && tie_of(worker, rank)->state == state ? 1 : 0;
    }
    return num;
}

/* Those that have offered a place, and to whom tokens can go. */
static uint32_t count_ready(const afd_attention_worker *worker)
{
    uint32_t num = 0;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        const afd__tie *tie = tie_of(worker, rank);
        num += !tie->is_missing && tie->state == AFD__TIE_OFFERED && worker->writers[rank] != NULL ? 1 : 0;
    }
    return num;
}

static uint32_t count_present(const afd_attention_worker *worker)
{
    uint32_t num = 0;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        num += tie_of(worker, rank)->is_missing ? 0 : 1;
    }
    return num;
}

/* A turn ahead of all that are fixed, at which micro-batch 0 is awaited; 0 where none is. */
static uint64_t choose_start(const afd_attention_worker *worker)
{
    uint64_t latest = 0;
    bool anybody = false;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        const afd__tie *tie = tie_of(worker, rank);
        if (!tie->is_missing && tie->anchored) {
            anybody = true;
            latest = tie->turn > latest ? tie->turn : latest;
        }
    }
    uint64_t micro_batch_num = worker->shape.micro_batch_num;
    uint64_t earliest = latest + worker->member->margin + micro_batch_num - 1;
    return anybody && worker->takes_turns ? earliest - earliest % micro_batch_num : 0;
}

static void start_all(afd_attention_worker *worker)
{
    uint64_t start = choose_start(worker);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (!tie_of(worker, rank)->is_missing) {
            tie_of(worker, rank)->state = AFD__TIE_STARTING;
            say(worker, rank, AFD__MESSAGE_START, start);
        }
    }
}

/* One pass: AFD_OK when all are there. */
static afd_status join_pass(afd_attention_worker *worker, afd_error *error)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd_status status = tie_of(worker, rank)->is_missing ? AFD_OK : look_at_tie(worker, rank, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    uint32_t present_num = count_present(worker);
    if (count_in(worker, AFD__TIE_LIVE) == present_num) {
        return AFD_OK;
    }
    if (count_ready(worker) == present_num) {
        start_all(worker);
    } else if (count_in(worker, AFD__TIE_TOO_LATE) > 0 && count_in(worker, AFD__TIE_STARTING) == 0) {
        worker->member->margin *= 2;
        withdraw(worker);
    }
    return AFD_NOT_YET;
}

/* ---- the end of it ---- */

static afd_status stand_in(afd_attention_worker *worker, afd_error *error)
{
    afd_status status = AFD_OK;
    for (uint32_t rank = 0; status == AFD_OK && rank < worker->ffn_num; rank++) {
        if (tie_of(worker, rank)->is_missing) {
            status = afd__absent_writer_create(worker, &worker->writers[rank], error);
        }
    }
    return status;
}

static void be_joined(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    member->is_joined = true;
    member->is_troubled = false;
    member->is_draining = false;
    member->has_returned = false;
    worker->dispatch.session = worker->session;
    worker->next_micro_batch = 0;
    worker->connected_num = worker->ffn_num;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd__attention_member_tell_joined(worker, rank);
    }
    member->has_joined_before = true;
    afd__attention_member_hear(worker); /* whoever wanted to end meanwhile */
}

static void name_late(const afd_attention_worker *worker, const afd__waiter *waiter)
{
    uint64_t now_ns = afd_clock_ns();
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        const afd__tie *tie = tie_of(worker, rank);
        if (!tie->is_missing && tie->state != AFD__TIE_LIVE) {
            const afd_late late = {
                .session = rank,
                .micro_batch = AFD_MICRO_BATCH_ANY,
                .silent_ns = now_ns > waiter->began_ns ? now_ns - waiter->began_ns : 0,
            };
            afd__wait_add_late(waiter->wait, late);
        }
    }
}

/* Nothing was dispatched, so nobody has anything of us. */
static void take_back(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    afd__attention_member_say_goodbye(worker);
    afd__ties_lock(&member->ties);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd__tie_close(&member->ties, tie_of(worker, rank));
        tie_of(worker, rank)->is_missing = false;
        afd__attention_member_close_way(worker, rank);
    }
    afd__ties_unlock(&member->ties);
}

static void begin(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    afd__ties_lock(&member->ties);
    member->ties.window = worker->window;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        tie_of(worker, rank)->is_missing = false;
        tie_of(worker, rank)->has_returned = false;
        tie_of(worker, rank)->retry_ns = 0;
        tie_of(worker, rank)->pause_ns = 0;
        tie_of(worker, rank)->is_resolved = false; /* it may have moved since */
    }
    afd__ties_unlock(&member->ties);
    member->epoch = afd__epoch_new();
    member->is_joined = false;
    member->refused_num = 0;
    member->margin = worker->shape.micro_batch_num;
    if (member->takes_any_session && !member->has_joined_before) {
        worker->session = AFD_SESSION_ANY;
        member->first_session = 0;
    }
}

/* What ranks of other hosts need, and what may take a while: without the lock. */
static afd_status prepare_pass(afd_attention_worker *worker, afd_error *error)
{
    afd__ties *ties = &worker->member->ties;
    if (!afd__ties_need_post(ties)) {
        return AFD_OK;
    }
    afd_status status = afd__ties_resolve(ties, error);
    if (status == AFD_OK) {
        status = afd__attention_member_open_plane(worker, error); /* once */
    }
    if (status == AFD_OK) {
        afd__plane_progress(worker->plane);
    }
    return status;
}

afd_status afd__attention_member_join(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    afd__ties *ties = &worker->member->ties;
    afd__waiter waiter;
    begin(worker);
    afd_status status = afd__waiter_start(&waiter, wait, &worker->context->control.run_flag, error);
    bool is_there = false;
    while (status == AFD_OK && !is_there) {
        status = prepare_pass(worker, error);
        if (status != AFD_OK) {
            break;
        }
        afd__ties_lock(ties);
        afd__ties_settle(ties);
        status = join_pass(worker, error);
        is_there = status == AFD_OK;
        afd__ties_unlock(ties);
        if (status == AFD_NOT_YET) {
            status = afd__waiter_idle(&waiter);
        }
    }
    if (status == AFD_DEADLINE) {
        name_late(worker, &waiter);
    }
    if (status == AFD_OK) {
        status = stand_in(worker, error);
    }
    if (status == AFD_OK) {
        status = afd__attention_member_make_table(worker, error);
    }
    if (status != AFD_OK) {
        take_back(worker);
        return status;
    }
    be_joined(worker);
    return AFD_OK;
}
