/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the door of an FFN worker, serving whoever comes, draining, closing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/error.h"
#include "base/wait.h"
#include "ffn/scheduler.h"
#include "window/shm.h"
#include "window/stats.h"
#include "worker/ffn_member.h"
#include "worker/member/event.h"

/* ---- opening ---- */

static afd_status check_name(const afd_ffn_worker *worker, const char *name, afd_error *error)
{
    afd_window_info info;
    afd_status status = afd__shm_check_name(name, error);
    afd_window_describe(worker->window, &info);
    if (status == AFD_OK && info.name[0] != '\0' && strcmp(info.name, name) != 0) {
        status = afd__fail(error, AFD_ERR_INVALID, "name", 0, 0,
                           "the door is to be %s, must be %s as the worker's window", name, info.name);
    }
    return status;
}

static afd_status check_new(const afd_ffn_worker *worker, const char *name, const afd_member_options *options,
                            afd_error *error)
{
    afd_status status = afd__member_check_options(options, error);
    if (status == AFD_OK) {
        status = check_name(worker, name, error);
    }
    if (status == AFD_OK && worker->member != NULL) {
        status = afd__fail(error, AFD_ERR_INVALID, "worker", 1, 0, "the worker listens already");
    }
    for (uint32_t s = 0; status == AFD_OK && s < worker->shape.session_num; s++) {
        if (worker->writers[s] != NULL) {
            status = afd__fail(error, AFD_ERR_INVALID, "worker", s, 0,
                               "session %" PRIu32 " was accepted by hand, so others cannot join", s);
        }
    }
    return status;
}

static void set_terms(const afd_ffn_worker *worker, afd__door_terms *terms)
{
    *terms = (afd__door_terms){
        .shape = worker->shape,
        .hidden = worker->hidden,
        .sent_type = worker->batch.type,
        .result_type = worker->result_type,
        .sync_group_size = (uint32_t)worker->schedule.sync_group_size,
        .result_bytes = 2 * (uint64_t)worker->hidden,
    };
}

static afd__ffn_member *new_member(afd_ffn_worker *worker, const afd_member_options *options)
{
    uint32_t session_num = worker->shape.session_num;
    uint32_t group_size = (uint32_t)worker->schedule.sync_group_size;
    afd__ffn_member *made = calloc(1, sizeof(*made));
    uint64_t *since_ns = calloc(session_num / group_size, sizeof(*since_ns));
    uint64_t *row_nums = calloc(session_num, sizeof(*row_nums));
    if (made == NULL || since_ns == NULL || row_nums == NULL) {
        free(row_nums);
        free(since_ns);
        free(made);
        return NULL;
    }
    made->options = *options;
    made->options.listen = NULL; /* the caller's; so the next one, of which the door has a copy */
    made->options.allow = NULL;
    made->options.secret = NULL;
    made->options.secret_bytes = 0;
    made->takes_turns = group_size == session_num;
    made->turn = worker->context->ffn.polling_index;
    made->next_start = UINT64_MAX;
    made->passes_to_look = AFD__MEMBER_LOOK_PASSES;
    made->since_ns = since_ns;
    made->row_nums = row_nums;
    made->door.window = worker->window;
    made->door.stats = afd__window_own_worker_stats(worker->window);
    set_terms(worker, &made->door.terms);
    return made;
}

afd_status afd_ffn_worker_listen(afd_ffn_worker *worker, const char *name, const afd_member_options *options,
                                 afd_error *error)
{
    afd__address listen;
    afd__allow allow = { .num = 0 };
    afd_status status = check_new(worker, name, options, error);
    bool between_hosts = status == AFD_OK && options->listen != NULL;
    if (between_hosts) {
        status = afd__ffn_member_parse_listen(options, &listen, error);
    }
    if (status == AFD_OK && between_hosts) {
        status = afd__allow_parse(options->allow, &allow, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    worker->member = new_member(worker, options);
    if (worker->member == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "worker", sizeof(*worker->member), 0,
                         "no memory for the members of a worker");
    }
    worker->member->door.allow = allow;
    afd__stat_set(&worker->member->door.stats->started_ns, afd_clock_ns());
    status = afd__door_open(&worker->member->door, name, options, between_hosts ? &listen : NULL, error);
    if (status == AFD_OK && between_hosts) {
        status = afd__ffn_member_open_plane(worker, &listen, error);
    }
    if (status != AFD_OK) {
        afd__ffn_member_close(worker);
    }
    return status;
}

void afd__ffn_member_close(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    if (member == NULL) {
        return;
    }
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        worker->writers[s] = NULL; /* the guests', who go with the door */
    }
    afd__door_close(&member->door);
    afd__ffn_member_close_plane(worker);
    free(member->row_nums);
    free(member->since_ns);
    free(member);
    worker->member = NULL;
}

/* ---- draining ---- */

static void begin_to_drain(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    afd__door *door = &member->door;
    const afd__message drain = afd__message_make(AFD__MESSAGE_DRAIN, 0);
    member->drained_ns = afd_clock_ns() + member->options.drain_ns;
    afd__door_lock(door);
    door->is_draining = true;
    for (uint32_t i = 0; i < door->guest_num; i++) {
        afd__guest *guest = &door->guests[i];
        if (guest->state == AFD__GUEST_ADMITTED) {
            afd__door_say(door, guest, &drain);
        } else if (guest->state == AFD__GUEST_ASKED || guest->state == AFD__GUEST_OFFERED) {
            afd__door_dismiss(door, guest);
            afd__door_clear(door, guest); /* its end closes: it is to come again, or to do without */
        }
    }
    afd__door_unlock(door);
    afd__stat_set(&door->stats->draining, 1);
}

uint32_t afd__ffn_member_admitted_num(afd_ffn_worker *worker)
{
    afd__door *door = &worker->member->door;
    uint32_t admitted_num = 0;
    afd__door_lock(door);
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        admitted_num += door->places[s] != NULL && door->places[s]->state == AFD__GUEST_ADMITTED;
    }
    afd__door_unlock(door);
    return admitted_num;
}

/* Whether nobody is left, or nobody is waited for any more. */
static bool is_drained(afd_ffn_worker *worker)
{
    if (afd__ffn_member_admitted_num(worker) == 0) {
        return true;
    }
    if (afd_clock_ns() < worker->member->drained_ns) {
        return false;
    }
    for (uint32_t s = 0; s < worker->shape.session_num; s++) {
        afd__ffn_member_drop(worker, s, AFD_DROP_ASKED, afd__ffn_member_event(worker, AFD_EVENT_DROPPED, s));
    }
    return true;
}

/* ---- serving ---- */

/* What ends serving, looked at before each step and on each empty pass; AFD_OK: nothing does. */
static afd_status look_for_end(afd_ffn_worker *worker)
{
    afd__ffn_member *member = worker->member;
    if (member->is_late) {
        member->is_late = false;
        return AFD_DEADLINE;
    }
    if (member->drained_ns != 0) {
        return is_drained(worker) ? AFD_STOPPED : AFD_OK;
    }
    if (member->options.drain != NULL && afd__stop_requested(NULL, member->options.drain)) {
        begin_to_drain(worker);
    }
    return AFD_OK;
}

/* Nobody has come until wait->deadline_ns. */
static bool nobody_came(const afd__waiter *waiter, afd_status looked, uint64_t deadline_ns)
{
    return looked == AFD_NOBODY_LIVE && deadline_ns != 0 && waiter->empty_pass_num % AFD_WAIT_CLOCK_PASSES == 1 &&
           afd_clock_ns() >= deadline_ns;
}

/* Waits until something was taken, and answers it. */
static afd_status serve_once(afd_ffn_worker *worker, afd_wait *wait, uint64_t deadline_ns, afd_error *error)
{
    afd__waiter waiter;
    uint32_t taken_num = 0;
    afd_status status = afd__waiter_start(&waiter, wait, &worker->context->control.run_flag, error);
    while (status == AFD_OK) {
        status = look_for_end(worker);
        if (status != AFD_OK) {
            return status;
        }
        status = afd__ffn_worker_take(worker, &taken_num, error);
        if (status == AFD_OK) {
            return afd__ffn_worker_answer(worker, taken_num, NULL, error);
        }
        if (status != AFD_NOT_YET && status != AFD_NOBODY_LIVE) {
            return status;
        }
        if (nobody_came(&waiter, status, deadline_ns)) {
            return AFD_NOBODY_LIVE;
        }
        status = afd__waiter_idle(&waiter);
    }
    return status;
}

afd_status afd_ffn_worker_serve(afd_ffn_worker *worker, afd_wait *wait, afd_error *error)
{
    afd__ffn_member *member = worker->member;
    afd_wait yielding = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_wait *used = wait == NULL ? &yielding : wait;
    if (member == NULL) {
        return afd__fail(error, AFD_ERR_INVALID, "worker", 0, 0, "the worker does not listen, so nobody can join it");
    }
    uint64_t deadline_ns = used->deadline_ns;
    used->deadline_ns = 0; /* it is about nobody being there, which the waiter knows nothing of */
    member->wait = used;
    afd_status status = AFD_OK;
    while (status == AFD_OK) {
        status = serve_once(worker, used, deadline_ns, error);
        if (status == AFD_OK) { /* before the next wait begins, which forgets who was late */
            status = look_for_end(worker);
        }
    }
    member->wait = NULL;
    used->deadline_ns = deadline_ns;
    return status;
}
