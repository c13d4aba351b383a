/* SPDX-License-Identifier: Apache-2.0 */
/* `afd ffn`: an FFN worker by itself, for whoever joins it. */
#ifndef AFD_CLI_SERVE_FFN_H
#define AFD_CLI_SERVE_FFN_H

#include "run/experts/experts.h"
#include "serve/check.h"
#include "serve/events.h"
#include "serve/plan.h"

enum { SERVE_LATE_MAX = 8 };

typedef struct serve_ffn {
    serve_plan plan;
    serve_events events;
    run_experts *experts;      /* or */
    serve_check_experts check;
    afd_ffn_worker *worker;
    afd_wait wait;
    int32_t drain;             /* raised by the first signal */
    bool told_drain;
    uint64_t began_ns;
    uint64_t ended_ns;
    afd_worker_counters counters;
    afd_late late[SERVE_LATE_MAX]; /* where it was told to stop */
} serve_ffn;

/* AFD_EXIT_DONE, or another exit code if it could not be printed. `status` is what ended the serving. */
int serve_ffn_report(const serve_ffn *self, afd_status status);

#endif
