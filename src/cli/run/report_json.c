/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"
#include "run/report.h"
#include "run/stages/report.h"

static json_t *configuration(const run_job *job)
{
    const run_options *options = &job->options;
    json_t *object = json_object();
    afd_cli_json_set(object, "model", afd_cli_json_text(options->model->name));
    afd_cli_json_set(object, "layers", json_integer(options->layer_num));
    afd_cli_json_set(object, "attention", json_integer(options->attention_num));
    afd_cli_json_set(object, "ffn", json_integer(options->ffn_num));
    afd_cli_json_set(object, "micro_batches", json_integer(options->micro_batch_num));
    afd_cli_json_set(object, "batch", json_integer(options->batch_size));
    afd_cli_json_set(object, "slots", json_integer(job->shape.selected_expert_num));
    afd_cli_json_set(object, "experts", json_integer(job->shape.expert_num));
    afd_cli_json_set(object, "steps", afd_cli_json_u64(options->step_num));
    afd_cli_json_set(object, "sync_group", json_integer(options->sync_group_size));
    afd_cli_json_set(object, "fair", json_boolean(options->fair));
    afd_cli_json_set(object, "quantize", json_boolean(options->quantize));
    afd_cli_json_set(object, "threads", json_boolean(options->threads));
    afd_cli_json_set(object, "transport", afd_cli_json_text(options->ucx ? "ucx" : "shm"));
    afd_cli_json_set(object, "weights_bytes",
                     afd_cli_json_u64(job->weights.distinct_num * job->weights.expert_bytes));
    afd_cli_json_set(object, "seed", afd_cli_json_u64(options->seed));
    return object;
}

static json_t *memory(const run_totals *totals)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "ffn_window_bytes", afd_cli_json_u64(totals->ffn_window_bytes));
    afd_cli_json_set(object, "ffn_private_bytes", afd_cli_json_u64(totals->ffn_private_bytes));
    afd_cli_json_set(object, "attention_window_bytes", afd_cli_json_u64(totals->attention_window_bytes));
    afd_cli_json_set(object, "attention_private_bytes", afd_cli_json_u64(totals->attention_private_bytes));
    return object;
}

int run_report_json(const run_job *job, const run_crew *crew, run_end end, const run_totals *totals)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "verdict", afd_cli_json_text(run_report_verdict(end)));
    if (end == RUN_END_WRONG && totals->first_mismatch != NULL) {
        afd_cli_json_set(object, "first_mismatch", afd_cli_json_text(totals->first_mismatch));
    }
    if (end == RUN_END_WORKER_DIED) {
        afd_cli_json_set(object, "death", afd_cli_json_text(crew->death));
    }
    afd_cli_json_set(object, "configuration", configuration(job));
    afd_cli_json_set(object, "seconds", json_real(totals->seconds));
    afd_cli_json_set(object, "micro_batches_back", afd_cli_json_u64(totals->round_num));
    afd_cli_json_set(object, "micro_batches_expected", afd_cli_json_u64(run_job_total(job)));
    afd_cli_json_set(object, "tokens_per_second", json_real(totals->tokens_per_second));
    afd_cli_json_set(object, "stages", run_stages_json(&totals->stages, RUN_STAGES_ALL));
    afd_cli_json_set(object, "moved_bytes", afd_cli_json_u64(totals->byte_num));
    afd_cli_json_set(object, "not_experts_share", json_real(run_totals_overhead(totals)));
    afd_cli_json_set(object, "memory", memory(totals));
    afd_cli_json_set(object, "late_reports", afd_cli_json_u64(totals->deadline_num));
    afd_cli_json_set(object, "expert_ids_checked", afd_cli_json_u64(totals->id_num));
    afd_cli_json_set(object, "rows_checked", afd_cli_json_u64(totals->row_num));
    afd_cli_json_set(object, "rows_verified", afd_cli_json_u64(totals->verified_num));
    afd_cli_json_set(object, "largest_error", json_real(totals->largest_error));
    afd_cli_json_set(object, "differences", afd_cli_json_u64(totals->wrong_num));
    return afd_cli_print_json(object);
}
