/* SPDX-License-Identifier: Apache-2.0 */
#include "run/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"
#include "run/random.h"

void run_verifier_create(run_verifier *verifier, const run_verifier_options *options)
{
    uint64_t sample_every = (options->round_num + RUN_SAMPLE_MAX - 1) / RUN_SAMPLE_MAX;
    *verifier = (run_verifier){
        .traffic = options->traffic,
        .findings = options->findings,
        .is_full = options->is_full,
        .sample_every = sample_every > 0 ? sample_every : 1,
    };
    run_reference_create(&verifier->reference, options->weights);
}

void run_verifier_destroy(run_verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->sample_num; i++) {
        free(verifier->samples[i].state);
    }
    run_reference_destroy(&verifier->reference);
}

static void verify(run_verifier *verifier, const run_sample *sample)
{
    const run_reference_case given = {
        .layer = sample->layer,
        .token = sample->state,
        .type = AFD_TOKEN_BF16,
        .quantize = verifier->traffic->quantize,
        .experts = sample->experts,
        .weights = sample->weights,
    };
    run_findings *findings = verifier->findings;
    run_reference_compute(&verifier->reference, &given);
    double error = run_reference_error(&verifier->reference, sample->combined, AFD_TOKEN_BF16);
    findings->verified_num++;
    if (error > findings->largest_error) {
        findings->largest_error = error;
    }
    if (!(error <= RUN_REFERENCE_TOLERANCE)) {
        run_findings_mismatch(findings, "session %" PRIu32 ", micro-batch %" PRIu32 ", layer %" PRIu32
                              ", token %" PRIu32 ": the row is off by %.3g of its size, at most %.3g is rounding",
                              sample->session, sample->micro_batch, sample->layer, sample->token, error,
                              RUN_REFERENCE_TOLERANCE);
    }
}

/* A view of one token, without memory of its own. */
static run_sample sample_of(const run_flight *flight, uint32_t token)
{
    const run_model *model = flight->traffic->model;
    return (run_sample){
        .session = flight->session,
        .micro_batch = flight->micro_batch,
        .layer = run_flight_layer(flight),
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
    const run_model *model = verifier->traffic->model;
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

/* Every other one goes, and what comes is taken half as often: what is left is as evenly spread as it was. */
static void thin_out(run_verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->sample_num; i++) {
        if (i % 2 == 1) {
            free(verifier->samples[i].state);
        } else {
            verifier->samples[i / 2] = verifier->samples[i];
        }
    }
    verifier->sample_num = (verifier->sample_num + 1) / 2;
    verifier->sample_every *= 2;
}

static bool is_due(const run_verifier *verifier)
{
    return verifier->collected_num % verifier->sample_every == 0;
}

static void sample(run_verifier *verifier, const run_flight *flight)
{
    if (flight->token_num == 0 || !is_due(verifier)) {
        return;
    }
    if (verifier->sample_num == RUN_SAMPLE_MAX) {
        thin_out(verifier);
        if (!is_due(verifier)) {
            return;
        }
    }
    run_random random = run_random_of(verifier->traffic->seed, flight->session, verifier->collected_num, 'v');
    run_sample view = sample_of(flight, (uint32_t)(run_random_next(&random) % flight->token_num));
    set_aside(verifier, &view);
}

void run_verifier_look(run_verifier *verifier, const run_flight *flight)
{
    for (uint32_t token = 0; verifier->is_full && token < flight->token_num; token++) {
        run_sample view = sample_of(flight, token);
        verify(verifier, &view);
    }
    if (!verifier->is_full) {
        sample(verifier, flight);
    }
    verifier->findings->token_num += flight->token_num;
    verifier->collected_num++;
}

void run_verifier_finish(run_verifier *verifier)
{
    for (uint32_t i = 0; i < verifier->sample_num; i++) {
        verify(verifier, &verifier->samples[i]);
    }
}
