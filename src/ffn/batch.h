/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of one batching call, for the files batch*.c. A batch is a counting sort by expert:
 *
 *     batch_check.c   reads and checks context and arguments once, lays the workspace out
 *     batch_take.c    brings the taken sessions and their ids into the workspace: from the output area or the window
 *     batch_sort.c    checks and counts the ids; then offsets and group list
 *     batch_rows.c    scatters the slots in stable order, and moves their tokens
 *
 * An id is read once, into a private key, and everything after works on the keys: what is counted is what is scattered,
 * whatever a peer does to its desc meanwhile.
 */
#ifndef AFD_FFN_BATCH_H
#define AFD_FFN_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/ffn.h"
#include "base/wait.h"
#include "ffn/plan.h"

/* A session of the batch. */
typedef struct afd__batch_member {
    uint32_t session;     /* in [0, S), once checked */
    uint32_t micro_batch; /* in [0, M), once checked */
    int32_t layer_id;
    bool is_left_out;     /* it has a wild id: none of its slots takes part */
} afd__batch_member;

/* What the scheduler left behind, when the ids come from there. */
typedef struct afd__batch_area {
    const int32_t *layer_ids; /* NULL if nobody asked for them */
    const int32_t *session_ids;
    const int32_t *micro_batch_ids;
    const int32_t *expert_ids;
    uint32_t out_num;         /* at most session_max */
} afd__batch_area;

typedef struct afd__batch {
    /* Of the context. `window` has the counts and, for need_schedule, all that is waited for; its output buffers stay
     * NULL. */
    afd__ffn_plan window;
    afd__batch_area area;         /* without need_schedule */
    uint32_t micro_batch_size;    /* BS */
    uint32_t selected_expert_num; /* E */
    const char *token_data;
    uint64_t token_data_bytes;
    uint64_t slot_bytes;          /* HS */

    /* Of the arguments. */
    uint32_t expert_num;
    uint32_t session_max;
    bool need_schedule;
    bool fail_on_wild;
    bool one_layer;               /* the layers of all members must agree */
    size_t value_bytes;           /* of a token's values: what goes to a row of out->tokens */
    uint64_t token_bytes;         /* of the whole token in its slot, with its scale */
    size_t scale_offset;          /* of an int8 token's scale */
    bool has_scale;

    /* The workspace. */
    afd__batch_member *members;   /* [session_max] */
    uint32_t *cursors;            /* [expert_num]: first the rows of each expert, then where its next row goes */
    int32_t *keys;                /* [session_max][BS*E]: the ids */
    uint32_t member_num;          /* members in use */
} afd__batch;

/* Whether a key is an expert of this worker; else it is a sentinel, or wild. */
static inline bool afd__batch_takes_part(const afd__batch *batch, int32_t key)
{
    return (uint32_t)key < batch->expert_num; /* a negative id becomes a large one */
}

static inline const int32_t *afd__batch_keys(const afd__batch *batch, uint32_t member)
{
    return batch->keys + (size_t)member * batch->window.id_num;
}

/* The number of a member's first slot in the token data; cannot overflow, S*M*BS*E was checked. */
static inline uint64_t afd__batch_first_slot(const afd__batch *batch, const afd__batch_member *member)
{
    uint64_t desc_number = (uint64_t)member->session * batch->window.micro_batch_num + member->micro_batch;
    return desc_number * batch->window.id_num;
}

/* All checks that need no look at ids, in the order that batch_check.c states; fills *batch in only if all pass. */
afd_status afd__batch_make(afd__batch *batch, const afd_schedule_context *context, const afd_ffn_batch_args *args,
                           const afd_ffn_batch_out *out, afd_error *error);

/* Members and keys from the output area. AFD_ERR_INVALID for a session or micro-batch that does not exist. */
afd_status afd__batch_copy_area(afd__batch *batch, afd_error *error);

/* One look at the window for need_schedule: AFD_OK with members and keys copied, and everybody still ready after the
 * copy; AFD_NOT_YET; AFD_ERR_INVALID if more are there than session_max. The window is only read. `first_unseen` is
 * kept between the passes of a call and begins as 0. */
afd_status afd__batch_copy_window(afd__batch *batch, uint32_t *first_unseen, afd_error *error);

/* Refills and gives back the descs of all members, and notes the takes. */
void afd__batch_give_back(const afd__batch *batch);

/* Counts every expert's rows and marks the members that have a wild id; or fails for the first of them. Fails too where
 * layers differ that must agree, and, if `moves_rows`, where a token would be read outside of the token data. */
afd_status afd__batch_count(afd__batch *batch, bool moves_rows, afd_error *error);

/* Turns the counts into cursors, and writes group list, row_num and group_num. */
void afd__batch_write_groups(const afd__batch *batch, afd_ffn_batch_out *out);

/* Writes the members, and those left out. */
void afd__batch_write_members(const afd__batch *batch, afd_ffn_batch_out *out);

/* Writes the slots, and the tokens if there is a place for them. Uses the cursors up. */
void afd__batch_write_rows(const afd__batch *batch, const afd_ffn_batch_out *out);

#endif
