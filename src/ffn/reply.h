/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of one reply, for the files reply*.c. */
#ifndef AFD_FFN_REPLY_H
#define AFD_FFN_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/ffn.h"

/* The arguments, read once. */
typedef struct afd__reply {
    const char *rows;
    uint64_t row_num;
    size_t row_bytes;
    const int32_t *session_ids;
    const int32_t *micro_batch_ids;
    const int32_t *token_ids;
    const int32_t *expert_offsets;
    afd_writer *const *writers;
    uint32_t writer_num;
    const int32_t *session_writers; /* or NULL: a session's number is its writer's */
    uint32_t session_num;           /* the bound of session ids */
    const afd_round *rounds;        /* or NULL: whatever got a row */
    uint32_t round_num;
    uint64_t stride;                /* the number of a pair (session, micro-batch) is session * stride + micro-batch;
                                       more than any micro-batch that comes up */
} afd__reply;

/* The writer of a session that was checked. */
static inline afd_writer *afd__reply_writer(const afd__reply *reply, uint32_t session)
{
    int64_t number = reply->session_writers == NULL ? (int64_t)session : reply->session_writers[session];
    return reply->writers[number];
}

/* All checks, of every row and every round; fills *reply in only if all pass. */
afd_status afd__reply_make(afd__reply *reply, const afd_ffn_reply_args *args, afd_error *error);

#endif
