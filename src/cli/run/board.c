/* SPDX-License-Identifier: Apache-2.0 */
#include "run/board.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 64 };

/* Hands out parts of a mapping, or only adds them up where there is none yet. */
typedef struct carver {
    char *base; /* NULL while measuring */
    size_t used;
} carver;

static void *carve(carver *from, size_t num, size_t bytes)
{
    size_t at = (from->used + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    from->used = at + num * bytes;
    return from->base == NULL ? NULL : from->base + at;
}

/* The options bound every count, so none of these sizes comes near an overflow. */
static void lay_out(run_board *board, carver *from, const afd_shape *shape, uint32_t top_k)
{
    size_t sheet_num = (size_t)shape->session_num * shape->micro_batch_num;
    size_t token_num = shape->micro_batch_size;
    board->stop = carve(from, 1, sizeof(int32_t));
    board->ffn_stop = carve(from, 1, sizeof(int32_t));
    board->go = carve(from, 1, sizeof(atomic_int));
    board->seats = carve(from, board->member_num, sizeof(run_seat));
    board->sheets = carve(from, sheet_num, sizeof(run_sheet));
    for (size_t i = 0; i < sheet_num; i++) {
        run_sheet sheet = {
            .experts = carve(from, token_num * top_k, sizeof(int32_t)),
            .token_marks = carve(from, token_num, sizeof(uint64_t)),
            .row_marks = carve(from, token_num * shape->selected_expert_num, sizeof(uint64_t)),
        };
        if (board->sheets != NULL) {
            board->sheets[i] = sheet;
        }
    }
}

bool run_board_create(run_board *board, uint32_t ffn_num, const afd_shape *shape, uint32_t top_k, run_failure *failure)
{
    *board = (run_board){ .member_num = ffn_num + shape->session_num, .micro_batch_num = shape->micro_batch_num };
    carver measure = { 0 };
    lay_out(board, &measure, shape, top_k);
    void *mapping = mmap(NULL, measure.used, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        return run_fail(failure, "cannot map %zu bytes for what the workers share: %s", measure.used, strerror(errno));
    }
    carver from = { .base = mapping };
    lay_out(board, &from, shape, top_k);
    board->mapping = mapping;
    board->mapping_bytes = measure.used;
    return true;
}

void run_board_destroy(run_board *board)
{
    if (board->mapping != NULL) {
        (void)munmap(board->mapping, board->mapping_bytes);
        board->mapping = NULL;
    }
}

bool run_seat_may_have_window(const run_seat *seat)
{
    /* A, meets the R in set_phase(): the window stands in the seat before the end does. */
    int phase = atomic_load_explicit(&seat->phase, memory_order_acquire);
    return phase != RUN_PHASE_FAILED || seat->window != NULL;
}

/* Two chains, so that one product does not wait for the one before it. */
uint64_t run_mark_of(const void *memory, size_t bytes)
{
    const char *at = memory;
    uint64_t marks[2] = { UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xC2B2AE3D27D4EB4F) };
    for (size_t done = 0; done + sizeof(marks) <= bytes; done += sizeof(marks)) {
        uint64_t words[2];
        memcpy(words, at + done, sizeof(words));
        marks[0] = (marks[0] ^ words[0]) * UINT64_C(0xBF58476D1CE4E5B9);
        marks[1] = (marks[1] ^ words[1]) * UINT64_C(0x94D049BB133111EB);
        marks[0] ^= marks[0] >> 29;
        marks[1] ^= marks[1] >> 31;
    }
    return (marks[0] ^ (marks[1] << 1)) | 1U;
}
