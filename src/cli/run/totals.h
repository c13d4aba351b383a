/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of a run, added up over its workers once for both forms of the report. */
#ifndef AFD_CLI_RUN_TOTALS_H
#define AFD_CLI_RUN_TOTALS_H

#include "run/job.h"

typedef struct run_totals {
    double seconds;             /* from the first to begin to the last to end */
    uint64_t round_num;         /* micro-batches that came back, of all layers */
    uint64_t token_num;         /* tokens that went through a layer */
    double tokens_per_second;   /* through all layers of the run */
    uint64_t byte_num;          /* written into windows of others */
    uint64_t id_num;            /* expert ids compared */
    uint64_t row_num;           /* rows compared, there and back */
    uint64_t verified_num;      /* rows computed again */
    double largest_error;
    uint64_t deadline_num;
    uint64_t wrong_num;
    const char *first_mismatch; /* NULL without one; of the member with the lowest number */
    uint64_t cpu_ns;            /* in all stages */
    uint64_t experts_cpu_ns;
    uint64_t ffn_window_bytes;  /* the most of a worker; so the next three */
    uint64_t attention_window_bytes;
    uint64_t ffn_private_bytes;
    uint64_t attention_private_bytes;
    run_stage_table stages;     /* of all workers */
} run_totals;

/* Large, because of the histograms: not for the stack. */
void run_totals_add_up(run_totals *totals, const run_job *job);

/* The share of the stages' CPU time that is not the experts'. */
double run_totals_overhead(const run_totals *totals);

#endif
