/* SPDX-License-Identifier: Apache-2.0 */
/* Built where UCX's headers are not: no message leaves. */
#include "fault_spoil.h"

bool fault_has_ids(const void *where)
{
    (void)where;
    return false;
}

void fault_spoil_ids(void *where, int32_t expert_id)
{
    (void)where;
    (void)expert_id;
}

void fault_spoil_message(void *where, uint64_t seed)
{
    (void)where;
    (void)seed;
}
