/* SPDX-License-Identifier: Apache-2.0 */
/* An FFN worker of `afd run`: takes what is ready, holds it against what was sent, computes the experts, replies. */
#ifndef AFD_CLI_RUN_FFN_H
#define AFD_CLI_RUN_FFN_H

#include <stdbool.h>
#include <stdint.h>

#include "run/job.h"

/* Works as FFN worker `number` until it is told that nothing more will come (true), or cannot go on (false, and said so
 * on stderr, or in its seat). */
bool run_ffn(const run_job *job, uint32_t number);

#endif
