/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one token must get from its experts, by plain loops with sums in f64 over the pool of weights. Nothing in here
 * is shared with the library or with run/experts: it reads the pool and the token types' definition by itself.
 *
 * The tolerance. bf16 has 8 significant bits, so a rounding is off by at most 2^-8 of the value (f16 by 2^-11). On the
 * workers' way there are three: of what is between an expert's two products, of its result on the wire, and of the
 * combined row; an f16 token is rounded to bf16 as well. Sums in f32 add less than 2^-14 for any width.
 *
 * - The first meets thousands of others of random sign in a sum. Together they are a normal deviation of at most
 *   2^-9 of the row's root mean square (2^-8 / sqrt(3) is the worst, for values just above a power of two), of which
 *   the largest of 7168 stays below 4.5: 0.009 rms. An f16 token adds as much again, which makes it 0.013 rms.
 * - A result that lay next to a tie may therefore round the other way here: a step of 2^-7 of it, that is 2^-7 of
 *   |element| but where results of several experts cancel, and there still of about 2 rms: 0.008 |element| + 0.016 rms.
 * - The combined row's own rounding: 0.004 |element|.
 *
 * So |got - row| stays below 2^-5 * (|element| + rms). The usual largest deviation of a right row is a third of that, a
 * wrong expert, layer or weight is off by several times as much.
 */
#ifndef AFD_CLI_RUN_REFERENCE_H
#define AFD_CLI_RUN_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/token.h"

#include "run/weights/weights.h"

#define RUN_REFERENCE_TOLERANCE (1.0 / 32.0)

/* One token of one layer as its attention worker sent it. */
typedef struct run_reference_case {
    uint32_t layer;
    const uint16_t *token;  /* [hidden] of `type` */
    afd_token_type type;    /* AFD_TOKEN_F16 or AFD_TOKEN_BF16; of results, too */
    bool quantize;          /* it went as int8, without smooth scales */
    const int32_t *experts; /* [top_k], in [0, routed) */
    const float *weights;   /* [top_k] */
} run_reference_case;

typedef struct run_reference {
    const run_weights *weights;
    double *token; /* [hidden], as the experts see it */
    double *inner; /* [2 * width] */
    double *sums;  /* [hidden] */
    double *row;   /* [hidden], the result of the last case */
} run_reference;

/* Ends with run_reference_destroy(). One thread. */
void run_reference_create(run_reference *reference, const run_weights *weights);
void run_reference_destroy(run_reference *reference);

/* Fills reference->row: the routed experts' results times their weights, and the shared experts' as they are. */
void run_reference_compute(run_reference *reference, const run_reference_case *given);

/* The largest |got - row| / (|row| + rms of row) of a combined row of `type`; infinite where something is not finite.
 */
double run_reference_error(const run_reference *reference, const uint16_t *got, afd_token_type type);

#endif
