/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the scheduler object, for the files of this folder. */
#ifndef AFD_FFN_SCHEDULER_H
#define AFD_FFN_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/ffn.h"

typedef struct afd__ffn_session {
    uint64_t heard_ns;     /* of its last take, else of its admission, on CLOCK_MONOTONIC */
    uint32_t cursor;       /* of the group that begins with this session: the micro-batch to look at first, < M */
    uint8_t state;         /* an afd_session_state */
    bool is_copied;        /* early: its ids are in its output row (early.h) */
} afd__ffn_session;

struct afd_ffn_scheduler {
    uint32_t magic;
    uint32_t session_num;
    uint32_t micro_batch_num;
    uint32_t live_num;     /* sessions that are AFD_SESSION_LIVE */
    uint32_t joining_num;  /* sessions that are AFD_SESSION_JOINING */
    bool fair;
    /* What the early copies are of and where they are, to know the call that may go on with them; never followed. */
    const void *early_desc;
    const void *early_rows;
    size_t early_id_num;   /* 0: there are none */
    afd__ffn_session sessions[]; /* [session_num] */
};

/* AFD_OK if `scheduler` is an object that was made for these counts. */
afd_status afd__scheduler_check(const afd_ffn_scheduler *scheduler, uint32_t session_num, uint32_t micro_batch_num,
                                afd_error *error);

/* The session, in [0, session_num), was taken for the first time and is live from now on. */
void afd__scheduler_make_live(afd_ffn_scheduler *scheduler, uint32_t session);

/* The session was just taken: it is live, and heard at now_ns. */
static inline void afd__scheduler_note_taken(afd_ffn_scheduler *scheduler, uint32_t session, uint64_t now_ns)
{
    scheduler->sessions[session].heard_ns = now_ns;
    if (scheduler->sessions[session].state != AFD_SESSION_LIVE) {
        afd__scheduler_make_live(scheduler, session);
    }
}

#endif
