/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "out.h"
#include "run/reference/reference.h"
#include "run/stages/report.h"

const char *run_report_verdict(run_end end)
{
    switch (end) {
    case RUN_END_ALL_RIGHT:
        return "all right";
    case RUN_END_WRONG:
        return "wrong";
    case RUN_END_INTERRUPTED:
        return "interrupted";
    case RUN_END_WORKER_DIED:
        return "worker died";
    case RUN_END_REFUSED:
        break;
    }
    return "refused";
}

static void print_shape(const run_job *job)
{
    const run_options *options = &job->options;
    const run_model *model = options->model;
    char pool[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(job->weights.distinct_num * job->weights.expert_bytes, pool, sizeof(pool));
    (void)printf("model            %s: %" PRIu32 " layers, hidden %" PRIu32 ", %" PRIu32 " experts of width %" PRIu32
                 ", top-%" PRIu32 " and %" PRIu32 " shared\n", model->name, options->layer_num, model->hidden,
                 model->routed_expert_num, model->expert_width, model->top_k, model->shared_expert_num);
    (void)printf("weights          %s, %" PRIu64 " distinct of %" PRIu64 " experts\n", pool,
                 job->weights.distinct_num, job->weights.expert_num);
    (void)printf("transport        %s\n", options->ucx ? "UCX, over the loopback" : options->threads
                 ? "private memory of the process" : "shared memory");
    (void)printf("workers          %" PRIu32 " attention and %" PRIu32 " FFN %s; %" PRIu32 " micro-batches of %" PRIu32
                 " tokens x %" PRIu32 " slots, %s\n", options->attention_num, options->ffn_num,
                 options->threads ? "threads" : "processes", options->micro_batch_num, options->batch_size,
                 job->shape.selected_expert_num, options->quantize ? "int8" : "bf16");
    if (options->sync_group_size == options->attention_num) {
        (void)printf("scheduling       all-sync\n");
    } else {
        (void)printf("scheduling       groups of %" PRIu32 "%s\n", options->sync_group_size,
                     options->fair ? ", fair" : "");
    }
}

static void print_memory(const run_job *job, const run_totals *totals)
{
    char ffn_window[AFD_CLI_BYTES_TEXT];
    char attention_window[AFD_CLI_BYTES_TEXT];
    char ffn_own[AFD_CLI_BYTES_TEXT];
    char attention_own[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(totals->ffn_window_bytes, ffn_window, sizeof(ffn_window));
    afd_cli_human_bytes(totals->attention_window_bytes, attention_window, sizeof(attention_window));
    afd_cli_human_bytes(totals->ffn_private_bytes, ffn_own, sizeof(ffn_own));
    afd_cli_human_bytes(totals->attention_private_bytes, attention_own, sizeof(attention_own));
    if (job->options.threads) {
        (void)printf("memory           windows of %s an FFN and %s an attention worker\n", ffn_window,
                     attention_window);
        return;
    }
    (void)printf("memory           an FFN worker: window %s, the weights, and at most %s of its own\n", ffn_window,
                 ffn_own);
    (void)printf("                 an attention worker: window %s, and at most %s of its own\n", attention_window,
                 attention_own);
}

static void print_verdict(const run_job *job, const run_crew *crew, run_end end, const run_totals *totals)
{
    if (end == RUN_END_ALL_RIGHT) {
        (void)printf("verdict          all %" PRIu64 " expert ids and %" PRIu64 " rows are as sent; %" PRIu64
                     " rows computed again, the largest error %.4f of %.4f allowed\n", totals->id_num,
                     totals->row_num, totals->verified_num, totals->largest_error, RUN_REFERENCE_TOLERANCE);
        return;
    }
    if (end == RUN_END_WRONG) {
        (void)printf("verdict          WRONG: %s (%" PRIu64 " differences)\n",
                     totals->first_mismatch != NULL ? totals->first_mismatch : "", totals->wrong_num);
        return;
    }
    (void)printf("verdict          %s\n", end == RUN_END_WORKER_DIED ? crew->death : run_report_verdict(end));
    (void)printf("                 until then %" PRIu64 " of %" PRIu64 " micro-batches came back, all as sent\n",
                 totals->round_num, run_job_total(job));
}

static void print_dropped(const run_job *job)
{
    uint64_t dropped_num = 0;
    for (uint32_t i = 0; job->timeline.mapping != NULL && i < run_job_member_num(job); i++) {
        dropped_num += run_timeline_dropped(&job->timeline, i);
    }
    if (dropped_num > 0) {
        afd_cli_note("run", "the timeline has no room for %" PRIu64 " later stages", dropped_num);
    }
}

static void print_table(const run_job *job, const run_crew *crew, run_end end, const run_totals *totals)
{
    char bytes[AFD_CLI_BYTES_TEXT];
    char rate[AFD_CLI_BYTES_TEXT];
    double bytes_per_second = totals->seconds > 0.0 ? (double)totals->byte_num / totals->seconds : 0.0;
    afd_cli_human_bytes(totals->byte_num, bytes, sizeof(bytes));
    afd_cli_human_bytes((uint64_t)bytes_per_second, rate, sizeof(rate));
    print_shape(job);
    (void)printf("time             %.3f s\n", totals->seconds);
    (void)printf("tokens           %.1f a second through %" PRIu32 " layers\n", totals->tokens_per_second,
                 job->options.layer_num);
    run_stages_print(&totals->stages, RUN_STAGES_ALL);
    (void)printf("moved            %s, %s/s\n", bytes, rate);
    (void)printf("not the experts  %.2f %% of the CPU time of all stages but wait\n",
                 100.0 * run_totals_overhead(totals));
    print_memory(job, totals);
    (void)printf("late reports     %" PRIu64 "\n", totals->deadline_num);
    print_verdict(job, crew, end, totals);
}

int run_report(const run_job *job, const run_crew *crew, run_end end)
{
    run_totals *totals = afd_cli_alloc(1, sizeof(*totals));
    int code = AFD_EXIT_DONE;
    run_totals_add_up(totals, job);
    print_dropped(job);
    if (job->options.json) {
        code = run_report_json(job, crew, end, totals);
    } else {
        print_table(job, crew, end, totals);
    }
    free(totals);
    return code;
}
