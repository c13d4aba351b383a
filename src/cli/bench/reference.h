/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_REFERENCE_H
#define AFD_CLI_BENCH_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"

/* One pass: true if it took something, context->ffn.out_num sessions. False also for parameters that are invalid. */
bool bench_reference_poll(afd_schedule_context *context, uint32_t group_size);

/* The same until it takes something or run_flag is 0. */
bool bench_reference_schedule(afd_schedule_context *context, uint32_t group_size);

#endif
