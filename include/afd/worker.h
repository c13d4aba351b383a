/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: the operators put together, for an engine to drive. An FFN worker owns an FFN window, answers sessions and
 * calls the engine's experts; an attention worker owns an attention window and sends its micro-batches round. Any
 * number of the one with any number of the other.
 *
 *     FFN worker                                       attention worker
 *     ──────────                                       ────────────────
 *     create                                           create
 *     accept(session, writer into its window) ...      connect(rank, writer into its window) ...
 *     step, step, step ...                             for every layer and micro-batch:
 *       progress, schedule, batch,                         dispatch(m, layer, tokens, expert ids)
 *       experts (the engine's), reply                      collect(m, weights) -> rows of the next layer
 *     drop(session), close                             leave, close
 *
 * How the two find each other is the engine's: threads hand over windows (afd_writer_local_create), processes of one
 * host agree on names (afd_writer_shm_open). A worker owns the writers that were given to it and closes them.
 *
 * Creating allocates everything; stepping, dispatching and collecting allocate nothing. What an FFN worker allocates is
 * sized for the largest batch that its shape allows, S*BS*E rows of tokens and of results, which may be gigabytes. That
 * is address space (MAP_NORESERVE), of which only the pages that a batch really used become resident.
 *
 * Threads: a worker belongs to one thread at a time. afd_context_stop() on its context and the stop word of a wait may
 * come from anywhere. fork: the child does not use it.
 */
#ifndef AFD_WORKER_H
#define AFD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/context.h"
#include "afd/ffn.h"
#include "afd/status.h"
#include "afd/token.h"
#include "afd/wait.h"
#include "afd/window.h"
#include "afd/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* What a worker is doing, for whoever measures it. */
typedef enum afd_stage {
    AFD_STAGE_DISPATCH = 0, /* attention: writing tokens and publishing */
    AFD_STAGE_SCHEDULE = 1, /* FFN: the look at the window that took something */
    AFD_STAGE_BATCH = 2,
    AFD_STAGE_EXPERTS = 3,
    AFD_STAGE_REPLY = 4,
    AFD_STAGE_WAIT = 5,     /* attention: for a free desc, for results */
    AFD_STAGE_COMBINE = 6,
    AFD_STAGE_NUM = 7
} afd_stage;

/*
 * Called by a worker at the beginning and at the end of each stage, in its thread; stages do not nest. It reads its own
 * clocks. micro_batch is AFD_MICRO_BATCH_ANY and layer_id -1 where a stage is about several, or where it is not known
 * yet: at the beginning of AFD_STAGE_SCHEDULE. A look at the window that finds nothing is no stage: AFD_STAGE_SCHEDULE
 * begins with each look and ends only with one that took something, so it may begin many times before it ends, and the
 * last beginning counts.
 */
typedef void afd_stage_observer(void *arg, afd_stage stage, bool begins, uint32_t micro_batch, int32_t layer_id);

/* One batch on its way through the engine's experts. All memory is the worker's and good until the function returns. */
typedef struct afd_experts_call {
    const void *tokens;         /* [row_num][hidden] of `type`, sorted by expert */
    afd_token_type type;
    const float *dynamic_scale; /* f32[row_num], int8 alone, else NULL */
    uint32_t hidden;
    uint64_t row_num;           /* > 0 */
    const int64_t *group_list;  /* i64[group_num][2]: (expert id, count), ascending */
    uint32_t group_num;
    const int32_t *session_ids; /* i32[row_num]: whose row it is; so the next three, as batching writes them */
    const int32_t *micro_batch_ids;
    const int32_t *token_ids;
    const int32_t *expert_offsets;
    void *results;              /* [row_num][hidden] of `result_type`: to be written, in the order of tokens */
    afd_token_type result_type;
} afd_experts_call;

/*
 * The experts of one worker: fills results in. Anything but AFD_OK ends the step with that status, and what the step
 * took stays without an answer. Calls nothing of the worker that it works for.
 */
typedef afd_status afd_experts(void *arg, const afd_experts_call *call);

typedef struct afd_ffn_worker afd_ffn_worker;

typedef struct afd_ffn_worker_options {
    size_t size;                  /* sizeof(afd_ffn_worker_options), so that it can grow */
    afd_shape shape;              /* of the FFN window; attn_to_ffn_token_size at least the token's bytes */
    const char *window_name;      /* of a shared window; NULL: private memory */
    uint32_t sync_group_size;     /* G in [1, S], a divisor of S; S itself is all-sync */
    bool fair;                    /* groups: go round the micro-batches */
    uint32_t hidden;              /* H, a multiple of 16 */
    afd_token_type type;          /* of the tokens that arrive */
    afd_token_type result_type;   /* AFD_TOKEN_F16 or AFD_TOKEN_BF16, of what goes back */
    uint32_t expert_num;          /* local experts x layers, in [1, AFD_EXPERT_ID_LIMIT): the bound of ids */
    afd_experts *experts;
    void *experts_arg;
    afd_stage_observer *observer; /* optional */
    void *observer_arg;
} afd_ffn_worker_options;

/* What a worker has done since it was created. */
typedef struct afd_worker_counters {
    uint64_t step_num;        /* FFN: steps that answered; attention: micro-batches collected */
    uint64_t micro_batch_num; /* FFN: (session, micro-batch) pairs answered; attention: dispatched */
    uint64_t row_num;         /* FFN: slots through the experts; attention: slots sent */
    uint64_t byte_num;        /* of these slots, written into windows of others: the row, and its 4-byte id or flag */
    uint64_t wild_num;        /* FFN: micro-batches left out because of a wild expert id */
} afd_worker_counters;

/*
 * Makes the window, a context and all buffers. No session is live yet. Errors name field, value and bound, and leave
 * nothing behind: AFD_ERR_INVALID; AFD_ERR_OVERFLOW; AFD_ERR_NO_MEMORY with the size; those of a shared window.
 */
afd_status afd_ffn_worker_create(const afd_ffn_worker_options *options, afd_ffn_worker **worker, afd_error *error);

/* Its window, for writers of threads; and its context, for afd_context_stop(). Both live as long as the worker. */
afd_window *afd_ffn_worker_window(afd_ffn_worker *worker);
afd_schedule_context *afd_ffn_worker_context(afd_ffn_worker *worker);

/*
 * Admits a session whose results go through `writer`, which becomes the worker's. One that is accepted before the
 * worker's first take is awaited from the start; a later one is joining until its first micro-batch was taken. In sync
 * groups of several sessions with several FFN workers, accept all at the start: there sessions that join while others
 * run can come to wait for each other (CAVEATS.md). The session's descs are taken as they are: when it was dropped
 * before, the caller sees to it that they are free.
 *
 * AFD_ERR_INVALID, and the writer stays the caller's, if the session is out of range or has a writer already, or the
 * writer's window is none of an attention worker, has another S, M, BS or E, or slots too small for the results.
 */
afd_status afd_ffn_worker_accept(afd_ffn_worker *worker, uint32_t session, afd_writer *writer, afd_error *error);

/* Drops a session: it is not waited for any more, its writer is closed, its descs stay as they are. Dropping one that
 * is not there changes nothing. AFD_ERR_INVALID if it is out of range. */
afd_status afd_ffn_worker_drop(afd_ffn_worker *worker, uint32_t session, afd_error *error);

/*
 * One step without waiting: progress of all writers, schedule, and if something was ready: batch, experts, reply.
 * AFD_OK: something was taken, and answered; AFD_NOT_YET, also while a transport still sends the last answers, whose
 * memory the next ones need (afd_writer_is_idle); AFD_NOBODY_LIVE; AFD_STOPPED; an error, or what the experts
 * returned, and then what was taken stays without an answer. A session with a wild expert id gets no answer for that
 * micro-batch and is dropped, while the others of the step are answered; `wild` (may be NULL, one entry) names the
 * first of the step, and its expert_id is AFD_EXPERT_ID_NONE where there was none.
 */
afd_status afd_ffn_worker_step(afd_ffn_worker *worker, afd_wild_id *wild, afd_error *error);

/*
 * Steps until something was taken, waiting as `wait` says: AFD_OK, AFD_STOPPED, AFD_NOBODY_LIVE, AFD_DEADLINE with
 * wait->late filled as by afd_ffn_schedule(), an error, and `wild`, as afd_ffn_worker_step(). wait->poll may accept and
 * drop sessions. Where answers are still on their way at the deadline, late names the sessions that they go to, with
 * AFD_MICRO_BATCH_ANY: dropping one of them gives its answers up.
 */
afd_status afd_ffn_worker_await(afd_ffn_worker *worker, afd_wait *wait, afd_wild_id *wild, afd_error *error);

void afd_ffn_worker_count(const afd_ffn_worker *worker, afd_worker_counters *counters);

/* Closes window, writers, everything. NULL is allowed. */
void afd_ffn_worker_close(afd_ffn_worker *worker);

typedef struct afd_attention_worker afd_attention_worker;

typedef struct afd_attention_worker_options {
    size_t size;                 /* sizeof(afd_attention_worker_options) */
    afd_shape shape;             /* of its attention window and of the FFN windows */
    const char *window_name;     /* of a shared window; NULL: private memory */
    uint32_t session;            /* which session it is to every FFN worker, in [0, S) */
    uint32_t hidden;             /* H, a multiple of 16 */
    afd_token_type type;         /* AFD_TOKEN_F16 or AFD_TOKEN_BF16, of tokens and results */
    bool quantize;               /* send int8 */
    uint32_t top_k;              /* K in [1, E], at most 64; the other E - K slots are shared experts */
    afd_expert_table experts;    /* its entries must stay; ranks are in [0, ffn_num); all of it is checked */
    const float *smooth_scales;  /* or NULL; must stay */
    uint32_t ffn_num;            /* FFN workers */
    uint32_t sync_group_size;    /* of the FFN workers: groups of one among several sessions need not be told of an
                                    empty round, all others must */
    afd_stage_observer *observer; /* optional */
    void *observer_arg;
} afd_attention_worker_options;

afd_status afd_attention_worker_create(const afd_attention_worker_options *options, afd_attention_worker **worker,
                                       afd_error *error);
afd_window *afd_attention_worker_window(afd_attention_worker *worker);
afd_schedule_context *afd_attention_worker_context(afd_attention_worker *worker);

/*
 * The way to FFN worker `rank`; the writer becomes the worker's. All of them must be there before the first dispatch.
 * AFD_ERR_INVALID, and the writer stays the caller's, if the rank is out of range or has a writer already, or the
 * writer's window is none of an FFN worker, has another S, M, BS or E, or slots that are too small for the tokens.
 */
afd_status afd_attention_worker_connect(afd_attention_worker *worker, uint32_t rank, afd_writer *writer,
                                        afd_error *error);

/*
 * Sends token_num tokens (0 is allowed) of micro_batch, at layer_id, with their top_k expert ids; waits as `wait` says
 * for the descs to be free: AFD_OK, AFD_STOPPED, AFD_DEADLINE with late[].session the rank that holds its desc, an
 * error; on all but AFD_OK it may be tried again, unless a transport failed when some FFN workers were told already:
 * then the round is under way and will not end. When it returns, expert_ids is the caller's again; tokens is when
 * afd_attention_worker_is_idle() says so, which is at once with the transports of this host.
 *
 * AFD_ERR_INVALID if an FFN worker is not connected, if the round of micro_batch is still open, or if it is out of
 * turn: where all sessions are one sync group, the FFN workers go round the micro-batches, and so do the dispatches,
 * 0, 1, ..., M - 1, 0, ... Otherwise they may come in any order.
 */
afd_status afd_attention_worker_dispatch(afd_attention_worker *worker, uint32_t micro_batch, int32_t layer_id,
                                         const void *tokens, uint32_t token_num, const int32_t *expert_ids,
                                         afd_wait *wait, afd_error *error);

/* Progresses the writers, and says whether everything that was dispatched has left. */
bool afd_attention_worker_is_idle(const afd_attention_worker *worker);

/*
 * Waits for the results of micro_batch and combines them into output[token_num][hidden], with expert_scales
 * f32[token_num][top_k] and the token_num of its dispatch. AFD_OK, AFD_STOPPED, AFD_DEADLINE (wait->late names slots;
 * afd_attention_worker_late_rank() says whose), AFD_ERR_INVALID if the micro-batch is not under way. On all but AFD_OK
 * it may be tried again. Micro-batches that are under way may be collected in any order.
 */
afd_status afd_attention_worker_collect(afd_attention_worker *worker, uint32_t micro_batch, const float *expert_scales,
                                        void *output, afd_wait *wait, afd_error *error);

/* The FFN worker that a slot of an open round went to; -1 if its round is not open or the slot was not sent. */
int32_t afd_attention_worker_late_rank(const afd_attention_worker *worker, uint32_t micro_batch, uint32_t token,
                                       uint32_t slot);

/*
 * Waits until every round that is under way has all its results, and forgets them: the orderly way out, after which the
 * FFN workers can drop the session. AFD_OK, AFD_STOPPED, AFD_DEADLINE as afd_attention_worker_collect(), for the first
 * micro-batch whose results are late; it may be tried again. One that has joined (member.h) also says goodbye to its
 * FFN workers and waits until they have let it go; rounds that cannot end are given up, and then it is AFD_ERR_PEER.
 */
afd_status afd_attention_worker_leave(afd_attention_worker *worker, afd_wait *wait, afd_error *error);

void afd_attention_worker_count(const afd_attention_worker *worker, afd_worker_counters *counters);

/* Closes window and writers. NULL is allowed. Rounds that are open stay open: leave first. One that has joined says
 * goodbye, and does not wait for an answer. */
void afd_attention_worker_close(afd_attention_worker *worker);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
