/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sheet.h"

#include <inttypes.h>
#include <string.h>

#include "run/quantized.h"

/* Of the row as it will arrive. */
static uint64_t mark_token(const run_flight *flight, uint32_t token)
{
    uint32_t hidden = flight->traffic->model->hidden;
    const uint16_t *row = &flight->states[(size_t)token * hidden];
    if (!flight->traffic->quantize) {
        return run_mark_of(row, hidden * sizeof(uint16_t));
    }
    float scale = run_quantize(row, hidden, flight->quantized);
    return run_quantized_mark(flight->quantized, hidden, scale);
}

void run_sheet_fill(const run_job *job, const run_flight *flight)
{
    const run_model *model = flight->traffic->model;
    run_sheet *sheet = run_board_sheet(&job->board, flight->session, flight->micro_batch);
    sheet->layer = run_flight_layer(flight);
    sheet->token_num = flight->token_num;
    memcpy(sheet->experts, flight->experts, (size_t)flight->token_num * model->top_k * sizeof(int32_t));
    for (uint32_t token = 0; token < flight->token_num; token++) {
        sheet->token_marks[token] = mark_token(flight, token);
    }
    memset(sheet->row_marks, 0, (size_t)flight->token_num * run_model_slot_num(model) * sizeof(uint64_t));
    /* R, meets the A in check_row() of an arrival. */
    atomic_store_explicit(&sheet->round, flight->round, memory_order_release);
}

void run_sheet_check(const run_job *job, run_findings *findings, const run_flight *flight, const afd_window *window)
{
    const afd_shape *shape = &job->shape;
    const run_sheet *sheet = run_board_sheet(&job->board, flight->session, flight->micro_batch);
    const char *rows = afd_window_token_data(window, 0, flight->micro_batch);
    size_t row_bytes = flight->traffic->model->hidden * sizeof(uint16_t);
    /* A, meets the R's in run_arrival_mark_results(): each adds to what others have, so those of all are met. */
    (void)atomic_load_explicit(&sheet->marked_num, memory_order_acquire);
    for (uint32_t token = 0; token < flight->token_num; token++) {
        for (uint32_t slot = 0; slot < shape->selected_expert_num; slot++) {
            size_t at = (size_t)token * shape->selected_expert_num + slot;
            findings->row_num++;
            if (run_mark_of(rows + at * shape->ffn_to_attn_token_size, row_bytes) != sheet->row_marks[at]) {
                run_findings_mismatch(findings, "session %" PRIu32 ", micro-batch %" PRIu32 ", layer %" PRIu32
                                      ", token %" PRIu32 ", slot %" PRIu32 ": the row is not the one its expert made",
                                      flight->session, flight->micro_batch, run_flight_layer(flight), token, slot);
            }
        }
    }
}
