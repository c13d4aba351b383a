/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/companion.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "out.h"

void *bench_companion_map(bench_companion *world, size_t bytes)
{
    void *memory = world->mapping_num < BENCH_MAPPING_MAX
                       ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : MAP_FAILED;
    if (memory == MAP_FAILED) {
        return NULL;
    }
    world->mappings[world->mapping_num].memory = memory;
    world->mappings[world->mapping_num++].bytes = bytes;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

void bench_companion_pieces(bench_pieces *pieces, size_t num, size_t bytes)
{
    *pieces = (bench_pieces){ .at = afd_cli_alloc(num, sizeof(char *)), .num = num, .bytes = bytes };
}

void bench_companion_reads(bench_companion *world, void *memory, size_t bytes)
{
    bench_pieces *pieces = &world->reads[world->read_num++];
    bench_companion_pieces(pieces, 1, bytes);
    pieces->at[0] = memory;
}

bool bench_companion_blocks(bench_companion *world, size_t from_bytes, size_t read_bytes, size_t to_bytes,
                            size_t row_bytes)
{
    bench_floor_work *floor = &world->floor;
    *floor = (bench_floor_work){ .to = bench_companion_map(world, to_bytes),
                                 .to_bytes = to_bytes,
                                 .from = bench_companion_map(world, from_bytes),
                                 .from_bytes = from_bytes,
                                 .read_bytes = read_bytes,
                                 .row_bytes = row_bytes };
    if (floor->to == NULL || floor->from == NULL) {
        return false;
    }
    for (size_t at = 0; at + sizeof(uint32_t) <= from_bytes; at += sizeof(uint32_t)) {
        uint32_t word = (uint32_t)(at * 2654435761U) >> 1; /* not negative as a number of 32 bits */
        memcpy(floor->from + at, &word, sizeof(word));
    }
    return true;
}

afd_status bench_companion_no_memory(afd_error *error)
{
    *error = (afd_error){ .status = AFD_ERR_NO_MEMORY, .field = "memory", .system_error = ENOMEM };
    (void)snprintf(error->message, sizeof(error->message), "cannot map the memory of the row");
    return AFD_ERR_NO_MEMORY;
}

afd_status bench_companion_add_peer(bench_companion *world, afd_window_kind kind, const afd_shape *shape,
                                    afd_error *error)
{
    const uint32_t number = world->peer_num;
    const bool is_ffn = kind == AFD_WINDOW_FFN;
    afd_window **window = &world->windows[number];
    afd_status status = is_ffn ? afd_ffn_window_create_private(shape, window, error)
                               : afd_attention_window_create_private(shape, window, error);
    if (status == AFD_OK) {
        world->peer_num++;
        status = afd_writer_local_create(*window, &world->writers[number], error);
    }
    if (status == AFD_OK) {
        world->peers[number] = (bench_reference_window){
            .info = is_ffn ? &afd_window_desc(*window, 0, 0)->flag : afd_window_slot_flags(*window, 0),
            .data = afd_window_token_data(*window, 0, 0),
            .slot_bytes = is_ffn ? shape->attn_to_ffn_token_size : shape->ffn_to_attn_token_size,
        };
    }
    return status;
}

void bench_companion_expect(bench_companion *world, afd_status status, const afd_error *error)
{
    if (status != AFD_OK && world->failed == NULL) {
        (void)snprintf(world->message, sizeof(world->message), "%s",
                       status < 0 ? error->message : afd_status_name(status));
        world->failed = world->message;
    }
}

uint16_t bench_companion_half(float value, afd_token_type type)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    if (type == AFD_TOKEN_BF16 || value == 0) {
        return (uint16_t)(bits >> 16);
    }
    return (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 13 & 0x3FFFF) - (112 << 10)));
}

void bench_companion_free(bench_companion *world)
{
    for (uint32_t i = 0; i < world->peer_num; i++) {
        afd_writer_close(world->writers[i]);
        afd_window_close(world->windows[i]);
    }
    afd_context_destroy(world->context);
    afd_window_close(world->own_window);
    for (size_t i = 0; i < world->mapping_num; i++) {
        (void)munmap(world->mappings[i].memory, world->mappings[i].bytes);
    }
    for (size_t i = 0; i < world->read_num; i++) {
        free(world->reads[i].at);
    }
    free(world->writes.at);
}
