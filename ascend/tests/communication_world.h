/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worlds for the tests of the two communication operators: the ranks of one process with their communicator, and the
 * arguments of a call, all good, to be filled or to be spoilt.
 */
#ifndef AFD_ASCEND_TESTS_COMMUNICATION_WORLD_H
#define AFD_ASCEND_TESTS_COMMUNICATION_WORLD_H

#include <stdint.h>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"
#include "hccl/hccl.h"

enum { RANK_MAX = 16 };

/* Rank i is on device i. */
typedef struct rank_world {
    uint32_t rank_num;
    HcclComm comms[RANK_MAX];
    aclrtStream streams[RANK_MAX];
    char group[128];
} rank_world;

/* 0 if it could be made. The front is initialised. The thread's device is 0 then. */
int rank_world_create(rank_world *w, uint32_t rank_num);
void rank_world_destroy(rank_world *w);

/* The first half of the rank's buffer. */
uint8_t *rank_world_window(const rank_world *w, uint32_t rank);

/* ---- attention to FFN ---- */

typedef struct dispatch_shape {
    uint32_t session_num;      /* S */
    uint32_t micro_batch_num;  /* M */
    uint32_t micro_batch_size; /* BS */
    uint32_t token_num;        /* Bs */
    uint32_t top_k;            /* K */
    uint32_t shared_num;       /* E - K */
    uint32_t routed_num;       /* moeExpertNum */
    uint32_t layer_num;        /* L */
    uint32_t table_width;      /* Mx */
    uint32_t hidden;           /* H */
    uint32_t slot_elements;    /* HS */
    aclDataType type;
} dispatch_shape;

enum {
    DISPATCH_X,
    DISPATCH_SESSION_ID,
    DISPATCH_MICRO_BATCH_ID,
    DISPATCH_LAYER_ID,
    DISPATCH_EXPERT_IDS,
    DISPATCH_TABLE,
    DISPATCH_SCALES,
    DISPATCH_MASK,
    DISPATCH_TENSOR_NUM
};

/* Tensors of zeros, which are contiguous; the optional ones are there and are not handed over unless asked for. */
typedef struct dispatch_call {
    dispatch_shape shape;
    void *data[DISPATCH_TENSOR_NUM];
    aclTensor *tensors[DISPATCH_TENSOR_NUM];
    aclIntArray *shapes[3];
    const char *group;
    int64_t world_size;
    int64_t routed_num;
    int64_t quant_mode;
    int64_t sync_flag;
    int64_t first_rank;
    int with_scales;
    int with_mask;
} dispatch_call;

uint32_t dispatch_slot_num(const dispatch_shape *shape); /* E */

/* The dims of a tensor, and its type. */
typedef struct tensor_dims {
    aclDataType type;
    uint64_t rank;
    int64_t dims[3];
} tensor_dims;

tensor_dims dispatch_dims(const dispatch_shape *shape, int tensor);
uint64_t tensor_elements(const tensor_dims *dims);

int dispatch_call_create(dispatch_call *c, const dispatch_shape *shape, const rank_world *w);
void dispatch_call_destroy(dispatch_call *c);
int dispatch_plan(const dispatch_call *c, uint64_t *workspace_size, aclOpExecutor **executor);

/* ---- FFN to attention ---- */

typedef struct reply_shape {
    uint32_t row_num;          /* Y */
    uint32_t hidden;           /* H */
    uint32_t micro_batch_num;  /* M */
    uint32_t micro_batch_size; /* BS */
    uint32_t slot_num;         /* E */
    uint32_t slot_elements;    /* HS */
    uint32_t session_num;      /* of the rank table */
    aclDataType type;
} reply_shape;

enum {
    REPLY_X,
    REPLY_SESSION_IDS,
    REPLY_MICRO_BATCH_IDS,
    REPLY_TOKEN_IDS,
    REPLY_EXPERT_OFFSETS,
    REPLY_ACTUAL_TOKEN_NUM,
    REPLY_RANK_TABLE,
    REPLY_TENSOR_NUM
};

typedef struct reply_call {
    reply_shape shape;
    void *data[REPLY_TENSOR_NUM];
    aclTensor *tensors[REPLY_TENSOR_NUM];
    aclIntArray *shapes[2];
    const char *group;
    int64_t world_size;
    int with_rank_table;
} reply_call;

tensor_dims reply_dims(const reply_shape *shape, int tensor);
int reply_call_create(reply_call *c, const reply_shape *shape, const rank_world *w);
void reply_call_destroy(reply_call *c);
int reply_plan(const reply_call *c, uint64_t *workspace_size, aclOpExecutor **executor);

/* ---- both ---- */

/* A second phase, with a workspace as planned: enqueued and waited for; the code of the stream. */
typedef aclnnStatus (*second_phase)(void *workspace, uint64_t workspace_size, aclOpExecutor *executor,
                                    aclrtStream stream);
int run_phase(second_phase phase, uint64_t workspace_size, aclOpExecutor *executor, aclrtStream stream);

#endif
