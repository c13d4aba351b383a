/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain model of batching: for each expert in turn it looks at every slot of every session. It shares no code with
 * the library, and knows of it only the structures in which a caller hands outputs over.
 */
#ifndef PLAIN_BATCH_H
#define PLAIN_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/ffn.h"

/* The sessions of a batch, as the scheduler's outputs say it. */
typedef struct plain_taken {
    uint32_t num;
    const int32_t *layer_ids;       /* [num] */
    const int32_t *session_ids;     /* [num]; may be out of range */
    const int32_t *micro_batch_ids; /* [num]; may be out of range */
    const int32_t *expert_ids;      /* [num][BS][E] */
} plain_taken;

/*
 * Fills `out` in, whose arrays are as large as the library wants them; token_data is what the real call reads, of
 * `token_data_bytes`. False, with nothing written, where the call has to be refused.
 */
bool plain_batch(const afd_shape *shape, const afd_ffn_batch_args *args, const plain_taken *taken,
                 const uint8_t *token_data, uint64_t token_data_bytes, afd_ffn_batch_out *out);

#endif
