/* SPDX-License-Identifier: Apache-2.0 */
#include "run/totals.h"

static void keep_larger(uint64_t *kept, uint64_t value)
{
    if (value > *kept) {
        *kept = value;
    }
}

static void add_seat(run_totals *totals, const run_seat *seat, bool is_ffn)
{
    const run_findings *findings = &seat->findings;
    totals->byte_num += seat->counters.byte_num;
    totals->id_num += findings->id_num;
    totals->row_num += findings->row_num;
    totals->token_num += findings->token_num;
    totals->verified_num += findings->verified_num;
    totals->deadline_num += seat->deadline_num;
    totals->wrong_num += findings->wrong_num;
    if (findings->largest_error > totals->largest_error) {
        totals->largest_error = findings->largest_error;
    }
    if (findings->wrong_num > 0 && totals->first_mismatch == NULL) {
        totals->first_mismatch = findings->first_mismatch;
    }
    if (!is_ffn) {
        totals->round_num += atomic_load_explicit(&seat->round_num, memory_order_relaxed);
    }
    keep_larger(is_ffn ? &totals->ffn_window_bytes : &totals->attention_window_bytes, seat->window_bytes);
    keep_larger(is_ffn ? &totals->ffn_private_bytes : &totals->attention_private_bytes, seat->private_bytes);
}

/* From the first attention worker that began to the last that ended; of one that died the end is not known. */
static double seconds_of(const run_job *job)
{
    uint64_t began_ns = UINT64_MAX;
    uint64_t ended_ns = 0;
    for (uint32_t i = job->options.ffn_num; i < run_job_member_num(job); i++) {
        const run_seat *seat = &job->board.seats[i];
        if (seat->began_ns != 0 && seat->began_ns < began_ns) {
            began_ns = seat->began_ns;
        }
        keep_larger(&ended_ns, seat->ended_ns);
    }
    return ended_ns > began_ns ? (double)(ended_ns - began_ns) / 1e9 : 0.0;
}

void run_totals_add_up(run_totals *totals, const run_job *job)
{
    *totals = (run_totals){ .seconds = seconds_of(job) };
    for (uint32_t i = 0; i < run_job_member_num(job); i++) {
        add_seat(totals, &job->board.seats[i], i < job->options.ffn_num);
        run_stages_merge(&totals->stages, &job->stages[i]);
    }
    for (int stage = 0; stage < AFD_STAGE_NUM; stage++) {
        if (stage != AFD_STAGE_WAIT) {
            totals->cpu_ns += totals->stages.rows[stage].cpu_ns;
        }
    }
    totals->experts_cpu_ns = totals->stages.rows[AFD_STAGE_EXPERTS].cpu_ns;
    if (totals->seconds > 0.0) {
        totals->tokens_per_second = (double)totals->token_num / job->options.layer_num / totals->seconds;
    }
}

double run_totals_overhead(const run_totals *totals)
{
    return totals->cpu_ns == 0 ? 0.0 : 1.0 - (double)totals->experts_cpu_ns / (double)totals->cpu_ns;
}
