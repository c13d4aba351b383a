/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attention side of a layer: dispatch sends the tokens of a micro-batch to the workers of their experts, schedule
 * waits until all their results are back, combine adds them up.
 *
 *     afd_attention_dispatch()  ... FFN workers ...  afd_attention_schedule()  ->  afd_attention_combine()
 *
 * One micro-batch goes round in that order: schedule clears its flags, combine reads its slots, and the next dispatch
 * frees them for the FFN workers, by its release. M of them are in flight.
 *
 * The attention window is token info i32 flag[M][BS][E], padded to 512 bytes, then token data u8[M][BS][E][HS], HS =
 * ffn_to_attn_token_size. Slots k in [0, K) of a token are its routed experts, k in [K, E) the shared ones.
 *
 * On the path of a call: no allocation, no lock, no log. Threads: one call at a time on one context; FFN workers write
 * the window meanwhile. afd_context_stop() and afd_stop_raise() may come from anywhere. fork: nothing is kept outside
 * the caller's memory.
 */
#ifndef AFD_ATTENTION_H
#define AFD_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/status.h"
#include "afd/token.h"
#include "afd/wait.h"
#include "afd/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* Instead of a micro-batch: the one after the context's attention.micro_batch_id. */
#define AFD_MICRO_BATCH_NEXT UINT32_MAX

/*
 * Waits until all BS*E flags of `micro_batch` (in [0, M), or AFD_MICRO_BATCH_NEXT, as the original does) are exactly 1,
 * clears them, and makes it the context's attention.micro_batch_id; *ready (may be NULL) becomes it. A micro-batch that
 * was given up is skipped by naming the one after it.
 *
 * Results: AFD_OK, AFD_STOPPED, AFD_DEADLINE with wait->late naming each slot whose flag is not 1 (`token`, `slot`; the
 * session is this one and reads 0). On all but AFD_OK nothing was changed.
 * Errors, nothing was changed: AFD_ERR_INVALID, AFD_ERR_OVERFLOW as afd_attention_schedule_check().
 */
afd_status afd_attention_schedule(afd_schedule_context *context, uint32_t micro_batch, afd_wait *wait, uint32_t *ready,
                                  afd_error *error);

/* One pass, without waiting: AFD_OK, AFD_STOPPED or AFD_NOT_YET. */
afd_status afd_attention_schedule_poll(afd_schedule_context *context, uint32_t micro_batch, uint32_t *ready,
                                       afd_error *error);

/*
 * The checks that both make first, in this order: context there; schedule_mode = 1; M, BS, E > 0; token info and token
 * data not null; 4*M*BS*E fits 64 bits (AFD_ERR_OVERFLOW); token_info_buf_size >= 4*M*BS*E; micro_batch_id < M;
 * micro_batch < M or AFD_MICRO_BATCH_NEXT; token info 4-byte aligned. The FFN side is not looked at.
 */
afd_status afd_attention_schedule_check(const afd_schedule_context *context, uint32_t micro_batch, afd_error *error);

/*
 * Where the experts are: i32[layer_num][expert_num][width], a row `n, (rank, local expert id) x n, anything`. With n >
 * 1 an expert has copies, and session s uses copy s % n. The local id is the FFN worker's number for the expert *in
 * that layer*: one that serves more than one layer numbers them layer * its experts + expert, so that sessions at
 * different layers keep apart in one batch.
 */
typedef struct afd_expert_table {
    const int32_t *entries;
    uint32_t layer_num;  /* 1: the same for every layer; else layer_id is an index into it */
    uint32_t expert_num; /* routed experts, then the E - K shared ones */
    uint32_t width;      /* >= 3 */
} afd_expert_table;

typedef struct afd_dispatch_args {
    size_t size;                 /* sizeof(afd_dispatch_args), so that it can grow */
    uint32_t session;            /* which session of the FFN windows this worker is, in [0, S) */
    uint32_t micro_batch;        /* in [0, M) */
    int32_t layer_id;            /* >= 0 */
    uint64_t round;              /* of this micro-batch, for the transports; any number that grows */
    const void *tokens;          /* [token_num][hidden] of `type` */
    uint32_t token_num;          /* in [0, BS], and may be another in each call */
    uint32_t hidden;             /* H, a multiple of 16 */
    afd_token_type type;         /* AFD_TOKEN_F16 or AFD_TOKEN_BF16 */
    bool quantize;               /* send int8 with one scale a token and slot; HS >= H + 128 then */
    const int32_t *expert_ids;   /* i32[token_num][top_k], each in [0, experts.expert_num - (E - top_k)) */
    uint32_t top_k;              /* K in [1, E]; the other E - K slots go to the shared experts */
    const uint8_t *active_mask;  /* u8[token_num], 1s first, then 0s, which are not sent; NULL: all are */
    afd_expert_table experts;
    const float *smooth_scales;  /* f32[layer_num][expert_num][hidden] or NULL: factors before quantising, only then */
    bool only_ranks_with_tokens; /* publish only there: right with sync groups of one, where S > 1; else everywhere */
    afd_writer *const *writers;  /* one for each FFN rank, into FFN windows of the context's M, BS, E */
    uint32_t writer_num;         /* >= 1; no writer twice */
    int32_t first_rank;          /* the rank of writers[0], >= 0 */
} afd_dispatch_args;

/* Everything 0, f16, not quantised, to every rank. */
#define AFD_DISPATCH_ARGS_INIT                                                                                        \
    {                                                                                                                 \
        sizeof(afd_dispatch_args), 0, 0, 0, 0, NULL, 0, 0, AFD_TOKEN_F16, false, NULL, 0, NULL, { NULL, 0, 0, 0 },     \
            NULL, false, NULL, 0, 0                                                                                   \
    }

/*
 * Sends one micro-batch: each active token to the workers of its K routed and E - K shared experts, into slot k of
 * (session, micro_batch, token); then publishes to every rank, also those that got nothing. Last, the flags of all
 * slots that were not sent (token_num < BS, or masked) are set in the own attention window, so that nobody waits for
 * them.
 *
 * Takes M, BS, E and the attention window from `context`, and HS from each writer; schedule_mode is not looked at.
 * Before anything is written, everything is checked and it waits, as `wait` says, until every desc that it will publish
 * is free, giving the writer that it waits for its progress(). What args points to must not change during the call.
 *
 * With quantize, v = x times the smooth scale, d = 127 / max|v|, each int8 is v*d rounded half to even, and the scale
 * is 1 / d, all in f32. A token of zeros, or of values that are all below 2^-119, gives zeros and scale 0. One that has
 * a NaN or an infinity among its v gives zeros and a NaN as scale, so that what is computed from it is NaN as well.
 *
 * While it waits it progresses all writers. `tokens` stays as it is until they are idle (writer.h), unless quantised.
 *
 * Results: AFD_OK; AFD_STOPPED; AFD_DEADLINE, with late[].session the number of the writer whose desc is not free.
 * Errors: AFD_ERR_INVALID, AFD_ERR_OVERFLOW for an argument, an expert id or a table entry out of range, and for a
 * round that is still open (a flag of micro_batch in the own window is already 1); nothing was written then. What a
 * transport says, with `value` the number of the writer and `bound` how many were published before it: none, where it
 * refused a row. What was put and not published was discarded at every writer, and the own window is as it was.
 */
afd_status afd_attention_dispatch(afd_schedule_context *context, const afd_dispatch_args *args, afd_wait *wait,
                                  afd_error *error);

typedef struct afd_combine_args {
    size_t size;                /* sizeof(afd_combine_args) */
    uint32_t token_num;         /* Bs in [0, BS], and may be another in each call */
    uint32_t top_k;             /* K in [1, E] and at most 64; the other E - K slots are shared experts */
    uint32_t hidden;            /* H, a multiple of 16 */
    afd_token_type type;        /* AFD_TOKEN_F16 or AFD_TOKEN_BF16, of the slots and of the output */
    const float *expert_scales; /* f32[token_num][top_k] */
    bool need_schedule;         /* wait for the next micro-batch, and clear its flags after reading */
    void *output;               /* [token_num][hidden] of `type` */
} afd_combine_args;

#define AFD_COMBINE_ARGS_INIT { sizeof(afd_combine_args), 0, 0, 0, AFD_TOKEN_F16, NULL, false, NULL }

/*
 * output[t] = sum over k < K of expert_scales[t][k] * slot[t][k], then the shared slots unweighted, in that order, in
 * f32 from +0, every product and every sum rounded by itself; the result to nearest even. Deterministic.
 *
 * Reads micro-batch attention.micro_batch_id of the context; with need_schedule it waits for the one after it, reads,
 * then clears its flags and makes it micro_batch_id. Rows are ffn_to_attn_token_size apart, or 2*H where that is less.
 * schedule_mode is not looked at. `wait` is used with need_schedule alone.
 *
 * Results and errors as afd_attention_schedule(). The checks, in this order: context and args there; M, BS, E > 0; the
 * arguments as above, expert_scales and output not null unless token_num is 0; token data not null; with need_schedule
 * the token info as there; micro_batch_id < M; all that is read inside token_data_buf_size, or AFD_ERR_OVERFLOW.
 */
afd_status afd_attention_combine(afd_schedule_context *context, const afd_combine_args *args, afd_wait *wait,
                                 afd_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
