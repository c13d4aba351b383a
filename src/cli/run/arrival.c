/* SPDX-License-Identifier: Apache-2.0 */
#include "run/arrival.h"

#include <inttypes.h>

#include "run/quantized.h"

/* A row of a batch by the ids that came with it. */
typedef struct arrival {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t token;
    uint32_t slot;
} arrival;

static arrival arrival_of(const afd_experts_call *call, uint64_t row)
{
    return (arrival){
        .session = (uint32_t)call->session_ids[row],
        .micro_batch = (uint32_t)call->micro_batch_ids[row],
        .token = (uint32_t)call->token_ids[row],
        .slot = (uint32_t)call->expert_offsets[row],
    };
}

/* The expert that a slot was sent to: the first slots are the routed ones. */
static uint32_t sent_to(const run_model *model, const run_sheet *sheet, const arrival *at)
{
    return at->slot < model->top_k ? (uint32_t)sheet->experts[(size_t)at->token * model->top_k + at->slot]
                                   : model->routed_expert_num + at->slot - model->top_k;
}

static void check_row(const run_job *job, run_findings *findings, const arrival *at, uint32_t layer, uint32_t expert)
{
    const run_sheet *sheet = run_board_sheet(&job->board, at->session, at->micro_batch);
    findings->id_num++;
    /* A, meets the R in run_sheet_fill(): the row that was sent stands in the sheet, whatever way it came. */
    (void)atomic_load_explicit(&sheet->round, memory_order_acquire);
    if (at->token >= sheet->token_num) {
        run_findings_mismatch(findings, "session %" PRIu32 ", micro-batch %" PRIu32 ": token %" PRIu32
                              " came out, %" PRIu32 " were sent", at->session, at->micro_batch, at->token,
                              sheet->token_num);
        return;
    }
    uint32_t sent_expert = sent_to(job->options.model, sheet, at);
    if (layer != sheet->layer || expert != sent_expert) {
        run_findings_mismatch(findings, "session %" PRIu32 ", micro-batch %" PRIu32 ", token %" PRIu32
                              ", slot %" PRIu32 ": came out for layer %" PRIu32 ", expert %" PRIu32
                              ", was sent for layer %" PRIu32 ", expert %" PRIu32, at->session, at->micro_batch,
                              at->token, at->slot, layer, expert, sheet->layer, sent_expert);
    }
}

static uint64_t mark_of_token(const afd_experts_call *call, uint64_t row)
{
    if (call->type == AFD_TOKEN_INT8) {
        return run_quantized_mark((const int8_t *)call->tokens + row * call->hidden, call->hidden,
                                  call->dynamic_scale[row]);
    }
    size_t row_bytes = (size_t)call->hidden * sizeof(uint16_t);
    return run_mark_of((const char *)call->tokens + row * row_bytes, row_bytes);
}

static void check_content(const run_job *job, run_findings *findings, const arrival *at, uint64_t mark)
{
    const run_sheet *sheet = run_board_sheet(&job->board, at->session, at->micro_batch);
    if (at->token >= sheet->token_num) {
        return; /* that was said already */
    }
    findings->row_num++;
    if (mark != sheet->token_marks[at->token]) {
        run_findings_mismatch(findings, "session %" PRIu32 ", micro-batch %" PRIu32 ", token %" PRIu32
                              ", slot %" PRIu32 ": the row is not the one that was sent", at->session,
                              at->micro_batch, at->token, at->slot);
    }
}

void run_arrival_check(const run_job *job, uint32_t number, run_findings *findings, const afd_experts_call *call)
{
    uint32_t local_num = job->placement.local_nums[number];
    const uint32_t *local_experts = job->placement.local_experts[number];
    uint64_t row = 0;
    for (uint32_t group = 0; group < call->group_num; group++) {
        uint32_t id = (uint32_t)call->group_list[2 * group];
        for (int64_t i = 0; i < call->group_list[2 * group + 1]; i++, row++) {
            arrival at = arrival_of(call, row);
            check_row(job, findings, &at, id / local_num, local_experts[id % local_num]);
            check_content(job, findings, &at, mark_of_token(call, row));
        }
    }
}

void run_arrival_mark_results(const run_job *job, const afd_experts_call *call)
{
    size_t row_bytes = (size_t)call->hidden * sizeof(uint16_t);
    for (uint64_t row = 0; row < call->row_num; row++) {
        arrival at = arrival_of(call, row);
        run_sheet *sheet = run_board_sheet(&job->board, at.session, at.micro_batch);
        size_t slot = (size_t)at.token * job->shape.selected_expert_num + at.slot;
        sheet->row_marks[slot] = run_mark_of((const char *)call->results + row * row_bytes, row_bytes);
        /* R, meets the A in run_sheet_check(). */
        (void)atomic_fetch_add_explicit(&sheet->marked_num, 1, memory_order_release);
    }
}
