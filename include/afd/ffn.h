/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FFN worker scheduler: finds the sessions whose tokens are ready and lays their ids out for batching.
 *
 * A call looks at the window of its context, takes the (session, micro-batch) pairs that are ready, and for the k-th
 * taken writes layer_ids[k], session_ids[k], micro_batch_ids[k] and expert_ids[k][BS][E] into the context's output
 * buffers; entries past the number taken stay as they were, but for early copies (see the scheduler object). A desc
 * that was taken is refilled and given back.
 *
 *   all-sync (sync_group_size = S)   waits for every session's desc of micro-batch ffn.polling_index, takes them all in
 *                                    session order, then polling_index = (polling_index + 1) % M.
 *   groups (sync_group_size < S)     waits until a group of that many consecutive sessions has a micro-batch ready in
 *                                    all of them; then takes, for every group in order, its lowest-numbered such one.
 *
 * The typical loop, with every outcome:
 *
 *     afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(1);
 *     afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
 *     for (;;) {
 *         wait.deadline_ns = afd_clock_ns() + 10 * UINT64_C(1000000000);
 *         switch (afd_ffn_schedule(context, &args, &wait, &taken_num, &error)) {
 *         case AFD_OK:          batch(context, taken_num); break;      // taken_num > 0
 *         case AFD_DEADLINE:    report(wait.late, wait.late_num); break; // nothing changed; call again
 *         case AFD_NOBODY_LIVE: accept_sessions(); break;              // only with a scheduler object
 *         case AFD_STOPPED:     return 0;
 *         default:              return fail(&error);                   // an error: error.message says which and why
 *         }
 *     }
 *
 * On the path of a call: no allocation, no lock, no system call but those of the wait strategy, no log.
 *
 * Threads: one call at a time on one context and on one scheduler object; different ones are independent. Producers
 * write the window meanwhile, by the rules of window.h. afd_context_stop() and afd_stop_raise() may come from anywhere.
 * fork: nothing is kept outside the caller's memory, so the child may call on its own copies.
 */
#ifndef AFD_FFN_H
#define AFD_FFN_H

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

/*
 * The scheduler object: what libafd remembers between calls beside the context, in memory that the caller gives. It is
 * optional. Without it a call is exactly CANN's aclnnInplaceFfnWorkerScheduler; with it there are
 *   - the live set: sessions that are away are not waited for,
 *   - the fair choice among a group's ready micro-batches,
 *   - since when each session has been silent, for deadline reports,
 *   - in all-sync, copies made early: the layer and expert ids of who is ready are copied to their output rows while
 *     others are awaited, and a call that then takes fewer or none leaves them there. The window is not written before
 *     all are there.
 * It belongs to the one thread that schedules, which may also change it from poll().
 */
typedef struct afd_ffn_scheduler afd_ffn_scheduler;

/*
 * The caller's threads, lent for one call. run() calls part(part_arg, i) once for each i in [0, part_num), on whatever
 * threads it likes, at the same time or not, and returns when all have returned. One call may run it several times, or
 * not at all. libafd starts no thread itself.
 */
typedef struct afd_part_runner {
    size_t size;       /* sizeof(afd_part_runner), so that it can grow */
    uint32_t part_num; /* into how many parts to cut the work: the number of threads, >= 1 */
    void (*run)(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg, uint32_t part_num);
    void *run_arg;
} afd_part_runner;

typedef struct afd_ffn_schedule_args {
    size_t size;                  /* sizeof(afd_ffn_schedule_args), so that the structure can grow */
    int32_t sync_group_size;      /* G in [1, S], a divisor of S; S itself is all-sync */
    int32_t execute_mode;         /* 0 */
    afd_ffn_scheduler *scheduler; /* optional */
    const afd_part_runner *parts; /* optional: 128 KiB of descs and more, of up to 256 at a time, are taken in parts.
                                     It pays between siblings of one core and costs between cores that are apart, so
                                     measure first. Early copies are made by the calling thread alone */
} afd_ffn_schedule_args;

#define AFD_FFN_SCHEDULE_ARGS_INIT(sync_group_size_)                                                                  \
    {                                                                                                                 \
        sizeof(afd_ffn_schedule_args), (sync_group_size_), 0, NULL, NULL                                              \
    }

/*
 * Schedules, waiting as `wait` says; NULL waits like AFD_WAIT_YIELD without deadline. *taken_num (may be NULL) becomes
 * the number taken: > 0 exactly when the result is AFD_OK.
 *
 * Results: AFD_OK; AFD_STOPPED (run_flag or stop word; looked at first, so a stopped context takes nothing);
 * AFD_DEADLINE, with wait->late filled: in all-sync each awaited session whose desc of polling_index is not ready; in
 * groups each awaited session with no ready micro-batch; and where every session has one but no group agrees, each
 * group's missing members of the micro-batch that is nearest to complete. AFD_NOBODY_LIVE, after poll had one chance to
 * change that. On all of these ffn.out_num is the number taken, and on all but AFD_OK the window is unchanged.
 *
 * Errors: AFD_ERR_INVALID, AFD_ERR_OVERFLOW as afd_ffn_schedule_check(); nothing was written.
 */
afd_status afd_ffn_schedule(afd_schedule_context *context, const afd_ffn_schedule_args *args, afd_wait *wait,
                            uint32_t *taken_num, afd_error *error);

/*
 * One pass, without waiting: AFD_OK, AFD_STOPPED, AFD_NOBODY_LIVE or AFD_NOT_YET. With a scheduler object, from an
 * AFD_NOT_YET until the next result with that object which is neither that nor an error, the output buffers may hold
 * early copies: the caller leaves them alone, and window and outputs stay this object's, so that no call without it and
 * no new window at the same place comes between.
 */
afd_status afd_ffn_schedule_poll(afd_schedule_context *context, const afd_ffn_schedule_args *args, uint32_t *taken_num,
                                 afd_error *error);

/*
 * The checks that both make first, in this order; the first that fails is reported with field, value and bound:
 * context and args there; schedule_mode = 0; S, M, BS, E > 0; the six buffers not null; 4*BS*E and S*M*desc and
 * 4*S*BS*E fit 64 bits (AFD_ERR_OVERFLOW); token_info_buf_size >= S*M*desc; the id buffers >= 4*S; expert_ids_buf_size
 * >= 4*S*BS*E; polling_index < M; 0 < G <= S; S % G = 0; execute_mode = 0; buffers 4-byte aligned; the scheduler object
 * made for this S and M; a part runner with a function and at least one part. token_data_buf_size is not looked at,
 * nor is the attention side.
 */
afd_status afd_ffn_schedule_check(const afd_schedule_context *context, const afd_ffn_schedule_args *args,
                                  afd_error *error);

/* Bytes of a scheduler object, at most 64 * S * M. 0 if S or M is 0. */
uint64_t afd_ffn_scheduler_footprint(uint32_t session_num, uint32_t micro_batch_num);

typedef struct afd_ffn_scheduler_options {
    size_t size;            /* sizeof(afd_ffn_scheduler_options) */
    bool fair;              /* groups: go round the micro-batches instead of always taking the lowest */
    bool start_empty;       /* no session is live at first; else all are, as in the original */
} afd_ffn_scheduler_options;

#define AFD_FFN_SCHEDULER_OPTIONS_INIT { sizeof(afd_ffn_scheduler_options), false, false }

/*
 * Makes a scheduler object in `memory` (8-byte aligned, `bytes` of it at least the footprint, owned by the caller, who
 * frees it when no call uses it any more). `options` may be NULL for the defaults. Allocates nothing.
 */
afd_status afd_ffn_scheduler_new(uint32_t session_num, uint32_t micro_batch_num,
                                 const afd_ffn_scheduler_options *options, void *memory, uint64_t bytes,
                                 afd_ffn_scheduler **scheduler, afd_error *error);

/*
 * Session membership. A session that was admitted is *joining*: it is taken when it is ready together with its group,
 * but not waited for until one of its descs has been taken; from then on it is *live* and waited for. Admitting one
 * that is joining or live changes nothing. A session that was dropped is not looked at; its descs stay as they are.
 * With a live set the k-th taken session goes to row k of the outputs. In all-sync every live session goes through all
 * M micro-batches in turn, and publishes an empty desc when it has no token; one that idles must be dropped.
 * AFD_ERR_INVALID if the session is not in [0, S).
 */
afd_status afd_ffn_scheduler_admit(afd_ffn_scheduler *scheduler, uint32_t session, afd_error *error);
afd_status afd_ffn_scheduler_drop(afd_ffn_scheduler *scheduler, uint32_t session, afd_error *error);

typedef enum afd_session_state {
    AFD_SESSION_AWAY = 0,
    AFD_SESSION_JOINING = 1,
    AFD_SESSION_LIVE = 2
} afd_session_state;

/* AFD_SESSION_AWAY for a session that is out of range. */
afd_session_state afd_ffn_scheduler_state(const afd_ffn_scheduler *scheduler, uint32_t session);

/*
 * How long a live session has delivered nothing, at now_ns on CLOCK_MONOTONIC: since its last take, else since it was
 * admitted. A deadline of afd_ffn_schedule() reports who holds a call up; in groups, where the others go on, this is
 * how a caller finds a session that has gone quiet. 0 for one that is not live or out of range.
 */
uint64_t afd_ffn_scheduler_silent_ns(const afd_ffn_scheduler *scheduler, uint32_t session, uint64_t now_ns);

/*
 * Batching: sorts the slots of the taken sessions by expert, so that a grouped matmul can run over them.
 *
 * Slots come in the order (expert id, session order, token, slot): stable and deterministic. A slot with a sentinel
 * takes no part. Y = session_max * BS * E, less than 2^32, is the most rows there can be.
 */

/* A slot whose expert id is neither in [0, expert_num) nor a sentinel, and the session that lost its place by it. */
typedef struct afd_wild_id {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t token;
    uint32_t slot;
    int32_t expert_id;
} afd_wild_id;

typedef struct afd_ffn_batch_args {
    size_t size;                  /* sizeof(afd_ffn_batch_args), so that it can grow */
    uint32_t expert_num;          /* the experts of this worker x the layers it serves, in [1, AFD_EXPERT_ID_LIMIT) */
    uint32_t session_max;         /* A: the most sessions a batch may have, in [1, S] */
    uint32_t hidden;              /* H, a multiple of 16 */
    afd_token_type type;          /* of the tokens in the window */
    bool need_schedule;           /* wait for the micro-batch ffn.polling_index of all sessions and take it here */
    bool fail_on_wild;            /* a wild id fails the call, which changes nothing; else its session is left out */
    uint32_t layer_num;           /* 1: sessions at different layers in one batch are an error; else not compared */
    afd_ffn_scheduler *scheduler; /* need_schedule: whom to wait for; NULL: everybody */
    void *workspace;              /* 8-byte aligned, of the caller, its content means nothing between calls */
    uint64_t workspace_bytes;     /* at least afd_ffn_batch_workspace_bytes() */
} afd_ffn_batch_args;

#define AFD_FFN_BATCH_ARGS_INIT                                                                                       \
    {                                                                                                                 \
        sizeof(afd_ffn_batch_args), 0, 0, 0, AFD_TOKEN_F16, false, false, 0, NULL, NULL, 0                            \
    }

/* What batching writes; the memory is the caller's. Entries past the counts stay as they were. */
typedef struct afd_ffn_batch_out {
    size_t size;              /* sizeof(afd_ffn_batch_out) */
    void *tokens;             /* [Y][H] of the type's 2 or 1 bytes; NULL: index-only, no row is moved */
    float *dynamic_scale;     /* f32[Y]; needed and written where tokens of int8 are moved, else it may be NULL */
    int64_t *group_list;      /* i64[expert_num][2]: (expert id, count) of the experts that have rows, ascending, then
                                 (0, 0) in every unused row */
    int32_t *session_ids;     /* i32[Y]; these four may be NULL together where `slots` is given */
    int32_t *micro_batch_ids; /* i32[Y] */
    int32_t *token_ids;       /* i32[Y]: the token in its micro-batch */
    int32_t *expert_offsets;  /* i32[Y]: the slot of the token */
    int64_t *slots;           /* i64[Y]: ((s*M + m)*BS + t)*E + k, the slot's place in the token data in units of HS;
                                 may be NULL where the four above are given */
    int32_t *layer_ids;       /* i32[A]: of every taken session, in session order; may be NULL */
    int32_t *taken_sessions;  /* i32[A]: the sessions that were taken, in order; may be NULL */
    uint64_t row_num;         /* out: slots in the batch */
    uint32_t group_num;       /* out: used rows of group_list */
    uint32_t taken_num;       /* out: sessions that were looked at, those left out included */
    afd_wild_id *wild;        /* optional, wild_capacity entries: the first wild id of each session that was left out */
    uint32_t wild_capacity;
    uint32_t wild_num;        /* out: sessions left out, which may be more than wild_capacity */
} afd_ffn_batch_out;

#define AFD_FFN_BATCH_OUT_INIT                                                                                        \
    {                                                                                                                 \
        sizeof(afd_ffn_batch_out), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, 0, 0    \
    }

/* Bytes of workspace for args->session_max, args->expert_num and the context's BS and E; 0 where they do not fit. */
uint64_t afd_ffn_batch_workspace_bytes(const afd_schedule_context *context, const afd_ffn_batch_args *args);

/*
 * Batches what afd_ffn_schedule() left in the context's output area (its first ffn.out_num sessions; 0 is a batch
 * without rows). With need_schedule it does the taking itself: waits, as `wait` says, all-sync on ffn.polling_index,
 * reads each id once into the workspace, refills, gives the descs back, advances polling_index, and leaves the output
 * area alone. The token data stays the producers' until their rounds are over, so it is read here, or later by
 * `slots`.
 *
 * Strides come from the context. schedule_mode is not looked at; run_flag ends a wait. No read leaves
 * token_data_buf_size, nothing from a window is an index before it was checked. The output area's buffers are needed
 * where out_num > 0, layer_ids only where somebody asks: out->layer_ids, or layer_num 1.
 *
 * Results: AFD_OK; with need_schedule AFD_STOPPED, AFD_DEADLINE, AFD_NOBODY_LIVE as afd_ffn_schedule(), with all counts
 * of `out` 0 and nothing else written. Errors name field, value and bound: AFD_ERR_INVALID, AFD_ERR_OVERFLOW; nothing
 * was written but the workspace, and a desc was not given back, so that the same call fails again until the caller has
 * dropped the session that is named. Sessions that were left out have no say in whether layers agree.
 */
afd_status afd_ffn_batch(afd_schedule_context *context, const afd_ffn_batch_args *args, afd_ffn_batch_out *out,
                         afd_wait *wait, afd_error *error);

/* A reply: the rows of one batch on their way back, and the rounds that end with them. */
typedef struct afd_ffn_reply_args {
    size_t size;                    /* sizeof(afd_ffn_reply_args) */
    const void *rows;               /* [row_num][hidden] of `type`: the experts' results, in the order of the batch */
    uint64_t row_num;
    uint32_t hidden;                /* H, a multiple of 16 */
    afd_token_type type;            /* AFD_TOKEN_F16 or AFD_TOKEN_BF16 */
    const int32_t *session_ids;     /* i32[row_num], as batching wrote them; so the next three */
    const int32_t *micro_batch_ids;
    const int32_t *token_ids;
    const int32_t *expert_offsets;
    afd_writer *const *writers;     /* into attention windows */
    uint32_t writer_num;
    const int32_t *session_writers; /* i32[session_num]: the number of a session's writer; NULL: its own number */
    uint32_t session_num;           /* entries of session_writers; not looked at where that is NULL */
    const afd_round *rounds;        /* the rounds that this reply ends, round_num of them, also those without a row; */
    uint32_t round_num;             /* NULL: every (session, micro-batch) that got a row, with layer_id, number 0 */
} afd_ffn_reply_args;

#define AFD_FFN_REPLY_ARGS_INIT                                                                                       \
    {                                                                                                                 \
        sizeof(afd_ffn_reply_args), NULL, 0, 0, AFD_TOKEN_F16, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, NULL, 0      \
    }

/*
 * Sends every row to slot (micro_batch, token, expert_offset) of its session's attention window, then publishes: the
 * flag of a row is set after the row, with release. Everything is checked before the first row is put, so an error in
 * the arguments (AFD_ERR_INVALID, with row, field, value and bound; AFD_ERR_OVERFLOW) has written nothing. Does not
 * wait: the slots of an open round are free.
 *
 * Where `rounds` is given, a row of a round that is not among them stays gathered, for a later reply to publish.
 *
 * What a transport refuses is returned, the first of it, after everybody else was served, with `value` the session and
 * `bound` the micro-batch: only the (session, micro-batch) that failed is not published, and what was put for it is
 * discarded. `rows` stays as it is until the writers are idle (writer.h).
 */
afd_status afd_ffn_reply(const afd_ffn_reply_args *args, afd_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
