/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experts that cost next to nothing, and whose results are known to the bit: an expert turns the channels of its token
 * round by a number of places, and multiplies them by a power of two of either sign. No other expert of any layer does
 * so by the same places and the same factor. So a row that was computed by another, or for another layer, is another
 * row; and a row of another token, or of another round, is that of other numbers. Neither a turn nor such a factor
 * rounds anything, so what comes out of the adding up is known as well: every row of every round can be held against
 * it, where computing real experts again would take longer than they took.
 */
#ifndef AFD_CLI_SERVE_CHECK_H
#define AFD_CLI_SERVE_CHECK_H

#include "afd/worker.h"

#include "run/findings.h"
#include "run/flight.h"
#include "run/placement.h"

/* One FFN worker's. */
typedef struct serve_check_experts {
    const run_placement *placement; /* must stay */
    uint32_t rank;
    uint16_t *row; /* [hidden]: a token as bf16 */
} serve_check_experts;

void serve_check_experts_create(serve_check_experts *experts, const run_placement *placement, uint32_t rank,
                                uint32_t hidden);
void serve_check_experts_destroy(serve_check_experts *experts);

/* An afd_experts with the serve_check_experts as its argument. */
afd_status serve_check_experts_compute(void *experts, const afd_experts_call *call);

/* What an attention worker must get. */
typedef struct serve_checker {
    run_findings *findings;
    uint16_t *row;      /* [hidden]: a token as its experts see it */
    uint16_t *result;   /* [hidden]: of one expert */
    float *sums;        /* [hidden] */
    uint16_t *expected; /* [hidden]: the combined row */
} serve_checker;

/* Ends with serve_checker_destroy(). */
void serve_checker_create(serve_checker *checker, run_findings *findings, uint32_t hidden);
void serve_checker_destroy(serve_checker *checker);

/* Every row of a round that was collected. */
void serve_checker_look(serve_checker *checker, const run_flight *flight);

#endif
