/* SPDX-License-Identifier: Apache-2.0 */
/* An attention worker of `afd run`: routes its tokens and publishes them, layer after layer, until it has sent all. */
#ifndef AFD_CLI_RUN_ATTENTION_H
#define AFD_CLI_RUN_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "run/job.h"

/* Works as `session` in `window` until everything is sent and answered (true) or the stop word is raised (false). */
bool run_attention(const run_job *job, afd_window *window, uint32_t session);

#endif
