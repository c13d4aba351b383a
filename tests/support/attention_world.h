/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attention context and its window for tests. Token info and token data are blocks of exactly their size, so that a
 * sanitizer sees every access past them; a snapshot holds all bytes that an operator could write.
 */
#ifndef ATTENTION_WORLD_H
#define ATTENTION_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/attention.h"
#include "afd/window.h"

typedef struct attention_world {
    afd_schedule_context *context;
    afd_shape shape;
    afd_window_sizes sizes;
    int32_t *flags;      /* [M][BS][E] */
    uint8_t *token_data; /* [M][BS][E][slot_bytes] */
} attention_world;

/* M micro-batches of BS tokens with E slots of slot_bytes. All flags are free, the data is noise of a fixed seed. */
attention_world *attention_world_new(uint32_t micro_batch_num, uint32_t micro_batch_size, uint32_t selected_expert_num,
                                     uint32_t slot_bytes);
void attention_world_free(attention_world *world);

int32_t *attention_world_flag(const attention_world *world, uint32_t micro_batch, uint32_t token, uint32_t slot);

/* Sets all flags of a micro-batch. */
void attention_world_arm(const attention_world *world, uint32_t micro_batch, int32_t flag);

/* Everything, as it is now, to be freed; and whether everything is as it was then. */
uint8_t *attention_world_copy(const attention_world *world);
bool attention_world_equals(const attention_world *world, const uint8_t *copy);

#endif
