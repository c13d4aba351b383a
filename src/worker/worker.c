/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"
#include "context/shape.h"

enum { PART_ALIGN_BYTES = 64, SLOT_MULTIPLE = 4 };

void *afd__worker_new(size_t bytes, afd_error *error)
{
    void *worker = calloc(1, bytes);
    if (worker == NULL) {
        (void)afd__fail(error, AFD_ERR_NO_MEMORY, "worker", bytes, 0, "no memory for a worker object of %zu bytes",
                        bytes);
    }
    return worker;
}

afd_status afd__check_options_size(uint64_t size, uint64_t expected, afd_error *error)
{
    if (size == expected) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "options.size", size, expected,
                     "options.size is %" PRIu64 ", must be %" PRIu64 ", the size of the structure", size, expected);
}

afd_status afd__check_sessions(const afd_shape *shape, uint32_t sync_group_size, afd_error *error)
{
    afd_status status = afd__shape_check_counts(shape, afd__shape_fields, error);
    if (status == AFD_OK) {
        /* A scheduling call takes it as a signed number. */
        uint32_t most = shape->session_num < INT32_MAX ? shape->session_num : INT32_MAX;
        status = afd__check_range("options.sync_group_size", sync_group_size, 1, most, error);
    }
    if (status == AFD_OK && shape->session_num % sync_group_size != 0) {
        status = afd__fail(error, AFD_ERR_INVALID, "options.sync_group_size", sync_group_size, shape->session_num,
                           "options.sync_group_size is %" PRIu32 ", must divide shape.session_num, which is %" PRIu32,
                           sync_group_size, shape->session_num);
    }
    return status;
}

afd_status afd__check_slot_bytes(const char *field, uint32_t slot_bytes, uint64_t needed, afd_error *error)
{
    if (slot_bytes < needed) {
        return afd__fail(error, AFD_ERR_INVALID, field, slot_bytes, needed,
                         "%s is %" PRIu32 ", must be at least the %" PRIu64 " bytes of a token", field, slot_bytes,
                         needed);
    }
    if (slot_bytes % SLOT_MULTIPLE != 0) {
        return afd__fail(error, AFD_ERR_INVALID, field, slot_bytes, SLOT_MULTIPLE,
                         "%s is %" PRIu32 ", must be a multiple of %d", field, slot_bytes, SLOT_MULTIPLE);
    }
    return AFD_OK;
}

static const char *name_of_kind(afd_window_kind kind)
{
    return kind == AFD_WINDOW_FFN ? "an FFN window" : "an attention window";
}

afd_status afd__check_writer(const afd_writer *writer, afd_window_kind kind, const afd_shape *shape,
                             uint64_t row_bytes, afd_error *error)
{
    if (writer == NULL) {
        return afd__check_not_null("writer", writer, error);
    }
    if (writer->ops == NULL || writer->ops->size < sizeof(afd_writer_ops)) {
        return afd__fail(error, AFD_ERR_INVALID, "writer.ops", writer->ops == NULL ? 0 : writer->ops->size,
                         sizeof(afd_writer_ops), "the writer has not the functions of this version");
    }
    if (writer->kind != kind) {
        return afd__fail(error, AFD_ERR_INVALID, "writer.kind", (uint64_t)writer->kind, (uint64_t)kind,
                         "the writer is for %s, must be for %s", name_of_kind(writer->kind), name_of_kind(kind));
    }
    const struct {
        const char *field;
        uint32_t value;
        uint32_t expected;
    } counts[] = {
        { "writer.shape.session_num", writer->shape.session_num, shape->session_num },
        { "writer.shape.micro_batch_num", writer->shape.micro_batch_num, shape->micro_batch_num },
        { "writer.shape.micro_batch_size", writer->shape.micro_batch_size, shape->micro_batch_size },
        { "writer.shape.selected_expert_num", writer->shape.selected_expert_num, shape->selected_expert_num },
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i].value != counts[i].expected) {
            return afd__fail(error, AFD_ERR_INVALID, counts[i].field, counts[i].value, counts[i].expected,
                             "%s is %" PRIu32 " in the peer's window and %" PRIu32 " in the worker's",
                             counts[i].field, counts[i].value, counts[i].expected);
        }
    }
    if (writer->slot_bytes < row_bytes) {
        return afd__fail(error, AFD_ERR_INVALID, "writer.slot_bytes", writer->slot_bytes, row_bytes,
                         "a slot of the peer's window has %" PRIu64 " bytes, must have at least the %" PRIu64
                         " of a token",
                         writer->slot_bytes, row_bytes);
    }
    return AFD_OK;
}

void *afd__memory_carve(afd__memory *memory, uint64_t count, uint64_t each)
{
    uint64_t offset = memory->carved_bytes;
    uint64_t part_bytes = 0;
    uint64_t end = 0;
    if (!afd__mul_u64(count, each, &part_bytes) || !afd__round_up_u64(part_bytes, PART_ALIGN_BYTES, &part_bytes) ||
        !afd__add_u64(offset, part_bytes, &end)) {
        memory->overflows = true;
        return NULL;
    }
    memory->carved_bytes = end;
    return memory->base == NULL ? NULL : memory->base + offset;
}

afd_status afd__memory_reserve(afd__memory *memory, const char *what, afd_error *error)
{
    if (memory->overflows) {
        return afd__fail(error, AFD_ERR_OVERFLOW, what, 0, UINT64_MAX, "%s does not fit 64 bits", what);
    }
    void *base = mmap(NULL, memory->carved_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        int system_error = errno;
        char text[96];
        (void)snprintf(text, sizeof(text), "reserve %" PRIu64 " bytes for %s", memory->carved_bytes, what);
        afd_status status = afd__fail_system(error, system_error, what, text);
        if (error != NULL) {
            error->value = memory->carved_bytes;
        }
        return status;
    }
    memory->base = base;
    memory->reserved_bytes = memory->carved_bytes;
    memory->carved_bytes = 0;
    return AFD_OK;
}

void afd__memory_release(afd__memory *memory)
{
    if (memory->base != NULL) {
        (void)munmap(memory->base, memory->reserved_bytes);
    }
}
