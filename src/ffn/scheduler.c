/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/scheduler.h"

#include <assert.h>
#include <inttypes.h>
#include <stdalign.h>

#include "afd/wait.h"
#include "base/check.h"
#include "base/error.h"

#define SCHEDULER_MAGIC UINT32_C(0x48435346) /* "FSCH" */

/* The promise of ffn.h, at its tightest: one session with one micro-batch. */
static_assert(sizeof(afd_ffn_scheduler) + sizeof(afd__ffn_session) <= 64, "at most 64 bytes a (session, micro-batch)");

uint64_t afd_ffn_scheduler_footprint(uint32_t session_num, uint32_t micro_batch_num)
{
    if (session_num == 0 || micro_batch_num == 0) {
        return 0;
    }
    return sizeof(afd_ffn_scheduler) + (uint64_t)session_num * sizeof(afd__ffn_session);
}

static afd_status check_new(uint32_t session_num, uint32_t micro_batch_num, const afd_ffn_scheduler_options *options,
                            const void *memory, uint64_t bytes, afd_error *error)
{
    uint64_t needed = afd_ffn_scheduler_footprint(session_num, micro_batch_num);
    if (needed == 0) {
        const char *field = session_num == 0 ? "session_num" : "micro_batch_num";
        return afd__fail(error, AFD_ERR_INVALID, field, 0, 1, "%s is 0, must be at least 1", field);
    }
    if (options != NULL && options->size != sizeof(*options)) {
        return afd__fail_size("options.size", options->size, sizeof(*options), "AFD_FFN_SCHEDULER_OPTIONS_INIT", error);
    }
    if (memory == NULL || (uintptr_t)memory % alignof(afd_ffn_scheduler) != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "memory", (uint64_t)(uintptr_t)memory, alignof(afd_ffn_scheduler),
                         "memory is %p, must be %zu-byte aligned and not null", memory, alignof(afd_ffn_scheduler));
    }
    if (bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, "bytes", bytes, needed,
                         "the memory for the scheduler object has %" PRIu64 " bytes, needs %" PRIu64, bytes, needed);
    }
    return AFD_OK;
}

afd_status afd_ffn_scheduler_new(uint32_t session_num, uint32_t micro_batch_num,
                                 const afd_ffn_scheduler_options *options, void *memory, uint64_t bytes,
                                 afd_ffn_scheduler **scheduler, afd_error *error)
{
    afd_status status = check_new(session_num, micro_batch_num, options, memory, bytes, error);
    if (status != AFD_OK) {
        return status;
    }
    bool start_empty = options != NULL && options->start_empty;
    uint64_t now_ns = afd_clock_ns();
    afd_ffn_scheduler *made = memory;
    *made = (afd_ffn_scheduler){
        .magic = SCHEDULER_MAGIC,
        .session_num = session_num,
        .micro_batch_num = micro_batch_num,
        .live_num = start_empty ? 0 : session_num,
        .fair = options != NULL && options->fair,
    };
    for (uint32_t s = 0; s < session_num; s++) {
        made->sessions[s] = (afd__ffn_session){
            .heard_ns = now_ns,
            .state = start_empty ? AFD_SESSION_AWAY : AFD_SESSION_LIVE,
        };
    }
    *scheduler = made;
    return AFD_OK;
}

afd_status afd__scheduler_check(const afd_ffn_scheduler *scheduler, uint32_t session_num, uint32_t micro_batch_num,
                                afd_error *error)
{
    if (scheduler->magic != SCHEDULER_MAGIC) {
        return afd__fail(error, AFD_ERR_INVALID, "args.scheduler", scheduler->magic, SCHEDULER_MAGIC,
                         "args.scheduler is no scheduler object: it does not come from afd_ffn_scheduler_new()");
    }
    if (scheduler->session_num != session_num) {
        return afd__fail(error, AFD_ERR_INVALID, "args.scheduler.session_num", scheduler->session_num, session_num,
                         "the scheduler object is for %" PRIu32 " sessions, the context has %" PRIu32,
                         scheduler->session_num, session_num);
    }
    if (scheduler->micro_batch_num != micro_batch_num) {
        return afd__fail(error, AFD_ERR_INVALID, "args.scheduler.micro_batch_num", scheduler->micro_batch_num,
                         micro_batch_num,
                         "the scheduler object is for %" PRIu32 " micro-batches, the context has %" PRIu32,
                         scheduler->micro_batch_num, micro_batch_num);
    }
    return AFD_OK;
}

static afd_status check_session(const afd_ffn_scheduler *scheduler, uint32_t session, afd_error *error)
{
    if (session >= scheduler->session_num) {
        return afd__fail(error, AFD_ERR_INVALID, "session", session, scheduler->session_num,
                         "session is %" PRIu32 ", must be below %" PRIu32, session, scheduler->session_num);
    }
    return AFD_OK;
}

static void set_state(afd_ffn_scheduler *scheduler, uint32_t session, afd_session_state state)
{
    afd__ffn_session *entry = &scheduler->sessions[session];
    scheduler->live_num -= entry->state == AFD_SESSION_LIVE;
    scheduler->joining_num -= entry->state == AFD_SESSION_JOINING;
    entry->state = (uint8_t)state;
    scheduler->early_id_num = 0; /* which row is whose depends on who is live */
    scheduler->live_num += state == AFD_SESSION_LIVE;
    scheduler->joining_num += state == AFD_SESSION_JOINING;
}

afd_status afd_ffn_scheduler_admit(afd_ffn_scheduler *scheduler, uint32_t session, afd_error *error)
{
    afd_status status = check_session(scheduler, session, error);
    if (status == AFD_OK && scheduler->sessions[session].state == AFD_SESSION_AWAY) {
        set_state(scheduler, session, AFD_SESSION_JOINING);
        scheduler->sessions[session].heard_ns = afd_clock_ns();
    }
    return status;
}

afd_status afd_ffn_scheduler_drop(afd_ffn_scheduler *scheduler, uint32_t session, afd_error *error)
{
    afd_status status = check_session(scheduler, session, error);
    if (status == AFD_OK) {
        set_state(scheduler, session, AFD_SESSION_AWAY);
    }
    return status;
}

afd_session_state afd_ffn_scheduler_state(const afd_ffn_scheduler *scheduler, uint32_t session)
{
    return session < scheduler->session_num ? (afd_session_state)scheduler->sessions[session].state
                                            : AFD_SESSION_AWAY;
}

uint64_t afd_ffn_scheduler_silent_ns(const afd_ffn_scheduler *scheduler, uint32_t session, uint64_t now_ns)
{
    if (afd_ffn_scheduler_state(scheduler, session) != AFD_SESSION_LIVE) {
        return 0;
    }
    uint64_t heard_ns = scheduler->sessions[session].heard_ns;
    return now_ns > heard_ns ? now_ns - heard_ns : 0;
}

void afd__scheduler_make_live(afd_ffn_scheduler *scheduler, uint32_t session)
{
    set_state(scheduler, session, AFD_SESSION_LIVE);
}
