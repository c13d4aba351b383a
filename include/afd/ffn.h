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
#include "afd/wait.h"

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
                                     It pays where ids come from memory or another core, and costs where they are in
                                     the near cache. Early copies are made by the calling thread alone */
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

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
