/* SPDX-License-Identifier: Apache-2.0 */
#include "run/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "run/random.h"

void run_verifier_create(run_verifier *verifier, const run_job *job, run_seat *seat, uint32_t session)
{
    uint64_t round_num = run_job_round_num(job) * job->shape.micro_batch_num;
    *verifier = (run_verifier){
        .job = job,
        .seat = seat,
        .session = session,
        .is_full = job->options.verify_full,
        .sample_every = (round_num + RUN_SAMPLE_MAX - 1) / RUN_SAMPLE_MAX,
    };
    run_reference_create(&verifier->reference, &job->weights);
}

void run_verifier_destroy(run_verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->sample_num; i++) {
        free(verifier->samples[i].state);
    }
    run_reference_destroy(&verifier->reference);
}

/* Every row that an expert made, as it stands in the attention window, by the mark that the FFN worker left of it. */
static void check_rows(run_verifier *verifier, const run_flight *flight, const afd_window *window)
{
    const afd_shape *shape = &verifier->job->shape;
    const run_sheet *sheet = run_board_sheet(&verifier->job->board, verifier->session, flight->micro_batch);
    const char *rows = afd_window_token_data(window, 0, flight->micro_batch);
    size_t row_bytes = verifier->job->options.model->hidden * sizeof(uint16_t);
    for (uint32_t token = 0; token < flight->token_num; token++) {
        for (uint32_t slot = 0; slot < shape->selected_expert_num; slot++) {
            size_t at = (size_t)token * shape->selected_expert_num + slot;
            verifier->seat->row_num++;
            if (run_mark_of(rows + at * shape->ffn_to_attn_token_size, row_bytes) != sheet->row_marks[at]) {
                run_seat_mismatch(verifier->seat, "session %" PRIu32 ", micro-batch %" PRIu32 ", layer %" PRIu32
                                  ", token %" PRIu32 ", slot %" PRIu32 ": the row is not the one its expert made",
                                  verifier->session, flight->micro_batch, run_flight_layer(flight), token, slot);
            }
        }
    }
}

static void verify(run_verifier *verifier, const run_sample *sample)
{
    const run_reference_case given = {
        .layer = sample->layer,
        .token = sample->state,
        .type = AFD_TOKEN_BF16,
        .quantize = verifier->job->options.quantize,
        .experts = sample->experts,
        .weights = sample->weights,
    };
    run_seat *seat = verifier->seat;
    run_reference_compute(&verifier->reference, &given);
    double error = run_reference_error(&verifier->reference, sample->combined, AFD_TOKEN_BF16);
    seat->verified_num++;
    if (error > seat->largest_error) {
        seat->largest_error = error;
    }
    if (!(error <= RUN_REFERENCE_TOLERANCE)) {
        run_seat_mismatch(seat, "session %" PRIu32 ", micro-batch %" PRIu32 ", layer %" PRIu32 ", token %" PRIu32
                          ": the row is off by %.3g of its size, at most %.3g is rounding", verifier->session,
                          sample->micro_batch, sample->layer, sample->token, error, RUN_REFERENCE_TOLERANCE);
    }
}

/* A view of one token, without memory of its own. */
static run_sample sample_of(const run_flight *flight, uint32_t token)
{
    const run_model *model = flight->job->options.model;
    return (run_sample){
        .layer = run_flight_layer(flight),
        .micro_batch = flight->micro_batch,
        .token = token,
        .round = flight->round,
        .state = &flight->states[(size_t)token * model->hidden],
        .combined = &flight->combined[(size_t)token * model->hidden],
        .experts = &flight->experts[(size_t)token * model->top_k],
        .weights = &flight->weights[(size_t)token * model->top_k],
    };
}

static void set_aside(run_verifier *verifier, const run_sample *view)
{
    const run_model *model = verifier->job->options.model;
    size_t row_bytes = model->hidden * sizeof(uint16_t);
    size_t choice_bytes = model->top_k * sizeof(int32_t);
    run_sample *kept = &verifier->samples[verifier->sample_num++];
    char *memory = afd_cli_alloc(1, 2 * row_bytes + 2 * choice_bytes);
    *kept = *view;
    kept->state = memcpy(memory, view->state, row_bytes);
    kept->combined = memcpy(memory + row_bytes, view->combined, row_bytes);
    kept->experts = memcpy(memory + 2 * row_bytes, view->experts, choice_bytes);
    kept->weights = memcpy(memory + 2 * row_bytes + choice_bytes, view->weights, model->top_k * sizeof(float));
}

static void look_at_numbers(run_verifier *verifier, const run_flight *flight)
{
    bool is_due = verifier->collected_num % verifier->sample_every == 0 && verifier->sample_num < RUN_SAMPLE_MAX;
    if (verifier->is_full) {
        for (uint32_t token = 0; token < flight->token_num; token++) {
            run_sample sample = sample_of(flight, token);
            verify(verifier, &sample);
        }
    } else if (is_due && flight->token_num > 0) {
        run_random random = run_random_of(verifier->job->options.seed, verifier->session, verifier->collected_num, 'v');
        run_sample sample = sample_of(flight, (uint32_t)(run_random_next(&random) % flight->token_num));
        set_aside(verifier, &sample);
    }
}

void run_verifier_look(run_verifier *verifier, const run_flight *flight, const afd_window *window)
{
    check_rows(verifier, flight, window);
    look_at_numbers(verifier, flight);
    verifier->seat->token_num += flight->token_num;
    verifier->collected_num++;
}

void run_verifier_finish(run_verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->sample_num; i++) {
        verify(verifier, &verifier->samples[i]);
    }
}
