/* SPDX-License-Identifier: Apache-2.0 */
/* What a mad process writes into a message of tokens that is about to leave. `where` is what AFD__FAULT_PUBLISH has. */
#ifndef AFD_TEST_FAULT_SPOIL_H
#define AFD_TEST_FAULT_SPOIL_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it has a row, and so an expert id. */
bool fault_has_ids(const void *where);

/* The expert id of its first row. */
void fault_spoil_ids(void *where, int32_t expert_id);

/* Something by which nobody can take it for a message: what, the seed says. */
void fault_spoil_message(void *where, uint64_t seed);

#endif
