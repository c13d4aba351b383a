/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "afd/wait.h"
#include "out.h"
#include "run/signals.h"
#include "serve/attention.h"

/* Of joining: who does not come at once is waited for, and that is said. After that a try takes longer than a goodbye
 * to somebody who does not answer may take. */
static const uint64_t first_patience_ns = UINT64_C(1000000000);
static const uint64_t least_patience_ns = UINT64_C(4000000000);

static uint32_t flight_num(const serve_attention *self)
{
    return self->plan.options.micro_batch_num;
}

static bool is_last(const serve_attention *self, const serve_flight *flight)
{
    const serve_options *options = &self->plan.options;
    return options->step_num > 0 && flight->course.round == options->step_num * options->layer_num;
}

static bool has_rounds(const serve_attention *self, serve_flight_state state)
{
    for (uint32_t m = 0; m < flight_num(self); m++) {
        if (self->flights[m].state == state) {
            return true;
        }
    }
    return false;
}

/* ---- joining ---- */

static void note_missing(const serve_attention *self)
{
    for (uint32_t i = 0; i < self->join_wait.late_num && i < RUN_FFN_MAX; i++) {
        uint32_t rank = self->late[i].session;
        afd_cli_note("attention", "waiting for FFN worker %" PRIu32 " %s", rank, self->plan.options.connect[rank]);
    }
}

static afd_status try_to_join(serve_attention *self, bool again, afd_error *error)
{
    afd_member_options options = serve_plan_member_options(&self->plan);
    if (again) {
        return afd_attention_worker_rejoin(self->worker, &self->join_wait, error);
    }
    options.observer = serve_events_observe;
    options.observer_arg = &self->events;
    return afd_attention_worker_join(self->worker, self->plan.options.connect, &options, &self->join_wait, error);
}

/* Until it has joined; who is missing is said once, and then once a deadline. */
static afd_status join(serve_attention *self, bool again, afd_error *error)
{
    const serve_options *options = &self->plan.options;
    uint64_t began_ns = afd_clock_ns();
    uint64_t patience_ns = first_patience_ns;
    for (;;) {
        self->join_wait.deadline_ns = afd_clock_ns() + patience_ns;
        afd_status status = try_to_join(self, again, error);
        if (status != AFD_DEADLINE) {
            return status;
        }
        note_missing(self);
        patience_ns = options->deadline_ns > least_patience_ns ? options->deadline_ns : least_patience_ns;
        if (options->on_deadline == SERVE_ON_DEADLINE_STOP && afd_clock_ns() - began_ns >= options->deadline_ns) {
            return AFD_DEADLINE;
        }
    }
}

afd_status serve_attention_join(serve_attention *self, afd_error *error)
{
    return join(self, false, error);
}

/* ---- rounds that cannot end ---- */

static void lose(serve_attention *self, serve_flight *flight)
{
    self->is_quiet = true;
    if (flight->is_filler) {
        flight->is_filler = false;
        flight->state = SERVE_FLIGHT_DONE;
        return;
    }
    flight->state = SERVE_FLIGHT_READY;
    flight->was_lost = true;
    self->lost_num++;
}

static void lose_all(serve_attention *self)
{
    self->is_quiet = true;
    for (uint32_t m = 0; m < flight_num(self); m++) {
        if (self->flights[m].state == SERVE_FLIGHT_OPEN) {
            lose(self, &self->flights[m]);
        }
    }
}

static afd_status rejoin(serve_attention *self, afd_error *error)
{
    afd_status status = join(self, true, error);
    if (status == AFD_STOPPED) {
        self->is_over = true;
        return AFD_OK;
    }
    if (status == AFD_ERR_PEER) { /* another one was lost meanwhile */
        afd_cli_error("attention", error);
        return AFD_OK;
    }
    if (status == AFD_OK) {
        self->is_quiet = false;
        self->rejoin_num++;
        afd_cli_note("attention", "joined anew, and sends again what was lost");
    }
    return status;
}

/* ---- one round ---- */

static void note_late(serve_attention *self, const serve_flight *flight, bool is_collecting)
{
    uint32_t micro_batch = flight->course.micro_batch;
    const afd_late *late = &self->late[0];
    self->deadline_num++;
    if (self->wait.late_num == 0) {
        return;
    }
    int64_t rank = is_collecting ? afd_attention_worker_late_rank(self->worker, micro_batch, late->token, late->slot)
                                 : (int64_t)late->session;
    if (rank < 0) {
        return;
    }
    afd_cli_note("attention", "late: FFN worker %" PRId64 " %s %s micro-batch %" PRIu32 " of layer %" PRIu32, rank,
                 self->plan.options.connect[rank], is_collecting ? "owes results of" : "has not given back",
                 micro_batch, run_flight_layer(&flight->course));
}

static afd_status dispatch(serve_attention *self, serve_flight *flight, afd_error *error)
{
    const run_flight *course = &flight->course;
    self->wait.stop = &self->stop;
    self->wait.deadline_ns = afd_clock_ns() + self->plan.options.deadline_ns;
    return afd_attention_worker_dispatch(self->worker, course->micro_batch, (int32_t)run_flight_layer(course),
                                         course->states, flight->is_filler ? 0 : course->token_num, course->experts,
                                         &self->wait, error);
}

/* What was sent is waited for, whoever asks for the end: a second signal need not. */
static afd_status collect(serve_attention *self, serve_flight *flight, afd_error *error)
{
    self->wait.stop = NULL;
    self->wait.deadline_ns = afd_clock_ns() + self->plan.options.deadline_ns;
    return afd_attention_worker_collect(self->worker, flight->course.micro_batch, flight->course.weights,
                                        flight->course.combined, &self->wait, error);
}

/* What the options say of a wait that took too long: AFD_OK goes on. */
static afd_status be_late(serve_attention *self, const serve_flight *flight, bool is_collecting)
{
    note_late(self, flight, is_collecting);
    if (self->plan.options.on_deadline == SERVE_ON_DEADLINE_STOP) {
        return AFD_DEADLINE;
    }
    if (self->plan.options.on_deadline == SERVE_ON_DEADLINE_REJOIN) {
        lose_all(self);
    }
    return AFD_OK;
}

static afd_status send(serve_attention *self, serve_flight *flight, afd_error *error)
{
    while (!self->is_quiet) {
        afd_status status = dispatch(self, flight, error);
        switch (status) {
        case AFD_OK:
            flight->state = SERVE_FLIGHT_OPEN;
            self->resent_num += flight->was_lost ? 1 : 0;
            flight->was_lost = false;
            return AFD_OK;
        case AFD_STOPPED:
            self->is_over = true;
            return AFD_OK;
        case AFD_ERR_PEER:
            afd_cli_error("attention", error);
            self->is_quiet = true;
            return AFD_OK;
        case AFD_DEADLINE:
            status = be_late(self, flight, false);
            break;
        default:
            break;
        }
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

static void look(serve_attention *self, const run_flight *course)
{
    if (self->plan.options.checks_experts) {
        serve_checker_look(&self->checker, course);
    } else {
        run_verifier_look(&self->verifier, course);
    }
}

/* A round whose results are all here. */
static void land(serve_attention *self, serve_flight *flight)
{
    run_flight *course = &flight->course;
    if (flight->is_filler) {
        flight->is_filler = false;
        flight->state = SERVE_FLIGHT_DONE;
        return;
    }
    look(self, course);
    self->round_num++;
    if (is_last(self, flight)) {
        flight->state = SERVE_FLIGHT_DONE;
        return;
    }
    run_flight_next(course);
    flight->state = SERVE_FLIGHT_READY;
}

static afd_status take(serve_attention *self, serve_flight *flight, afd_error *error)
{
    while (flight->state == SERVE_FLIGHT_OPEN) {
        afd_status status = collect(self, flight, error);
        switch (status) {
        case AFD_OK:
            land(self, flight);
            return AFD_OK;
        case AFD_ERR_PEER:
            afd_cli_error("attention", error);
            lose(self, flight);
            return AFD_OK;
        case AFD_DEADLINE:
            status = be_late(self, flight, true);
            break;
        default:
            break;
        }
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

/* ---- all rounds ---- */

/* Whether something says that nothing shall be sent, now or any more. Neither is taken back between two micro-batches:
 * the order of those that are sent has no gaps. */
static bool may_send(serve_attention *self)
{
    bool is_over = run_signals_interrupted() || (self->end_ns != 0 && afd_clock_ns() >= self->end_ns) ||
                   self->findings.wrong_num > 0;
    self->is_over = self->is_over || is_over;
    self->is_quiet = self->is_quiet || afd_attention_worker_wants_rejoin(self->worker);
    return !self->is_over && !self->is_quiet;
}

/* Whether a round of some flight is still to be sent. */
static bool has_to_send(const serve_attention *self)
{
    for (uint32_t m = 0; m < flight_num(self); m++) {
        const serve_flight *flight = &self->flights[m];
        bool has_next = flight->state == SERVE_FLIGHT_OPEN && !is_last(self, flight);
        if (!flight->is_filler && (flight->state == SERVE_FLIGHT_READY || has_next)) {
            return true;
        }
    }
    return false;
}

/* Where somebody was lost, the flights are not all in the same round. One that is done still takes its turn while
 * others are not: micro-batches go in order where all sessions are one group. */
static void fill_in(serve_attention *self, serve_flight *flight)
{
    if (flight->state == SERVE_FLIGHT_DONE && has_to_send(self)) {
        flight->state = SERVE_FLIGHT_READY;
        flight->is_filler = true;
    }
}

/* Every micro-batch once: takes what it has under way, and sends it on. */
static afd_status go_round(serve_attention *self, afd_error *error)
{
    for (uint32_t m = 0; m < flight_num(self); m++) {
        serve_flight *flight = &self->flights[m];
        afd_status status = take(self, flight, error);
        fill_in(self, flight);
        if (status == AFD_OK && flight->state == SERVE_FLIGHT_READY && may_send(self)) {
            status = send(self, flight, error);
        }
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

afd_status serve_attention_fly(serve_attention *self, afd_error *error)
{
    for (;;) {
        afd_status status = go_round(self, error);
        if (status == AFD_OK && !has_rounds(self, SERVE_FLIGHT_OPEN)) {
            if (self->is_over || !has_rounds(self, SERVE_FLIGHT_READY)) {
                return AFD_OK;
            }
            status = self->is_quiet ? rejoin(self, error) : AFD_OK;
        }
        if (status != AFD_OK) {
            return status;
        }
    }
}
