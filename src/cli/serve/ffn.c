/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/ffn.h"

#include <inttypes.h>
#include <stdlib.h>

#include "afd/wait.h"
#include "out.h"
#include "run/signals.h"
#include "verbs.h"

static bool create_experts(serve_ffn *self)
{
    const run_placement *placement = &self->plan.placement;
    uint32_t rank = self->plan.options.rank;
    const run_experts_options options = {
        .weights = &self->plan.weights,
        .local_experts = placement->local_experts[rank],
        .local_num = placement->local_nums[rank],
        .kind = RUN_MATMUL_AUTO,
    };
    if (self->plan.options.checks_experts) {
        serve_check_experts_create(&self->check, placement, rank, self->plan.options.model->hidden);
        return true;
    }
    self->experts = run_experts_create(&options);
    if (self->experts == NULL) {
        afd_cli_note("ffn", "there is no matmul here");
    }
    return self->experts != NULL;
}

static afd_status create_worker(serve_ffn *self, afd_error *error)
{
    const serve_options *options = &self->plan.options;
    const afd_ffn_worker_options worker_options = {
        .size = sizeof(worker_options),
        .shape = self->plan.shape,
        .window_name = options->name,
        .sync_group_size = options->sync_group_size,
        .fair = options->fair,
        .hidden = options->model->hidden,
        .type = options->quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16,
        .result_type = AFD_TOKEN_BF16,
        .expert_num = self->plan.placement.local_nums[options->rank] * options->layer_num,
        .experts = options->checks_experts ? serve_check_experts_compute : run_experts_compute,
        .experts_arg = options->checks_experts ? (void *)&self->check : self->experts,
        .observer = run_stages_observe,
        .observer_arg = &self->plan.watch,
    };
    return afd_ffn_worker_create(&worker_options, &self->worker, error);
}

static afd_status listen_at(serve_ffn *self, afd_error *error)
{
    afd_member_options options = serve_plan_member_options(&self->plan);
    options.listen = self->plan.options.listen;
    options.allow = self->plan.options.allow;
    options.deadline_ns = self->plan.options.deadline_ns;
    options.on_deadline = self->plan.options.ffn_on_deadline;
    options.drain = &self->drain;
    options.observer = serve_events_observe;
    options.observer_arg = &self->events;
    return afd_ffn_worker_listen(self->worker, self->plan.options.name, &options, error);
}

static void note_open(const serve_ffn *self)
{
    const serve_options *options = &self->plan.options;
    if (options->listen != NULL) {
        afd_cli_note("ffn", "listening at %s: sessions of other hosts join with this address instead of the name%s",
                     afd_ffn_worker_address(self->worker), options->token_file != NULL ? ", and --token-file" : "");
    }
    if (options->ffn_num == 1) {
        afd_cli_note("ffn", "open: sessions join with `afd attention --connect %s%s`", options->name,
                     options->common);
    } else {
        afd_cli_note("ffn", "open as rank %" PRIu32 " of %" PRIu32 ": sessions join with `afd attention --connect "
                     "NAMES%s`, NAMES being those of all ranks, in order", options->rank, options->ffn_num,
                     options->common);
    }
}

/* Called between the steps: the library says nothing of the signal, so that somebody does. */
static void note_drain(void *arg)
{
    serve_ffn *self = arg;
    if (!self->told_drain && run_signals_interrupted()) {
        self->told_drain = true;
        afd_cli_note("ffn", "draining: open rounds are answered until the sessions have left; a second signal ends at "
                            "once");
    }
}

static void note_late(const serve_ffn *self)
{
    for (uint32_t i = 0; i < self->wait.late_num && i < SERVE_LATE_MAX; i++) {
        const afd_late *late = &self->late[i];
        afd_cli_note("ffn", "ends because session %" PRIu32 " was silent for %.1f s", late->session,
                     (double)late->silent_ns / 1e9);
    }
}

/* What ended it: AFD_STOPPED, AFD_DEADLINE, or an error, which is on stderr then. */
static afd_status serve(serve_ffn *self)
{
    afd_error error;
    afd_status status = create_worker(self, &error);
    if (status == AFD_OK) {
        serve_plan_note_window(&self->plan, afd_ffn_worker_window(self->worker));
        status = listen_at(self, &error);
    }
    if (status == AFD_OK) {
        note_open(self);
        self->began_ns = afd_clock_ns();
        status = afd_ffn_worker_serve(self->worker, &self->wait, &error);
        self->ended_ns = afd_clock_ns();
        afd_ffn_worker_count(self->worker, &self->counters);
    }
    if (status == AFD_DEADLINE) {
        note_late(self);
    } else if (status < 0) {
        afd_cli_error("ffn", &error);
    }
    return status;
}

static int exit_code(afd_status status)
{
    return status == AFD_DEADLINE ? AFD_EXIT_DIED : afd_cli_exit_code(status);
}

static int work(serve_ffn *self)
{
    if (!serve_plan_create(&self->plan) || !create_experts(self)) {
        return AFD_EXIT_REFUSED;
    }
    self->wait = (afd_wait)AFD_WAIT_INIT(self->plan.options.strategy);
    self->wait.poll = note_drain;
    self->wait.poll_arg = self;
    self->wait.late = self->late;
    self->wait.late_capacity = SERVE_LATE_MAX;
    self->events = (serve_events){ .side = SERVE_FFN };
    run_signals_catch(&self->drain);
    afd_status status = serve(self);
    int code = exit_code(status);
    int printed = self->began_ns != 0 ? serve_ffn_report(self, status) : AFD_EXIT_DONE;
    return printed == AFD_EXIT_DONE ? code : printed;
}

int afd_cmd_ffn(int argc, char **argv)
{
    serve_ffn *self = afd_cli_alloc(1, sizeof(*self));
    int code = serve_options_parse(&self->plan.options, SERVE_FFN, argc, argv);
    if (code == AFD_CLI_GO_ON) {
        code = work(self);
        afd_ffn_worker_close(self->worker);
        run_experts_destroy(self->experts);
        serve_check_experts_destroy(&self->check);
        serve_plan_destroy(&self->plan);
    }
    serve_options_free(&self->plan.options);
    free(self);
    return code;
}
