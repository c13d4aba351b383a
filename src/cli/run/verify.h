/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds what an attention worker gets back against what was sent and against the reference: every row that came from an
 * expert by its mark, and the numbers of a seeded sample of tokens, or of all. A sample is set aside during the run and
 * computed again after it, so that it costs the run nothing but a copy.
 */
#ifndef AFD_CLI_RUN_VERIFY_H
#define AFD_CLI_RUN_VERIFY_H

#include <stdint.h>

#include "run/flight.h"
#include "run/reference/reference.h"

enum { RUN_SAMPLE_MAX = 16 }; /* tokens of an attention worker that are computed again */

typedef struct run_sample {
    uint32_t layer;
    uint32_t micro_batch;
    uint32_t token;
    uint64_t round;
    uint16_t *state;    /* [H] */
    uint16_t *combined; /* [H] */
    int32_t *experts;   /* [top_k] */
    float *weights;     /* [top_k] */
} run_sample;

typedef struct run_verifier {
    const run_job *job;
    run_seat *seat;
    uint32_t session;
    bool is_full;           /* every row is computed again at once */
    run_reference reference;
    uint64_t collected_num; /* rounds so far */
    uint64_t sample_every;  /* rounds */
    uint32_t sample_num;
    run_sample samples[RUN_SAMPLE_MAX];
} run_verifier;

/* Ends with run_verifier_destroy(). */
void run_verifier_create(run_verifier *verifier, const run_job *job, run_seat *seat, uint32_t session);
void run_verifier_destroy(run_verifier *verifier);

/* A round that was collected, with the attention window that still holds its rows. */
void run_verifier_look(run_verifier *verifier, const run_flight *flight, const afd_window *window);

/* Computes the sample again. */
void run_verifier_finish(run_verifier *verifier);

#endif
