/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attention.h"

#include <inttypes.h>
#include <stdlib.h>

#include "afd/member.h"
#include "afd/worker.h"
#include "out.h"
#include "run/flight.h"
#include "run/member.h"
#include "run/sheet.h"
#include "run/verify.h"

typedef struct attention {
    run_member member;
    const run_job *job;
    uint32_t session;
    afd_attention_worker *worker;
    const char **addresses; /* over UCX: [F] where FFN workers listen, for as long as there is a worker */
    run_flight *flights;    /* [M] */
    run_verifier verifier;
} attention;

static bool create(attention *self, afd_error *error)
{
    const run_job *job = self->job;
    const run_options *options = &job->options;
    char name[RUN_WINDOW_NAME_BYTES];
    run_job_window_name(job, self->member.number, name);
    afd_attention_worker_options worker_options = {
        .size = sizeof(worker_options),
        .shape = job->shape,
        .window_name = options->threads ? NULL : name,
        .session = self->session,
        .hidden = options->model->hidden,
        .type = AFD_TOKEN_BF16,
        .quantize = options->quantize,
        .top_k = options->model->top_k,
        .experts = job->placement.table,
        .ffn_num = options->ffn_num,
        .sync_group_size = options->sync_group_size,
        .observer = run_stages_observe,
        .observer_arg = &self->member.watch,
    };
    return afd_attention_worker_create(&worker_options, &self->worker, error) == AFD_OK;
}

/* Over UCX: joins them all where they listen. */
static bool join_all(attention *self, afd_error *error)
{
    uint32_t ffn_num = self->job->options.ffn_num;
    afd_member_options options = run_member_options(&self->member);
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    self->addresses = afd_cli_alloc(ffn_num, sizeof(*self->addresses));
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        self->addresses[rank] = self->job->board.seats[rank].address;
    }
    wait.stop = self->job->board.stop;
    afd_status status = afd_attention_worker_join(self->worker, self->addresses, &options, &wait, error);
    return status >= 0; /* or asked to end, which the next wait finds as well */
}

static bool connect_all(attention *self, afd_error *error)
{
    if (self->job->options.ucx) {
        return join_all(self, error);
    }
    for (uint32_t rank = 0; rank < self->job->options.ffn_num; rank++) {
        afd_writer *writer = NULL;
        if (run_member_reach(&self->member, rank, &writer, error) != AFD_OK) {
            return false;
        }
        if (afd_attention_worker_connect(self->worker, rank, writer, error) != AFD_OK) {
            afd_writer_close(writer);
            return false;
        }
    }
    return true;
}

static void report_late(attention *self, uint32_t micro_batch, bool is_collecting)
{
    const afd_late *late = &self->member.late[0];
    self->member.seat->deadline_num++;
    if (self->member.wait.late_num == 0) {
        return;
    }
    int64_t rank = is_collecting ? afd_attention_worker_late_rank(self->worker, micro_batch, late->token, late->slot)
                                 : (int64_t)late->session;
    afd_cli_note("run", "late at attention worker %" PRIu32 ": FFN worker %" PRId64 " %s micro-batch %" PRIu32
                 " of layer %" PRIu32, self->session, rank, is_collecting ? "owes results of" : "has not given back",
                 micro_batch, run_flight_layer(&self->flights[micro_batch]));
}

/* Dispatches the round that a flight is in; AFD_OK or what ended it. */
static afd_status send(attention *self, run_flight *flight, afd_error *error)
{
    afd_status status;
    do {
        run_member_set_deadline(&self->member);
        status = afd_attention_worker_dispatch(self->worker, flight->micro_batch, (int32_t)run_flight_layer(flight),
                                               flight->states, flight->token_num, flight->experts, &self->member.wait,
                                               error);
        if (status == AFD_DEADLINE) {
            report_late(self, flight->micro_batch, false);
        }
    } while (status == AFD_DEADLINE);
    return status;
}

static afd_status collect(attention *self, run_flight *flight, afd_error *error)
{
    afd_status status;
    do {
        run_member_set_deadline(&self->member);
        status = afd_attention_worker_collect(self->worker, flight->micro_batch, flight->weights, flight->combined,
                                              &self->member.wait, error);
        if (status == AFD_DEADLINE) {
            report_late(self, flight->micro_batch, true);
        }
    } while (status == AFD_DEADLINE);
    return status;
}

static void note_progress(attention *self, const run_flight *flight)
{
    run_seat *seat = self->member.seat;
    uint64_t round_num = atomic_load_explicit(&seat->round_num, memory_order_relaxed) + 1;
    atomic_store_explicit(&seat->micro_batch, flight->micro_batch, memory_order_relaxed);
    atomic_store_explicit(&seat->layer, run_flight_layer(flight), memory_order_relaxed);
    /* R, meets the A in note_death(): a count never comes with older numbers than its own. */
    atomic_store_explicit(&seat->round_num, round_num, memory_order_release);
}

/* Goes on to a flight's next round, and sends it. */
static afd_status send_next(attention *self, run_flight *flight, afd_error *error)
{
    run_flight_next(flight);
    run_sheet_fill(self->job, flight);
    return send(self, flight, error);
}

static afd_status send_first(attention *self, afd_error *error)
{
    for (uint32_t m = 0; m < self->job->shape.micro_batch_num; m++) {
        afd_status status = send_next(self, &self->flights[m], error);
        if (status != AFD_OK) {
            return status;
        }
    }
    return AFD_OK;
}

/* Takes a flight's results, and sends it on its next round if there is one. */
static afd_status turn(attention *self, run_flight *flight, afd_error *error)
{
    afd_status status = collect(self, flight, error);
    if (status != AFD_OK) {
        return status;
    }
    run_sheet_check(self->job, &self->member.seat->findings, flight, afd_attention_worker_window(self->worker));
    run_verifier_look(&self->verifier, flight);
    note_progress(self, flight);
    if (flight->round == run_job_round_num(self->job)) {
        return AFD_OK;
    }
    return send_next(self, flight, error);
}

static afd_status fly(attention *self, afd_error *error)
{
    afd_status status = send_first(self, error);
    for (uint64_t round = 0; round < run_job_round_num(self->job); round++) {
        for (uint32_t m = 0; m < self->job->shape.micro_batch_num && status == AFD_OK; m++) {
            status = turn(self, &self->flights[m], error);
        }
        if (status != AFD_OK || self->member.seat->findings.wrong_num > 0) {
            return status;
        }
    }
    return status;
}

/* Over UCX: says goodbye. Sessions did not begin in the same round there, so others may still have some to go, in which
 * nobody is to wait for this one. */
static afd_status leave_all(attention *self, afd_error *error)
{
    self->member.wait.deadline_ns = 0;
    return afd_attention_worker_leave(self->worker, &self->member.wait, error);
}

static bool work(attention *self)
{
    afd_error error;
    if (!create(self, &error)) {
        run_member_note_refusal(&self->member, &error);
        return false;
    }
    run_member_note_window(&self->member, afd_attention_worker_window(self->worker));
    if (!run_member_meet(&self->member, RUN_PHASE_MADE)) {
        return true;
    }
    if (!connect_all(self, &error)) {
        run_member_note_refusal(&self->member, &error);
        return false;
    }
    if (!run_member_meet(&self->member, RUN_PHASE_CONNECTED)) {
        return true;
    }
    self->member.seat->began_ns = afd_clock_ns();
    afd_status status = fly(self, &error);
    self->member.seat->ended_ns = afd_clock_ns();
    if (status == AFD_OK && self->job->options.ucx) {
        status = leave_all(self, &error);
    }
    if (status < 0) {
        run_member_note_refusal(&self->member, &error);
    }
    afd_attention_worker_count(self->worker, &self->member.seat->counters);
    if (status == AFD_OK) {
        run_verifier_finish(&self->verifier); /* it takes its time; who asked for the end does not want to wait */
    }
    return status >= 0;
}

static void create_verifier(attention *self)
{
    const run_job *job = self->job;
    const run_verifier_options options = {
        .traffic = &job->traffic,
        .weights = &job->weights,
        .findings = &self->member.seat->findings,
        .round_num = run_job_round_num(job) * job->shape.micro_batch_num,
        .is_full = job->options.verify_full,
    };
    run_verifier_create(&self->verifier, &options);
}

static void create_flights(attention *self)
{
    uint32_t micro_batch_num = self->job->shape.micro_batch_num;
    self->flights = afd_cli_alloc(micro_batch_num, sizeof(run_flight));
    for (uint32_t m = 0; m < micro_batch_num; m++) {
        run_flight_create(&self->flights[m], &self->job->traffic, self->session, m);
    }
}

static void destroy_flights(attention *self)
{
    for (uint32_t m = 0; m < self->job->shape.micro_batch_num; m++) {
        run_flight_destroy(&self->flights[m]);
    }
    free(self->flights);
}

bool run_attention(const run_job *job, uint32_t session)
{
    attention self = { .job = job, .session = session };
    run_member_begin(&self.member, job, job->options.ffn_num + session, job->board.stop);
    create_flights(&self);
    create_verifier(&self);
    bool is_done = work(&self);
    run_member_end(&self.member, is_done);
    afd_attention_worker_close(self.worker);
    free(self.addresses);
    run_verifier_destroy(&self.verifier);
    destroy_flights(&self);
    return is_done;
}
