/* SPDX-License-Identifier: Apache-2.0 */
#include "codes_dispatch.h"

#include <stdlib.h>

#include "aclnnop/aclnn_attention_to_ffn.h"

rank_world dispatch_ranks;
dispatch_call dispatch;
uint64_t dispatch_size;
aclOpExecutor *dispatch_executor;

const dispatch_shape dispatch_small = {
    .session_num = 2,
    .micro_batch_num = 2,
    .micro_batch_size = 4,
    .token_num = 2,
    .top_k = 2,
    .shared_num = 1,
    .routed_num = 3,
    .layer_num = 2,
    .table_width = 5,
    .hidden = 1024,
    .slot_elements = 1152,
    .type = ACL_FLOAT16,
};

/* Every expert at the FFN rank. */
void dispatch_start_with(const dispatch_shape *shape, const char *buffer_mebibytes)
{
    must(setenv("HCCL_BUFFSIZE", buffer_mebibytes, 1));
    must(rank_world_create(&dispatch_ranks, 3));
    must(unsetenv("HCCL_BUFFSIZE"));
    must(dispatch_call_create(&dispatch, shape, &dispatch_ranks));
    int32_t *row = dispatch.data[DISPATCH_TABLE];
    for (uint32_t i = 0; i < shape->layer_num * (shape->routed_num + shape->shared_num); i++, row += 5) {
        row[0] = 1;
        row[1] = 2;
        row[2] = (int32_t)i;
    }
}

void dispatch_start(void)
{
    dispatch_start_with(&dispatch_small, "4");
}

int dispatch_end(int code)
{
    dispatch_call_destroy(&dispatch);
    rank_world_destroy(&dispatch_ranks);
    return code;
}

/* A failed first phase writes nothing. */
int dispatch_plan_it(void)
{
    uint64_t size = 4711;
    aclOpExecutor *const before = (aclOpExecutor *)(void *)&dispatch_size;
    dispatch_executor = before;
    const int code = dispatch_plan(&dispatch, &size, &dispatch_executor);
    must(code == 0 || (size == 4711 && dispatch_executor == before) ? 0 : -1);
    dispatch_size = size;
    return code;
}

/* With one of the numbers of the call, or of its shape, changed. */
int dispatch_with_number(int64_t *number, int64_t value)
{
    dispatch_start();
    *number = value;
    return dispatch_end(dispatch_plan_it());
}
