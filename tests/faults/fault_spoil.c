/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_spoil.h"

#include <string.h>

#include "transport/ucx/link.h"

enum { SPOILING_NUM = 8 };

/* The entries stand behind the rows, in no alignment. */
static void write_entry(afd__lane *lane, uint32_t index, afd__wire_entry entry)
{
    char *entries = lane->sent_payload + lane->sent.row_num * lane->sent.row_bytes;
    memcpy(entries + index * sizeof(entry), &entry, sizeof(entry));
}

bool fault_has_ids(const void *where)
{
    const afd__lane *lane = where;
    return lane->sent.row_num > 0;
}

void fault_spoil_ids(void *where, int32_t expert_id)
{
    afd__lane *lane = where;
    write_entry(lane, 0, (afd__wire_entry){ lane->entries[0].slot, expert_id });
}

void fault_spoil_message(void *where, uint64_t seed)
{
    afd__lane *lane = where;
    /* What is in front of the key, and the key, say whose message it is: with those wrong it is a stranger's, for which
     * no link suffers (the unit tests have them). */
    switch (seed % SPOILING_NUM) {
    case 0:
        lane->sent.row_num++;
        break;
    case 1:
        lane->sent.row_bytes++;
        break;
    case 2:
        lane->sent.kind = AFD__WIRE_ANSWER;
        break;
    case 3:
        lane->sent.micro_batch = UINT32_MAX;
        break;
    case 4:
        lane->sent.round += 3;
        break;
    case 5:
        lane->sent.session++;
        break;
    case 6:
        write_entry(lane, 0, (afd__wire_entry){ UINT32_MAX, 0 });
        lane->sent.layer_id = -1; /* where there is no row, either */
        break;
    default:
        lane->sent.reserved = 1;
        break;
    }
}
