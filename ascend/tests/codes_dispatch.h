/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the codes of aclnnAttentionToFFN start with: three ranks, of which 0 and 1 are the two sessions and 2 is the FFN
 * rank of every expert, and a call whose arguments are all good.
 */
#ifndef AFD_ASCEND_TESTS_CODES_DISPATCH_H
#define AFD_ASCEND_TESTS_CODES_DISPATCH_H

#include <stdint.h>

#include "codes.h"
#include "communication_world.h"

#define A2F "aclnnAttentionToFFN: "

extern rank_world dispatch_ranks;
extern dispatch_call dispatch;
extern uint64_t dispatch_size; /* what the latest plan made */
extern aclOpExecutor *dispatch_executor;
extern const dispatch_shape dispatch_small;

/* HCCL_BUFFSIZE is buffer_mebibytes for the ranks. */
void dispatch_start_with(const dispatch_shape *shape, const char *buffer_mebibytes);
void dispatch_start(void);
int dispatch_end(int code);

/* The first phase; one that fails must write nothing. */
int dispatch_plan_it(void);

/* The first phase, from start to end, with one of the numbers of the call changed. */
int dispatch_with_number(int64_t *number, int64_t value);

#endif
