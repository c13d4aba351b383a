/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ScheduleContext: 1024 bytes that tell an operator the shape of its world and where its buffers are.
 *
 * Words used here and everywhere in libafd:
 *   session      one attention worker, seen from an FFN worker. S of them.
 *   micro-batch  one of the M batches that a session keeps in flight.
 *   slot         one token x one of its E experts (top-k routed + shared). BS tokens x E slots a micro-batch.
 *   window       the memory of a worker that its peers write into: token info, then token data. See window.h.
 *   desc         the token info of one (session, micro-batch) in an FFN window: {flag, layer_id, expert_ids[BS][E]}.
 *
 * The format is that of CANN's ScheduleContext, byte for byte, and is frozen: programs written for the original fill it
 * in themselves. libafd keeps nothing of its own in the reserved bytes; its own features travel in call arguments.
 * An operator writes only the fields it owns (ffn.polling_index, ffn.out_num, attention.micro_batch_id) and leaves
 * every other byte as it was. All integers are little-endian; pointers are 64-bit addresses in the operator's own
 * process.
 *
 * Threads: a context belongs to the one thread that calls operators on it. control.run_flag alone may be written by any
 * thread or process at any time, atomically: afd_context_stop(). fork: the child has a copy, as of any memory.
 */
#ifndef AFD_CONTEXT_H
#define AFD_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

enum { AFD_CONTEXT_BYTES = 1024 };

/* common.schedule_mode. 2, both, exists in programs and is refused by both schedulers. */
enum { AFD_SCHEDULE_MODE_FFN = 0, AFD_SCHEDULE_MODE_ATTENTION = 1 };

/* The token info or token data half of a window. */
typedef struct afd_window_fields {
    uint64_t token_info_buf;      /* address */
    uint64_t token_info_buf_size; /* bytes */
    uint64_t token_data_buf;      /* address */
    uint64_t token_data_buf_size; /* bytes; the FFN scheduler does not look at it */
} afd_window_fields;

typedef struct afd_schedule_context {
    struct {
        uint32_t session_num;            /*   0: S, > 0 */
        uint32_t micro_batch_num;        /*   4: M, > 0 */
        uint32_t micro_batch_size;       /*   8: BS, tokens, > 0 */
        uint32_t selected_expert_num;    /*  12: E, > 0 */
        uint32_t expert_num;             /*  16: experts of a layer, routed + shared */
        uint32_t attn_to_ffn_token_size; /*  20: bytes of one token slot in the FFN window */
        uint32_t ffn_to_attn_token_size; /*  24: bytes of one token slot in the attention window */
        int32_t schedule_mode;           /*  28 */
        uint8_t reserved[96];
    } common;
    struct {
        int32_t run_flag;                /* 128: 0 = exit, anything else = run; atomic */
        uint8_t reserved[124];           /* some programs keep pointers in here */
    } control;
    struct {
        afd_window_fields window;        /* 256 */
        uint32_t micro_batch_id;         /* 288: the latest ready micro-batch; starts at M-1 */
        uint8_t reserved[92];
    } attention;
    struct {
        afd_window_fields window;        /* 384 */
        uint64_t polling_index;          /* 416: all-sync: the micro-batch to wait for, in [0, M) */
        uint8_t reserved[88];
        uint64_t layer_ids_buf;          /* 512: i32[S] */
        uint64_t layer_ids_buf_size;
        uint64_t session_ids_buf;        /* 528: i32[S] */
        uint64_t session_ids_buf_size;
        uint64_t micro_batch_ids_buf;    /* 544: i32[S] */
        uint64_t micro_batch_ids_buf_size;
        uint64_t expert_ids_buf;         /* 560: i32[S][BS][E] */
        uint64_t expert_ids_buf_size;
        uint32_t out_num;                /* 576: sessions taken by the last call, in [0, S] */
        uint8_t reserved_out[60];
    } ffn;
    uint8_t reserved[384];
} afd_schedule_context;

/* The counts that everything else follows from. */
typedef struct afd_shape {
    uint32_t session_num;            /* S, in [1, 2^32) */
    uint32_t micro_batch_num;        /* M, in [1, 2^32) */
    uint32_t micro_batch_size;       /* BS, tokens, in [1, 2^32) */
    uint32_t selected_expert_num;    /* E, in [1, 2^32) */
    uint32_t expert_num;             /* experts of a layer; any */
    uint32_t attn_to_ffn_token_size; /* bytes; 0 = the FFN window carries ids and no token data */
    uint32_t ffn_to_attn_token_size; /* bytes */
} afd_shape;

/*
 * Bytes that afd_ffn_context_layout() needs for `shape`: the context and its four output buffers,
 * 1024 + 3 * up64(4*S) + up64(4*S*BS*E), where up64 rounds up to a multiple of 64.
 * AFD_ERR_INVALID where a count is 0, AFD_ERR_OVERFLOW where the sum does not fit; *bytes is then left as it was.
 */
afd_status afd_ffn_context_footprint(const afd_shape *shape, uint64_t *bytes, afd_error *error);

/*
 * Lays an FFN context with its output buffers out in `memory` (64-byte aligned, `bytes` of it at least the footprint,
 * owned by the caller) and returns it in *context: running, polling_index 0, out_num 0, no window yet. The window is
 * attached with afd_window_bind() or by filling in ffn.window. Allocates nothing.
 */
afd_status afd_ffn_context_layout(const afd_shape *shape, void *memory, uint64_t bytes, afd_schedule_context **context,
                                  afd_error *error);

/* The same in memory of its own; AFD_ERR_NO_MEMORY says how much it wanted. Ends with afd_context_destroy(). */
afd_status afd_ffn_context_create(const afd_shape *shape, afd_schedule_context **context, afd_error *error);

/*
 * The same for an attention context, which has no output buffers: AFD_CONTEXT_BYTES of memory, schedule_mode 1,
 * micro_batch_id M - 1, so that the first micro-batch awaited is 0.
 */
afd_status afd_attention_context_layout(const afd_shape *shape, void *memory, uint64_t bytes,
                                        afd_schedule_context **context, afd_error *error);
afd_status afd_attention_context_create(const afd_shape *shape, afd_schedule_context **context, afd_error *error);

/* Frees what afd_ffn_context_create() or afd_attention_context_create() made; NULL is allowed. No operator may be
 * running on it. */
void afd_context_destroy(afd_schedule_context *context);

/* run_flag = 0, atomically, with release: operators that wait on the context return AFD_STOPPED. Signal-safe. */
void afd_context_stop(afd_schedule_context *context);

/* run_flag = 1, atomically, so that operators run again. */
void afd_context_start(afd_schedule_context *context);

/* The output buffers of an FFN context, typed. Entries [0, out_num) are valid after a call that took sessions. */
const int32_t *afd_context_layer_ids(const afd_schedule_context *context);       /* i32[S] */
const int32_t *afd_context_session_ids(const afd_schedule_context *context);     /* i32[S] */
const int32_t *afd_context_micro_batch_ids(const afd_schedule_context *context); /* i32[S] */
const int32_t *afd_context_expert_ids(const afd_schedule_context *context);      /* i32[S][BS][E] */

/*
 * Writes the context as text, a field a line, "common.session_num 4\n", into `text` (`text_bytes` of it, always
 * zero-terminated when text_bytes > 0) and returns the length that the whole text has, like snprintf. The output
 * buffers and windows are not followed, so a context with wild pointers can be described.
 */
size_t afd_context_describe(const afd_schedule_context *context, char *text, size_t text_bytes);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
