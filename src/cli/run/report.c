/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "out.h"

/* The figures of a report, worked out once for both forms. */
typedef struct figures {
    double seconds;
    uint64_t token_info_bytes; /* of the descs that came out */
    double bytes_per_second;
    double calls_per_second;
    uint64_t p50_ns;
    uint64_t p90_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
    double load_skew;
} figures;

static figures work_out(const run_job *job, const run_checker *checker, const run_result *result)
{
    const run_histogram *latency = &checker->latency_ns;
    figures worked = {
        .seconds = (double)result->duration_ns / 1e9,
        .p50_ns = run_histogram_percentile(latency, 50.0),
        .p90_ns = run_histogram_percentile(latency, 90.0),
        .p99_ns = run_histogram_percentile(latency, 99.0),
        .max_ns = latency->max,
        .load_skew = run_checker_load_skew(checker),
    };
    afd_window_sizes sizes;
    if (afd_ffn_window_measure(&job->shape, &sizes, NULL) == AFD_OK) {
        worked.token_info_bytes = checker->session_num * sizes.desc_bytes;
    }
    if (worked.seconds > 0.0) {
        worked.bytes_per_second = (double)worked.token_info_bytes / worked.seconds;
        worked.calls_per_second = (double)result->call_num / worked.seconds;
    }
    return worked;
}

static const char *verdict_word(run_end end)
{
    switch (end) {
    case RUN_END_ALL_RIGHT:
        return "all right";
    case RUN_END_WRONG_IDS:
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

static void print_verdict(const run_job *job, const run_crew *crew, const run_checker *checker,
                          const run_result *result)
{
    uint64_t total = run_job_total(job);
    switch (result->end) {
    case RUN_END_ALL_RIGHT:
        (void)printf("verdict          all %" PRIu64 " layer, session and micro-batch ids and %" PRIu64
                     " expert ids are as sent\n", checker->session_num, checker->id_num);
        return;
    case RUN_END_WRONG_IDS:
        (void)printf("verdict          WRONG: %s (%" PRIu64 " differences)\n", checker->first_mismatch,
                     checker->wrong_num);
        return;
    case RUN_END_WORKER_DIED:
        (void)printf("verdict          %s\n", crew->death);
        break;
    case RUN_END_INTERRUPTED:
    case RUN_END_REFUSED:
        (void)printf("verdict          %s\n", verdict_word(result->end));
        break;
    }
    (void)printf("                 until then %" PRIu64 " of %" PRIu64 " micro-batches came out, all as sent\n",
                 checker->session_num, total);
}

static void print_shape(const run_job *job)
{
    const run_options *options = &job->options;
    (void)printf("model            %s: %" PRIu32 " layers of %" PRIu32 " experts, top-%" PRIu32 " and %" PRIu32
                 " shared\n", options->model->name, options->layer_num, options->model->routed_expert_num,
                 options->model->top_k, options->model->shared_expert_num);
    (void)printf("workers          %" PRIu32 " attention %s, 1 FFN; %" PRIu32 " micro-batches of %" PRIu32
                 " tokens x %" PRIu32 " slots\n", options->attention_num, options->threads ? "threads" : "processes",
                 options->micro_batch_num, options->batch_size, job->shape.selected_expert_num);
    if (options->sync_group_size == options->attention_num) {
        (void)printf("scheduling       all-sync\n");
    } else {
        (void)printf("scheduling       groups of %" PRIu32 "%s\n", options->sync_group_size,
                     options->fair ? ", fair" : "");
    }
}

static void print_table(const run_job *job, const run_crew *crew, const run_checker *checker, const run_result *result)
{
    figures worked = work_out(job, checker, result);
    char bytes[AFD_CLI_BYTES_TEXT];
    char rate[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(worked.token_info_bytes, bytes, sizeof(bytes));
    afd_cli_human_bytes((uint64_t)worked.bytes_per_second, rate, sizeof(rate));
    print_shape(job);
    (void)printf("time             %.3f s\n", worked.seconds);
    (void)printf("calls            %" PRIu64 ", %.0f a second\n", result->call_num, worked.calls_per_second);
    (void)printf("sessions taken   %" PRIu64 "\n", checker->session_num);
    (void)printf("token info       %s, %s/s\n", bytes, rate);
    (void)printf("flag to return   p50 %.1f us   p90 %.1f us   p99 %.1f us   max %.1f us\n",
                 (double)worked.p50_ns / 1e3, (double)worked.p90_ns / 1e3, (double)worked.p99_ns / 1e3,
                 (double)worked.max_ns / 1e3);
    (void)printf("empty passes     %" PRIu64 "\n", result->empty_pass_num);
    (void)printf("late reports     %" PRIu64 "\n", result->deadline_num);
    (void)printf("expert load      the busiest expert of a layer got %.1f times the mean\n", worked.load_skew);
    print_verdict(job, crew, checker, result);
}

static json_t *json_configuration(const run_job *job)
{
    const run_options *options = &job->options;
    json_t *object = json_object();
    afd_cli_json_set(object, "model", afd_cli_json_text(options->model->name));
    afd_cli_json_set(object, "layers", json_integer(options->layer_num));
    afd_cli_json_set(object, "attention", json_integer(options->attention_num));
    afd_cli_json_set(object, "micro_batches", json_integer(options->micro_batch_num));
    afd_cli_json_set(object, "batch", json_integer(options->batch_size));
    afd_cli_json_set(object, "slots", json_integer(job->shape.selected_expert_num));
    afd_cli_json_set(object, "experts", json_integer(job->shape.expert_num));
    afd_cli_json_set(object, "steps", afd_cli_json_u64(options->step_num));
    afd_cli_json_set(object, "sync_group", json_integer(options->sync_group_size));
    afd_cli_json_set(object, "fair", json_boolean(options->fair));
    afd_cli_json_set(object, "threads", json_boolean(options->threads));
    afd_cli_json_set(object, "seed", afd_cli_json_u64(options->seed));
    return object;
}

static json_t *json_latency(const figures *worked)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "p50", afd_cli_json_u64(worked->p50_ns));
    afd_cli_json_set(object, "p90", afd_cli_json_u64(worked->p90_ns));
    afd_cli_json_set(object, "p99", afd_cli_json_u64(worked->p99_ns));
    afd_cli_json_set(object, "max", afd_cli_json_u64(worked->max_ns));
    return object;
}

static int print_json(const run_job *job, const run_crew *crew, const run_checker *checker, const run_result *result)
{
    figures worked = work_out(job, checker, result);
    json_t *object = json_object();
    afd_cli_json_set(object, "verdict", afd_cli_json_text(verdict_word(result->end)));
    if (result->end == RUN_END_WRONG_IDS) {
        afd_cli_json_set(object, "first_mismatch", afd_cli_json_text(checker->first_mismatch));
    }
    if (result->end == RUN_END_WORKER_DIED) {
        afd_cli_json_set(object, "death", afd_cli_json_text(crew->death));
    }
    afd_cli_json_set(object, "configuration", json_configuration(job));
    afd_cli_json_set(object, "seconds", json_real(worked.seconds));
    afd_cli_json_set(object, "calls", afd_cli_json_u64(result->call_num));
    afd_cli_json_set(object, "sessions_taken", afd_cli_json_u64(checker->session_num));
    afd_cli_json_set(object, "sessions_expected", afd_cli_json_u64(run_job_total(job)));
    afd_cli_json_set(object, "expert_ids_checked", afd_cli_json_u64(checker->id_num));
    afd_cli_json_set(object, "differences", afd_cli_json_u64(checker->wrong_num));
    afd_cli_json_set(object, "token_info_bytes", afd_cli_json_u64(worked.token_info_bytes));
    afd_cli_json_set(object, "token_info_bytes_per_second", json_real(worked.bytes_per_second));
    afd_cli_json_set(object, "flag_to_return_ns", json_latency(&worked));
    afd_cli_json_set(object, "empty_passes", afd_cli_json_u64(result->empty_pass_num));
    afd_cli_json_set(object, "late_reports", afd_cli_json_u64(result->deadline_num));
    afd_cli_json_set(object, "expert_load_max_to_mean", json_real(worked.load_skew));
    return afd_cli_print_json(object);
}

int run_report(const run_job *job, const run_crew *crew, const run_checker *checker, const run_result *result)
{
    if (job->options.json) {
        return print_json(job, crew, checker, result);
    }
    print_table(job, crew, checker, result);
    return AFD_EXIT_DONE;
}
