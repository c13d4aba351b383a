/* SPDX-License-Identifier: Apache-2.0 */
/* An attention worker of `afd run`: sends its tokens through all layers, M micro-batches in flight, and checks what
 * comes back. */
#ifndef AFD_CLI_RUN_ATTENTION_H
#define AFD_CLI_RUN_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "run/job.h"

/* Works as `session` until all its rounds are over (true), or cannot go on (false, and said so on stderr). */
bool run_attention(const run_job *job, uint32_t session);

#endif
