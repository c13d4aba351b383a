/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ffn.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "afd/member.h"
#include "afd/worker.h"
#include "out.h"
#include "run/arrival.h"
#include "run/experts/experts.h"
#include "run/member.h"

enum { NOBODY_PAUSE_NS = 1000 * 1000 };

typedef struct ffn {
    run_member member;
    const run_job *job;
    uint32_t number;
    run_experts *experts;
    afd_ffn_worker *worker;
} ffn;

/* The worker's experts: the real ones, between the checks of what goes in and the marks of what comes out. */
static afd_status compute(void *arg, const afd_experts_call *call)
{
    ffn *self = arg;
    run_arrival_check(self->job, self->number, &self->member.seat->findings, call);
    run_stages_observe(&self->member.watch, AFD_STAGE_EXPERTS, true, AFD_MICRO_BATCH_ANY, -1);
    afd_status status = run_experts_compute(self->experts, call);
    run_stages_observe(&self->member.watch, AFD_STAGE_EXPERTS, false, AFD_MICRO_BATCH_ANY, -1);
    run_arrival_mark_results(self->job, call);
    return status;
}

/* The stages as the worker sees them, but for the experts, whose checks are not to be counted. */
static void observe(void *arg, afd_stage stage, bool begins, uint32_t micro_batch, int32_t layer_id)
{
    ffn *self = arg;
    if (stage != AFD_STAGE_EXPERTS) {
        run_stages_observe(&self->member.watch, stage, begins, micro_batch, layer_id);
    }
}

static bool create(ffn *self, afd_error *error)
{
    const run_job *job = self->job;
    const run_options *options = &job->options;
    const run_placement *placement = &job->placement;
    char name[RUN_WINDOW_NAME_BYTES];
    run_experts_options experts_options = {
        .weights = &job->weights,
        .local_experts = placement->local_experts[self->number],
        .local_num = placement->local_nums[self->number],
        .kind = RUN_MATMUL_AUTO,
    };
    run_job_window_name(job, self->number, name);
    self->experts = run_experts_create(&experts_options);
    if (self->experts == NULL) {
        *error = (afd_error){ .status = AFD_ERR_SYSTEM, .field = "experts", .message = "there is no matmul here" };
        return false;
    }
    afd_ffn_worker_options worker_options = {
        .size = sizeof(worker_options),
        .shape = job->shape,
        .window_name = options->threads ? NULL : name,
        .sync_group_size = options->sync_group_size,
        .fair = options->fair,
        .hidden = options->model->hidden,
        .type = options->quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16,
        .result_type = AFD_TOKEN_BF16,
        .expert_num = experts_options.local_num * options->layer_num,
        .experts = compute,
        .experts_arg = self,
        .observer = observe,
        .observer_arg = self,
    };
    return afd_ffn_worker_create(&worker_options, &self->worker, error) == AFD_OK;
}

/* Over UCX: opens its door, and says in its seat where. */
static bool listen_for_all(ffn *self, afd_error *error)
{
    char name[RUN_WINDOW_NAME_BYTES];
    afd_member_options options = run_member_options(&self->member);
    options.listen = "127.0.0.1:0";
    run_job_window_name(self->job, self->number, name);
    if (afd_ffn_worker_listen(self->worker, name, &options, error) != AFD_OK) {
        return false;
    }
    (void)snprintf(self->member.seat->address, sizeof(self->member.seat->address), "%s",
                   afd_ffn_worker_address(self->worker));
    return true;
}

static bool accept_all(ffn *self, afd_error *error)
{
    const run_options *options = &self->job->options;
    for (uint32_t session = 0; session < options->attention_num; session++) {
        afd_writer *writer = NULL;
        if (run_member_reach(&self->member, options->ffn_num + session, &writer, error) != AFD_OK) {
            return false;
        }
        if (afd_ffn_worker_accept(self->worker, session, writer, error) != AFD_OK) {
            afd_writer_close(writer);
            return false;
        }
    }
    return true;
}

static void report_late(ffn *self)
{
    const afd_wait *wait = &self->member.wait;
    self->member.seat->deadline_num++;
    for (uint32_t i = 0; i < wait->late_num && i < RUN_LATE_MAX; i++) {
        const afd_late *late = &self->member.late[i];
        double silent_s = (double)late->silent_ns / 1e9;
        if (late->micro_batch == AFD_MICRO_BATCH_ANY) {
            afd_cli_note("run", "late at FFN worker %" PRIu32 ": attention worker %" PRIu32
                         " has no micro-batch ready, and was silent for %.1f s", self->number, late->session, silent_s);
        } else {
            afd_cli_note("run", "late at FFN worker %" PRIu32 ": attention worker %" PRIu32 ", micro-batch %" PRIu32
                         " has flag %" PRId32 ", and was silent for %.1f s", self->number, late->session,
                         late->micro_batch, late->flag, silent_s);
        }
    }
    if (wait->late_num > RUN_LATE_MAX) {
        afd_cli_note("run", "late at FFN worker %" PRIu32 ": and %" PRIu32 " more", self->number,
                     wait->late_num - RUN_LATE_MAX);
    }
}

static void note_progress(ffn *self)
{
    afd_worker_counters counters;
    afd_ffn_worker_count(self->worker, &counters);
    atomic_store_explicit(&self->member.seat->round_num, counters.micro_batch_num, memory_order_relaxed);
}

/* One step; true if the worker goes on. *is_done becomes whether that is because its work is done. */
static bool step(ffn *self, bool *is_done, afd_error *error)
{
    afd_wild_id wild;
    if (self->member.trouble.status != AFD_OK) {
        run_member_note_refusal(&self->member, &self->member.trouble);
        return false;
    }
    run_member_set_deadline(&self->member);
    switch (afd_ffn_worker_await(self->worker, &self->member.wait, &wild, error)) {
    case AFD_OK:
        if (wild.expert_id != AFD_EXPERT_ID_NONE) {
            run_findings_mismatch(&self->member.seat->findings, "session %" PRIu32 ", micro-batch %" PRIu32
                                  ", token %" PRIu32 ", slot %" PRIu32 ": wild expert id %" PRId32, wild.session,
                                  wild.micro_batch, wild.token, wild.slot, wild.expert_id);
        }
        note_progress(self);
        *is_done = self->member.seat->findings.wrong_num > 0; /* no use in going on */
        return !*is_done;
    case AFD_DEADLINE:
        report_late(self);
        return true;
    case AFD_NOBODY_LIVE: /* over UCX: all have left, and whoever leads the run says so in a moment, or were lost */
        (void)nanosleep(&(struct timespec){ .tv_nsec = NOBODY_PAUSE_NS }, NULL);
        return true;
    case AFD_STOPPED:
        *is_done = true;
        return false;
    default:
        run_member_note_refusal(&self->member, error);
        return false;
    }
}

/* Over UCX attention workers come while this one waits for everybody, and are admitted in its steps; nothing is sent
 * before all have met. */
static void admit(void *arg)
{
    ffn *self = arg;
    afd_error error;
    afd_status status = afd_ffn_worker_step(self->worker, NULL, &error);
    if (status < 0 && self->member.trouble.status == AFD_OK) {
        self->member.trouble = error;
    }
}

static bool work(ffn *self)
{
    afd_error error;
    bool is_done = false;
    if (!create(self, &error) || (self->job->options.ucx && !listen_for_all(self, &error))) {
        run_member_note_refusal(&self->member, &error);
        return false;
    }
    run_member_note_window(&self->member, afd_ffn_worker_window(self->worker));
    if (!run_member_meet(&self->member, RUN_PHASE_MADE)) {
        return true;
    }
    if (!self->job->options.ucx && !accept_all(self, &error)) {
        run_member_note_refusal(&self->member, &error);
        return false;
    }
    if (!run_member_meet_meanwhile(&self->member, RUN_PHASE_CONNECTED, self->job->options.ucx ? admit : NULL, self)) {
        return true;
    }
    self->member.seat->began_ns = afd_clock_ns();
    while (step(self, &is_done, &error)) {
    }
    self->member.seat->ended_ns = afd_clock_ns();
    run_member_note_memory(&self->member);
    afd_ffn_worker_count(self->worker, &self->member.seat->counters);
    return is_done;
}

bool run_ffn(const run_job *job, uint32_t number)
{
    ffn self = { .job = job, .number = number };
    run_member_begin(&self.member, job, number, job->board.ffn_stop);
    bool is_done = work(&self);
    run_member_end(&self.member, is_done);
    afd_ffn_worker_close(self.worker);
    run_experts_destroy(self.experts);
    return is_done;
}
