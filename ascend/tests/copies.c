/* SPDX-License-Identifier: Apache-2.0 */
#include "copies.h"

#include <stdlib.h>

#include "afd/transport.h"
#include "front_test.h"
#include "strided.h"

rank_world ranks;
uint8_t *copies[RANK_MAX];

int copies_set_up(void **state)
{
    (void)state;
    strided_seed();
    assert_ok(setenv("HCCL_BUFFSIZE", "1", 1));
    assert_ok(aclInit(NULL));
    return 0;
}

int copies_tear_down(void **state)
{
    (void)state;
    assert_ok(aclFinalize());
    (void)aclGetRecentErrMsg();
    return 0;
}

void start_ranks(uint32_t rank_num)
{
    assert_int_equal(rank_world_create(&ranks, rank_num), 0);
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        copies[rank] = calloc(1, WINDOW_BYTES);
        assert_non_null(copies[rank]);
    }
}

void end_ranks(void)
{
    for (uint32_t rank = 0; rank < ranks.rank_num; rank++) {
        free(copies[rank]);
    }
    rank_world_destroy(&ranks);
}

void assert_same_windows(void)
{
    for (uint32_t rank = 0; rank < ranks.rank_num; rank++) {
        const uint8_t *front = rank_world_window(&ranks, rank);
        for (size_t i = 0; memcmp(front, copies[rank], WINDOW_BYTES) != 0 && i < WINDOW_BYTES; i++) {
            if (front[i] != copies[rank][i]) {
                fail_msg("rank %u: byte %zu is 0x%02x natively and 0x%02x through the front", rank, i, copies[rank][i],
                         front[i]);
            }
        }
    }
}

void make_writers(afd_window_kind kind, const afd_shape *shape, const afd_window_sizes *sizes,
                         afd_writer **writers)
{
    for (uint32_t rank = 0; rank < ranks.rank_num; rank++) {
        const uint64_t start = (uint64_t)(uintptr_t)copies[rank];
        const afd_window_fields fields = { start, sizes->token_info_bytes, start + sizes->token_data_offset,
                                           sizes->token_data_bytes };
        assert_true(sizes->window_bytes <= WINDOW_BYTES);
        assert_int_equal(afd_writer_memory_create(kind, shape, &fields, &writers[rank], NULL), AFD_OK);
    }
}

void close_writers(afd_writer **writers)
{
    for (uint32_t rank = 0; rank < ranks.rank_num; rank++) {
        afd_writer_close(writers[rank]);
    }
}

void fill_randomly(void *memory, size_t byte_num)
{
    uint8_t *bytes = memory;
    for (size_t i = 0; i < byte_num; i++) {
        bytes[i] = (uint8_t)strided_pick(0, 255);
    }
}
