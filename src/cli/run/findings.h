/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker compared, and what it found to differ. */
#ifndef AFD_CLI_RUN_FINDINGS_H
#define AFD_CLI_RUN_FINDINGS_H

#include <stdint.h>

enum { RUN_MISMATCH_BYTES = 256 };

typedef struct run_findings {
    uint64_t id_num;       /* expert ids that were compared */
    uint64_t row_num;      /* rows that were compared with what was sent, or answered */
    uint64_t token_num;    /* attention: tokens, each once a layer */
    uint64_t verified_num; /* attention: rows that were computed again */
    double largest_error;  /* of those */
    uint64_t wrong_num;
    char first_mismatch[RUN_MISMATCH_BYTES];
} run_findings;

/* Counts a difference and keeps the sentence of the first. */
__attribute__((format(printf, 2, 3))) void run_findings_mismatch(run_findings *findings, const char *format, ...);

#endif
