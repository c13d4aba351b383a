/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ledger.h"

#include <sys/mman.h>

static size_t round_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) / align * align;
}

bool run_ledger_create(run_ledger *ledger, uint32_t session_num, uint32_t micro_batch_num, uint64_t id_num)
{
    /* The options bound every count, so none of these sizes comes near an overflow. */
    size_t entry_bytes = round_up(sizeof(run_entry) + id_num * sizeof(int32_t), alignof(run_entry));
    size_t words_bytes = alignof(run_progress);
    size_t progress_bytes = session_num * sizeof(run_progress);
    size_t bytes = words_bytes + progress_bytes + (size_t)session_num * micro_batch_num * entry_bytes;
    char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    *ledger = (run_ledger){
        .stop = (int32_t *)(void *)mapping,
        .go = (atomic_bool *)(void *)(mapping + sizeof(int32_t)),
        .progress = (run_progress *)(void *)(mapping + words_bytes),
        .entries = mapping + words_bytes + progress_bytes,
        .entry_bytes = entry_bytes,
        .session_num = session_num,
        .micro_batch_num = micro_batch_num,
        .mapping = mapping,
        .mapping_bytes = bytes,
    };
    return true;
}

void run_ledger_destroy(run_ledger *ledger)
{
    if (ledger->mapping != NULL) {
        (void)munmap(ledger->mapping, ledger->mapping_bytes);
        ledger->mapping = NULL;
    }
}
