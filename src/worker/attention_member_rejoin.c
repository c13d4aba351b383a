/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out, and in again. Writers are closed before goodbye is said, because goodbye promises that nothing is
 * written any more; the window is taken away when nobody writes into it for us, or nobody answers for dead_ns.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/wait.h"
#include "window/shm.h"
#include "window/stats.h"
#include "window/window.h"
#include "worker/attention_member.h"
#include "worker/member/event.h"

/* ---- joining for the first time ---- */

static afd_status check_join(const afd_attention_worker *worker, const char *const *names,
                             const afd_member_options *options, afd_error *error)
{
    afd_status status = afd__member_check_options(options, error);
    if (status == AFD_OK) {
        status = afd__check_not_null("names", (const void *)names, error);
    }
    for (uint32_t rank = 0; status == AFD_OK && rank < worker->ffn_num; rank++) {
        if (names[rank] == NULL || !afd__address_is_one(names[rank])) {
            status = afd__shm_check_name(names[rank], error);
        }
    }
    if (status == AFD_OK && worker->member == NULL && worker->connected_num > 0) {
        status = afd__fail(error, AFD_ERR_INVALID, "worker", worker->connected_num, 0,
                           "%" PRIu32 " FFN workers were connected by hand, so others cannot be joined",
                           worker->connected_num);
    }
    if (status == AFD_OK && worker->member != NULL && worker->member->has_joined_before) {
        status = afd__fail(error, AFD_ERR_INVALID, "worker", 1, 0, "the worker has joined already; it may rejoin");
    }
    return status;
}

static afd_status make_member(afd_attention_worker *worker, const char *const *names,
                              const afd_member_options *options, afd_error *error)
{
    afd_window_info info;
    afd__attention_member *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        (void)afd__fail(error, AFD_ERR_NO_MEMORY, "worker", sizeof(*made), 0,
                        "no memory for the members of a worker");
        return AFD_ERR_NO_MEMORY;
    }
    afd_window_describe(worker->window, &info);
    (void)snprintf(made->window_name, sizeof(made->window_name), "%s", info.name);
    made->takes_any_session = worker->session == AFD_SESSION_ANY;
    made->full_experts = worker->experts;
    worker->member = made;
    afd__stat_set(&afd__window_own_worker_stats(worker->window)->started_ns, afd_clock_ns());
    afd_status status = afd__ties_make(&made->ties, names, worker->ffn_num, options, error);
    if (status != AFD_OK) {
        afd__attention_member_close(worker);
    }
    return status;
}

static void take_options(struct afd__attention_member *member, const afd_member_options *options)
{
    member->options = *options;
    member->options.listen = NULL; /* the caller's; so the next one, of which the ties have a copy */
    member->options.allow = NULL;
    member->options.secret = NULL;
    member->options.secret_bytes = 0;
    afd__credentials_set(&member->ties.credentials, options->secret, options->secret_bytes);
}

afd_status afd_attention_worker_join(afd_attention_worker *worker, const char *const *names,
                                     const afd_member_options *options, afd_wait *wait, afd_error *error)
{
    afd_status status = check_join(worker, names, options, error);
    if (status == AFD_OK && worker->member == NULL) {
        status = make_member(worker, names, options, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    take_options(worker->member, options);
    afd__ties_set_names(&worker->member->ties, names);
    worker->member->may_go_without = false;
    return afd__attention_member_join(worker, wait, error);
}

/* ---- leaving ---- */

/* A link stays until the goodbye is answered, because its end could be heard of before the goodbye; nothing is sent
 * over it any more. */
static void close_writers(afd_attention_worker *worker)
{
    const afd__attention_link *links = worker->member->links;
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (links == NULL || links[rank].link == NULL) {
            afd_writer_close(worker->writers[rank]);
        }
        worker->writers[rank] = NULL;
    }
    worker->connected_num = 0;
}

void afd__attention_member_say_goodbye(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    close_writers(worker);
    member->is_joined = false;
    member->leaving_ns = afd_clock_ns() + member->options.dead_ns;
    afd__ties_lock(&member->ties);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        afd__tie *tie = &member->ties.ties[rank];
        const afd__message goodbye = afd__message_make(AFD__MESSAGE_GOODBYE, tie->epoch);
        if (!afd__channel_is_open(&tie->channel) || tie->state == AFD__TIE_LEAVING || tie->state == AFD__TIE_GONE ||
            tie->state == AFD__TIE_PROBING) {
            continue;
        }
        bool may_answer = tie->state != AFD__TIE_LOST && tie->state != AFD__TIE_REFUSED;
        tie->state = may_answer ? AFD__TIE_LEAVING : AFD__TIE_GONE;
        afd__tie_say(&member->ties, tie, &goodbye);
    }
    afd__ties_unlock(&member->ties);
}

static bool all_are_gone(afd_attention_worker *worker)
{
    afd__ties *ties = &worker->member->ties;
    bool all = true;
    afd__ties_lock(ties);
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        all = all && ties->ties[rank].state != AFD__TIE_LEAVING;
    }
    afd__ties_unlock(ties);
    return all || afd_clock_ns() >= worker->member->leaving_ns;
}

static void name_leaving(const afd_attention_worker *worker, afd_wait *wait)
{
    for (uint32_t rank = 0; rank < worker->ffn_num; rank++) {
        if (worker->member->ties.ties[rank].state == AFD__TIE_LEAVING) {
            afd__wait_add_late(wait, (afd_late){ .session = rank, .micro_batch = AFD_MICRO_BATCH_ANY });
        }
    }
}

afd_status afd__attention_member_await_gone(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    afd__ties *ties = &worker->member->ties;
    afd__waiter waiter;
    afd_status status = afd__waiter_start(&waiter, wait, &worker->context->control.run_flag, error);
    while (status == AFD_OK && !all_are_gone(worker)) {
        if (worker->plane != NULL) {
            afd__plane_progress(worker->plane);
        }
        status = afd__waiter_idle(&waiter);
    }
    afd__ties_lock(ties);
    if (status == AFD_DEADLINE) {
        name_leaving(worker, waiter.wait);
    }
    for (uint32_t rank = 0; status == AFD_OK && rank < worker->ffn_num; rank++) {
        afd__tie_close(ties, &ties->ties[rank]);
        ties->ties[rank].is_missing = false;
        afd__attention_member_close_way(worker, rank);
    }
    afd__ties_unlock(ties);
    return status;
}

afd_status afd__attention_member_leave(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    afd__attention_member_say_goodbye(worker);
    return afd__attention_member_await_gone(worker, wait, error);
}

/* ---- rejoining ---- */

static void give_up_rounds(afd_attention_worker *worker)
{
    struct afd__attention_member *member = worker->member;
    for (uint32_t m = 0; m < worker->shape.micro_batch_num; m++) {
        member->lost_round_num += worker->rounds[m].state == AFD__ROUND_OPEN ? 1 : 0;
        worker->rounds[m].state = AFD__ROUND_CLOSED;
    }
    worker->next_micro_batch = 0;
}

/* What is late for an old round, of one that was stopped and wakes up, then comes into a window that nobody reads. */
static afd_status renew_window(afd_attention_worker *worker, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    const char *name = member->window_name[0] == '\0' ? NULL : member->window_name;
    afd__ties_lock(&member->ties);
    member->ties.window = NULL;
    afd__ties_unlock(&member->ties);
    afd_window_close(worker->window);
    worker->window = NULL;
    member->counted_before = worker->counters;
    if (member->plane != NULL) {
        member->plane_before = afd__plane_count(member->plane);
    }
    afd_status status = afd__attention_window_create(name, &worker->shape, worker->ffn_num, &worker->window, error);
    if (status == AFD_OK) {
        status = afd_window_bind(worker->window, worker->context, error);
    }
    if (status == AFD_OK) {
        afd_worker_stats *stats = afd__window_own_worker_stats(worker->window);
        afd__stat_set(&stats->started_ns, afd_clock_ns());
        afd__stat_set(&stats->lost_round_num, member->lost_round_num);
    }
    return status;
}

afd_status afd_attention_worker_rejoin(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    struct afd__attention_member *member = worker->member;
    if (member == NULL || !member->has_joined_before) {
        return afd__fail(error, AFD_ERR_INVALID, "worker", 0, 0, "the worker has not joined yet, so it cannot rejoin");
    }
    afd__attention_member_listen(worker); /* the observer is to hear why */
    give_up_rounds(worker);
    afd__attention_member_say_goodbye(worker);
    afd_status status = afd__attention_member_await_gone(worker, wait, error);
    if (status == AFD_OK) {
        status = renew_window(worker, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    member->may_go_without = true;
    return afd__attention_member_join(worker, wait, error);
}

/* ---- the end ---- */

/* So that an FFN worker that was killed leaves no shared memory behind. A name is removed only if its owner is dead, so
 * nothing needs to be known of the rank: it may have died while this worker was waiting for it. */
static void remove_windows_of_dead(const afd_attention_worker *worker)
{
    const afd__ties *ties = &worker->member->ties;
    for (uint32_t rank = 0; rank < ties->tie_num; rank++) {
        if (!ties->ties[rank].is_remote) {
            (void)afd_window_remove(ties->names[rank], false, NULL);
        }
    }
}

void afd__attention_member_close(afd_attention_worker *worker)
{
    afd__attention_member *member = worker->member;
    if (member == NULL) {
        return;
    }
    if (member->ties.ties != NULL) {
        afd__attention_member_say_goodbye(worker);
        remove_windows_of_dead(worker);
    }
    afd__ties_end(&member->ties);
    afd__attention_member_close_plane(worker); /* after the goodbyes */
    free(member->entries);
    free(member);
    worker->member = NULL;
}
