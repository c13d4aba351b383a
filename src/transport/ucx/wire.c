/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "afd/window.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"

static_assert(sizeof(afd__wire_header) == 64, "a header has one size");
static_assert(offsetof(afd__wire_header, version) == 8, "the version is found in every version");
static_assert(offsetof(afd__wire_header, key) == 16 && offsetof(afd__wire_header, session) == 32 &&
                  offsetof(afd__wire_header, row_bytes) == 48,
              "no holes");
static_assert(sizeof(afd__wire_entry) == 8, "an entry has one size");

afd_status afd__wire_fits(const afd_shape *shape, uint64_t row_bytes, afd_error *error)
{
    uint64_t slot_num = (uint64_t)shape->micro_batch_size * shape->selected_expert_num;
    uint64_t bytes = 0;
    if (slot_num > UINT32_MAX) {
        return afd__fail(error, AFD_ERR_OVERFLOW, "shape", slot_num, UINT32_MAX,
                         "a micro-batch has %" PRIu64 " slots, can have at most %" PRIu32 " between hosts", slot_num,
                         UINT32_MAX);
    }
    if (!afd__add_u64(row_bytes, sizeof(afd__wire_entry), &bytes) || !afd__mul_u64(bytes, slot_num, &bytes)) {
        return afd__fail(error, AFD_ERR_OVERFLOW, "row_bytes", row_bytes, UINT64_MAX,
                         "%" PRIu64 " rows of %" PRIu64 " bytes do not fit 64 bits", slot_num, row_bytes);
    }
    return AFD_OK;
}

afd_status afd__wire_read(const void *bytes, size_t byte_num, afd__wire_header *header, afd_error *error)
{
    afd__wire_header copy;
    if (byte_num != sizeof(copy)) {
        return afd__fail(error, AFD_ERR_INVALID, "header.bytes", byte_num, sizeof(copy),
                         "a header of %zu bytes came in, one has %zu", byte_num, sizeof(copy));
    }
    memcpy(&copy, bytes, sizeof(copy));
    if (copy.magic != AFD__WIRE_MAGIC) {
        return afd__fail(error, AFD_ERR_INVALID, "header.magic", copy.magic, AFD__WIRE_MAGIC,
                         "a header begins with 0x%016" PRIx64 ", must begin with 0x%016" PRIx64, copy.magic,
                         AFD__WIRE_MAGIC);
    }
    if (copy.version != AFD__WIRE_VERSION) {
        return afd__fail(error, AFD_ERR_INVALID, "header.version", copy.version, AFD__WIRE_VERSION,
                         "a peer sends version %" PRIu32 " of the token messages, this one reads version %d",
                         copy.version, AFD__WIRE_VERSION);
    }
    afd_status status = afd__check_range("header.kind", copy.kind, AFD__WIRE_ATTACH, AFD__WIRE_ANSWER, error);
    if (status == AFD_OK) {
        status = afd__check_range("header.key", copy.key, 1, UINT64_MAX, error);
    }
    if (status == AFD_OK) {
        *header = copy;
    }
    return status;
}

/* A number that leaves no choice. */
static afd_status check_is(const char *field, uint64_t value, uint64_t expected, afd_error *error)
{
    if (value == expected) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, field, value, expected, "%s is %" PRIu64 ", must be %" PRIu64, field,
                     value, expected);
}

static afd_status check_layer(int32_t layer_id, int32_t highest, afd_error *error)
{
    if (layer_id >= 0 && layer_id <= highest) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_INVALID, "header.layer_id", (uint64_t)(int64_t)layer_id, (uint64_t)highest,
                     "header.layer_id is %" PRId32 ", must be in [0, %" PRId32 "]", layer_id, highest);
}

afd_status afd__wire_check(const afd__wire_header *header, size_t payload_bytes, const afd__wire_rules *rules,
                           afd_error *error)
{
    const bool greets = header->kind == rules->greeting;
    const struct {
        const char *field;
        uint64_t value;
        uint64_t low;
        uint64_t high;
    } ranges[] = {
        { "header.round", header->round, greets ? 0 : 1, greets ? 0 : UINT64_MAX },
        { "header.micro_batch", header->micro_batch, 0, greets ? 0 : rules->micro_batch_num - 1 },
        { "header.row_num", header->row_num, 0, greets ? 0 : rules->slot_num },
    };
    if (!greets && header->kind != rules->carrier) {
        return afd__fail(error, AFD_ERR_INVALID, "header.kind", header->kind, rules->carrier,
                         "header.kind is %" PRIu32 ", must be %d or %d in this direction", header->kind,
                         (int)rules->greeting, (int)rules->carrier);
    }
    afd_status status = check_is("header.session", header->session, rules->session, error);
    for (size_t i = 0; status == AFD_OK && i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        status = afd__check_range(ranges[i].field, ranges[i].value, ranges[i].low, ranges[i].high, error);
    }
    if (status == AFD_OK) {
        status = check_layer(header->layer_id, header->kind == AFD__WIRE_ROUND ? INT32_MAX : 0, error);
    }
    if (status == AFD_OK) {
        status = check_is("header.row_bytes", header->row_bytes, rules->row_bytes, error);
    }
    if (status == AFD_OK) {
        status = check_is("header.reserved", header->reserved, 0, error);
    }
    if (status == AFD_OK) {
        status = check_is("payload.bytes", payload_bytes, afd__wire_payload_bytes(header->row_num, header->row_bytes),
                          error);
    }
    return status;
}

afd__wire_entry afd__wire_entry_at(const afd__wire_header *header, const void *payload, uint32_t index)
{
    afd__wire_entry entry;
    const char *entries = (const char *)payload + header->row_num * header->row_bytes;
    memcpy(&entry, entries + index * sizeof(entry), sizeof(entry));
    return entry;
}

static afd_status check_entry(const afd__wire_header *header, const afd__wire_entry *entry, uint32_t slot_num,
                              const uint64_t *seen, afd_error *error)
{
    const int32_t id_num = header->kind == AFD__WIRE_ROUND ? AFD_EXPERT_ID_LIMIT : 1;
    if (entry->slot >= slot_num) {
        return afd__fail(error, AFD_ERR_INVALID, "entry.slot", entry->slot, slot_num,
                         "entry.slot is %" PRIu32 ", must be below %" PRIu32, entry->slot, slot_num);
    }
    if ((seen[entry->slot / 64] >> entry->slot % 64 & 1) != 0) {
        return afd__fail(error, AFD_ERR_INVALID, "entry.slot", entry->slot, 1,
                         "slot %" PRIu32 " is more than once in one message", entry->slot);
    }
    if (entry->expert_id < 0 || entry->expert_id >= id_num) {
        return afd__fail(error, AFD_ERR_INVALID, "entry.expert_id", (uint64_t)(int64_t)entry->expert_id,
                         (uint64_t)id_num, "entry.expert_id is %" PRId32 ", must be in [0, %" PRId32 ")",
                         entry->expert_id, id_num);
    }
    return AFD_OK;
}

afd_status afd__wire_check_entries(const afd__wire_header *header, const void *payload, const afd__wire_rules *rules,
                                   uint64_t *seen, afd_error *error)
{
    afd_status status = AFD_OK;
    uint32_t good_num = 0;
    while (status == AFD_OK && good_num < header->row_num) {
        const afd__wire_entry entry = afd__wire_entry_at(header, payload, good_num);
        status = check_entry(header, &entry, rules->slot_num, seen, error);
        if (status == AFD_OK) {
            seen[entry.slot / 64] |= UINT64_C(1) << entry.slot % 64;
            good_num++;
        }
    }
    for (uint32_t i = 0; i < good_num; i++) {
        const uint32_t slot = afd__wire_entry_at(header, payload, i).slot;
        seen[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    }
    return status;
}
