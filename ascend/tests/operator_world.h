/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds for the tests of batching, combine and the attention scheduler: a ScheduleContext with its window, and the
 * operator's tensors, all inside one block of memory from aclrtMalloc. The bytes of that block are everything that a
 * call can change, so that two calls can be compared by them.
 */
#ifndef AFD_ASCEND_TESTS_OPERATOR_WORLD_H
#define AFD_ASCEND_TESTS_OPERATOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aclnn/acl_meta.h"

typedef struct arena {
    uint8_t *memory;
    size_t byte_num;
} arena;

/* Puts the bytes of an arena aside, and back. */
uint8_t *arena_keep(const arena *a);
void arena_restore(arena *a, const uint8_t *kept);

/* ---- batching ---- */

typedef struct batch_shape {
    uint32_t session_num;      /* S */
    uint32_t micro_batch_num;  /* M */
    uint32_t micro_batch_size; /* BS */
    uint32_t slot_num;         /* E */
    uint32_t session_max;      /* A */
    uint32_t expert_num;
    uint32_t hidden;           /* H */
    int64_t token_dtype;
    uint32_t slot_bytes;       /* HS */
} batch_shape;

/* The outputs, in the order of the arguments. */
enum {
    BATCH_TOKENS,
    BATCH_GROUP_LIST,
    BATCH_SESSION_IDS,
    BATCH_MICRO_BATCH_IDS,
    BATCH_TOKEN_IDS,
    BATCH_EXPERT_OFFSETS,
    BATCH_DYNAMIC_SCALE,
    BATCH_ACTUAL_TOKEN_NUM,
    BATCH_OUTPUT_NUM
};

typedef struct batch_world {
    batch_shape shape;
    arena arena;
    uint8_t *context;
    int32_t *info;            /* [S][M] of desc, all free, all slots empty */
    uint8_t *data;            /* token data: the slots, and one whole token from the last slot's start */
    int32_t *layer_ids;       /* the output area of the scheduler */
    int32_t *session_ids;
    int32_t *micro_batch_ids;
    int32_t *expert_ids;
    void *outputs[BATCH_OUTPUT_NUM];
    aclTensor *context_tensor;
    aclTensor *tensors[BATCH_OUTPUT_NUM];
    aclIntArray *max_out_shape;
} batch_world;

/* Two sessions of two micro-batches with two tokens of two slots, of int8. */
extern const batch_shape batch_world_small;

/* 0 if it could be made. */
int batch_world_create(batch_world *w, const batch_shape *shape);
void batch_world_destroy(batch_world *w);

uint64_t batch_row_max(const batch_shape *shape);     /* Y */
uint64_t batch_token_bytes(const batch_shape *shape); /* of a token in its slot */
int32_t *batch_desc(const batch_world *w, uint32_t session, uint32_t micro_batch);

/* The first phase with the world's own tensors. */
int batch_plan(const batch_world *w, int64_t need_schedule, uint64_t *workspace_size, aclOpExecutor **executor);

/* ---- combine and the attention scheduler ---- */

typedef struct combine_shape {
    uint32_t micro_batch_num;  /* M */
    uint32_t micro_batch_size; /* BS */
    uint32_t slot_num;         /* E */
    uint32_t top_k;            /* K */
    uint32_t hidden;           /* H */
    int64_t token_dtype;
    uint32_t slot_bytes;       /* HS */
} combine_shape;

typedef struct combine_world {
    combine_shape shape;
    arena arena;
    uint8_t *context;
    int32_t *flags; /* [M][BS][E] */
    uint8_t *data;
    float *scales;  /* [BS][K] */
    int32_t *layer_id;
    uint8_t *y;
    int32_t *next_layer_id;
    aclTensor *context_tensor;
    aclTensor *layer_id_tensor;
    aclTensor *next_layer_id_tensor;
} combine_world;

int combine_world_create(combine_world *w, const combine_shape *shape);
void combine_world_destroy(combine_world *w);

/* The first phase for a batch of `token_num` tokens. */
int combine_plan(const combine_world *w, uint32_t token_num, int64_t need_schedule, uint64_t *workspace_size,
                 aclOpExecutor **executor);

/* ---- fields of a context, by their byte offsets ---- */

enum {
    AT_SESSION_NUM = 0,
    AT_MICRO_BATCH_NUM = 4,
    AT_MICRO_BATCH_SIZE = 8,
    AT_SLOT_NUM = 12,
    AT_ATTENTION_INFO_SIZE = 264,
    AT_ATTENTION_DATA_SIZE = 280,
    AT_MICRO_BATCH_ID = 288,
    AT_FFN_DATA_SIZE = 408,
    AT_RUN_FLAG = 128,
    AT_POLLING_INDEX = 416,
    AT_SCHEDULE_MODE = 28,
    AT_OUT_NUM = 576
};

void context_set_u32(uint8_t *context, size_t at, uint32_t value);
void context_set_u64(uint8_t *context, size_t at, uint64_t value);
uint32_t context_u32(const uint8_t *context, size_t at);

#endif
