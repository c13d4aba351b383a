/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_CLI_BENCH_COMPANION_REFERENCE_H
#define AFD_CLI_BENCH_COMPANION_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/ffn.h"

/* A window as the reference sees it: where its parts are. */
typedef struct bench_reference_window {
    int32_t *info; /* FFN: {flag, layer_id, expert_ids[BS][E]}; attention: flag[BS][E] */
    char *data;    /* [BS][E] slots of slot_bytes */
    size_t slot_bytes;
} bench_reference_window;

/* Dispatch of one micro-batch to ranks from 0 on; `slot_num` is E. */
void bench_reference_dispatch(const afd_dispatch_args *args, uint32_t slot_num,
                              const bench_reference_window *windows);

/* Batching of out_num sessions of the context's output area; M is 1. */
void bench_reference_batch(const afd_schedule_context *context, const afd_ffn_batch_args *args,
                           afd_ffn_batch_out *out);

/* A reply to sessions from 0 on; M is 1 and `slot_num` is E. */
void bench_reference_reply(const afd_ffn_reply_args *args, uint32_t slot_num,
                           const bench_reference_window *windows);

/* Combine of the one micro-batch that there is, with slots that lie behind each other. */
void bench_reference_combine(const afd_combine_args *args, uint32_t slot_num, const uint16_t *slots);

#endif
