/* SPDX-License-Identifier: Apache-2.0 */
/* The attention operators once more, as plainly as the contract says them; the tests compare. */
#ifndef PLAIN_ATTENTION_H
#define PLAIN_ATTENTION_H

#include "attention_world.h"

/*
 * One look: AFD_OK, AFD_STOPPED or AFD_NOT_YET. Clears the flags and sets micro_batch_id of `world` itself, which is
 * the model's own.
 */
afd_status plain_attention_schedule(attention_world *world, uint32_t micro_batch);

/* The same result in `output`, u16[token_num][hidden], read from the micro-batch that args and context say. */
void plain_attention_combine(const attention_world *world, const afd_combine_args *args, uint16_t *output);

/* Whether two outputs are the same bit for bit; any NaN is as good as another. */
bool plain_attention_equal(afd_token_type type, const uint16_t *a, const uint16_t *b, size_t num);

#endif
