/* SPDX-License-Identifier: Apache-2.0 */
#include "afd/token.h"

#include "base/platform.h"

enum {
    SCALE_ALIGN = 32,
    SCALE_BYTES = 4,       /* one f32 */
    ORIGINAL_SCALE_ROOM = 128 /* what the original keeps behind the values of an int8 token */
};

uint64_t afd_token_scale_offset(uint32_t hidden)
{
    return ((uint64_t)hidden + SCALE_ALIGN - 1) / SCALE_ALIGN * SCALE_ALIGN;
}

uint64_t afd_token_bytes(afd_token_type type, uint32_t hidden)
{
    switch (type) {
    case AFD_TOKEN_F16:
    case AFD_TOKEN_BF16:
        return (uint64_t)hidden * 2;
    case AFD_TOKEN_INT8:
        return afd_token_scale_offset(hidden) + SCALE_BYTES;
    }
    return 0;
}

uint64_t afd_token_slot_bytes(afd_token_type type, uint32_t hidden)
{
    switch (type) {
    case AFD_TOKEN_F16:
    case AFD_TOKEN_BF16:
        return (uint64_t)hidden * 2;
    case AFD_TOKEN_INT8:
        return (uint64_t)hidden + ORIGINAL_SCALE_ROOM;
    }
    return 0;
}
