/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the numbers of what an attention worker gets back against the reference: of a seeded sample of tokens, or of
 * all. A sample is set aside during the run and computed again after it, so that it costs the run nothing but a copy.
 */
#ifndef AFD_CLI_RUN_VERIFY_H
#define AFD_CLI_RUN_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "run/findings.h"
#include "run/flight.h"
#include "run/reference/reference.h"

enum { RUN_SAMPLE_MAX = 16 }; /* tokens of an attention worker that are computed again */

typedef struct run_sample {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t layer;
    uint32_t token;
    uint64_t round;
    uint16_t *state;    /* [H] */
    uint16_t *combined; /* [H] */
    int32_t *experts;   /* [top_k] */
    float *weights;     /* [top_k] */
} run_sample;

typedef struct run_verifier {
    const run_traffic *traffic;
    run_findings *findings;
    bool is_full;           /* every row is computed again at once */
    run_reference reference;
    uint64_t collected_num; /* rounds so far */
    uint64_t sample_every;  /* rounds */
    uint32_t sample_num;
    run_sample samples[RUN_SAMPLE_MAX];
} run_verifier;

typedef struct run_verifier_options {
    const run_traffic *traffic; /* must stay, as must the next two */
    const run_weights *weights;
    run_findings *findings;
    uint64_t round_num;         /* that it will be shown, so that the sample is spread over them; 0: not known, and
                                   then a sample that is full loses every other token and goes on with half as many */
    bool is_full;
} run_verifier_options;

/* Ends with run_verifier_destroy(). */
void run_verifier_create(run_verifier *verifier, const run_verifier_options *options);
void run_verifier_destroy(run_verifier *verifier);

/* A round that was collected. */
void run_verifier_look(run_verifier *verifier, const run_flight *flight);

/* Computes the sample again. */
void run_verifier_finish(run_verifier *verifier);

#endif
