/* SPDX-License-Identifier: Apache-2.0 */
#include "plain_scheduler.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Where the fields lie in the 1024 bytes. */
enum {
    AT_SESSION_NUM = 0,
    AT_MICRO_BATCH_NUM = 4,
    AT_MICRO_BATCH_SIZE = 8,
    AT_SELECTED_EXPERT_NUM = 12,
    AT_SCHEDULE_MODE = 28,
    AT_RUN_FLAG = 128,
    AT_TOKEN_INFO = 384,
    AT_TOKEN_INFO_SIZE = 392,
    AT_TOKEN_DATA = 400,
    AT_POLLING_INDEX = 416,
    AT_LAYER_IDS = 512,
    AT_LAYER_IDS_SIZE = 520,
    AT_SESSION_IDS = 528,
    AT_SESSION_IDS_SIZE = 536,
    AT_MICRO_BATCH_IDS = 544,
    AT_MICRO_BATCH_IDS_SIZE = 552,
    AT_EXPERT_IDS = 560,
    AT_EXPERT_IDS_SIZE = 568,
    AT_OUT_NUM = 576
};

/* ---- numbers in bytes, little-endian whatever the machine is ---- */

static uint64_t get_bytes(const uint8_t *at, int byte_num)
{
    uint64_t value = 0;
    for (int i = byte_num - 1; i >= 0; i--) {
        value = value << 8 | at[i];
    }
    return value;
}

static void put_bytes(uint8_t *at, int byte_num, uint64_t value)
{
    for (int i = 0; i < byte_num; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)get_bytes(at, 4);
}

static uint64_t get_u64(const uint8_t *at)
{
    return get_bytes(at, 8);
}

/* ---- membership ---- */

static void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

plain_scheduler *plain_scheduler_new(uint32_t session_num, uint32_t micro_batch_num, bool fair, bool start_empty)
{
    plain_scheduler *scheduler = allocate(1, sizeof(*scheduler));
    scheduler->session_num = session_num;
    scheduler->micro_batch_num = micro_batch_num;
    scheduler->fair = fair;
    scheduler->members = allocate(session_num, sizeof(*scheduler->members));
    scheduler->cursors = allocate(session_num, sizeof(*scheduler->cursors));
    for (uint32_t s = 0; s < session_num; s++) {
        scheduler->members[s] = start_empty ? PLAIN_AWAY : PLAIN_LIVE;
    }
    return scheduler;
}

void plain_scheduler_free(plain_scheduler *scheduler)
{
    if (scheduler != NULL) {
        free(scheduler->members);
        free(scheduler->cursors);
        free(scheduler);
    }
}

void plain_scheduler_admit(plain_scheduler *scheduler, uint32_t session)
{
    if (scheduler->members[session] == PLAIN_AWAY) {
        scheduler->members[session] = PLAIN_JOINING;
    }
}

void plain_scheduler_drop(plain_scheduler *scheduler, uint32_t session)
{
    scheduler->members[session] = PLAIN_AWAY;
}

/* Without a scheduler object every session is live. */
static plain_member member_of(const plain_scheduler *scheduler, uint32_t session)
{
    return scheduler == NULL ? PLAIN_LIVE : scheduler->members[session];
}

/* ---- checks ---- */

/* a * b, or false if it needs more than 64 bits: found by division, so as to share nothing with the library. */
static bool multiply(uint64_t a, uint64_t b, uint64_t *product)
{
    *product = a * b;
    return a == 0 || *product / a == b;
}

afd_status plain_check(const uint8_t context[1024], int32_t sync_group_size, int32_t execute_mode,
                       const plain_scheduler *scheduler)
{
    static const int addresses[6] = { AT_TOKEN_INFO,  AT_TOKEN_DATA,      AT_LAYER_IDS,
                                      AT_SESSION_IDS, AT_MICRO_BATCH_IDS, AT_EXPERT_IDS };
    if (context == NULL || get_u32(context + AT_SCHEDULE_MODE) != 0) {
        return AFD_ERR_INVALID;
    }
    uint64_t s = get_u32(context + AT_SESSION_NUM);
    uint64_t m = get_u32(context + AT_MICRO_BATCH_NUM);
    uint64_t bs = get_u32(context + AT_MICRO_BATCH_SIZE);
    uint64_t e = get_u32(context + AT_SELECTED_EXPERT_NUM);
    if (s == 0 || m == 0 || bs == 0 || e == 0) {
        return AFD_ERR_INVALID;
    }
    for (int i = 0; i < 6; i++) {
        if (get_u64(context + addresses[i]) == 0) {
            return AFD_ERR_INVALID;
        }
    }
    uint64_t ids_bytes = 0;
    uint64_t info_bytes = 0;
    uint64_t expert_bytes = 0;
    if (!multiply(4, bs * e, &ids_bytes) || ids_bytes > UINT64_MAX - 8 ||
        !multiply(s * m, ids_bytes + 8, &info_bytes) || !multiply(s, ids_bytes, &expert_bytes)) {
        return AFD_ERR_OVERFLOW;
    }
    bool large_enough = get_u64(context + AT_TOKEN_INFO_SIZE) >= info_bytes &&
                        get_u64(context + AT_LAYER_IDS_SIZE) >= 4 * s &&
                        get_u64(context + AT_SESSION_IDS_SIZE) >= 4 * s &&
                        get_u64(context + AT_MICRO_BATCH_IDS_SIZE) >= 4 * s &&
                        get_u64(context + AT_EXPERT_IDS_SIZE) >= expert_bytes;
    if (!large_enough || get_u64(context + AT_POLLING_INDEX) >= m) {
        return AFD_ERR_INVALID;
    }
    if (sync_group_size <= 0 || (uint64_t)sync_group_size > s || s % (uint64_t)sync_group_size != 0 ||
        execute_mode != 0) {
        return AFD_ERR_INVALID;
    }
    for (int i = 0; i < 6; i++) {
        /* Token data is not touched, so how it is aligned does not matter. */
        if (addresses[i] != AT_TOKEN_DATA && get_u64(context + addresses[i]) % 4 != 0) {
            return AFD_ERR_INVALID;
        }
    }
    if (scheduler != NULL && (scheduler->session_num != s || scheduler->micro_batch_num != m)) {
        return AFD_ERR_INVALID;
    }
    return AFD_OK;
}

/* ---- taking ---- */

/* One call: the memory, and the counts of its context. */
typedef struct call {
    const plain_memory *memory;
    uint32_t session_num;
    uint32_t micro_batch_num;
    uint64_t ids_bytes; /* of one desc */
    uint32_t taken_num;
} call;

static uint8_t *desc_at(const call *c, uint32_t session, uint32_t micro_batch)
{
    uint64_t number = (uint64_t)session * c->micro_batch_num + micro_batch;
    return c->memory->token_info + number * (8 + c->ids_bytes);
}

static bool is_ready(const call *c, uint32_t session, uint32_t micro_batch)
{
    return get_u32(desc_at(c, session, micro_batch)) == 1;
}

/* A group is ready at a micro-batch when none of its live members is missing there, and somebody is there to take. */
static bool group_is_ready(const call *c, const plain_scheduler *scheduler, uint32_t first, uint32_t size,
                           uint32_t micro_batch)
{
    bool somebody = false;
    for (uint32_t s = first; s < first + size; s++) {
        plain_member member = member_of(scheduler, s);
        bool ready = is_ready(c, s, micro_batch);
        if (member == PLAIN_LIVE && !ready) {
            return false;
        }
        somebody = somebody || (member != PLAIN_AWAY && ready);
    }
    return somebody;
}

static void take_one(call *c, uint32_t session, uint32_t micro_batch)
{
    uint8_t *desc = desc_at(c, session, micro_batch);
    uint64_t row = c->taken_num;
    memcpy(c->memory->layer_ids + 4 * row, desc + 4, 4);
    put_bytes(c->memory->session_ids + 4 * row, 4, session);
    put_bytes(c->memory->micro_batch_ids + 4 * row, 4, micro_batch);
    memcpy(c->memory->expert_ids + row * c->ids_bytes, desc + 8, c->ids_bytes);
    memset(desc + 8, 0x7F, c->ids_bytes);
    put_bytes(desc, 4, 0);
    c->taken_num++;
}

static void take_group(call *c, plain_scheduler *scheduler, uint32_t first, uint32_t size, uint32_t micro_batch)
{
    for (uint32_t s = first; s < first + size; s++) {
        if (member_of(scheduler, s) != PLAIN_AWAY && is_ready(c, s, micro_batch)) {
            take_one(c, s, micro_batch);
            if (scheduler != NULL) {
                scheduler->members[s] = PLAIN_LIVE;
            }
        }
    }
}

static void all_sync(call *c, plain_scheduler *scheduler)
{
    uint8_t *context = c->memory->context;
    uint32_t awaited = (uint32_t)get_u64(context + AT_POLLING_INDEX);
    if (group_is_ready(c, scheduler, 0, c->session_num, awaited)) {
        take_group(c, scheduler, 0, c->session_num, awaited);
        put_bytes(context + AT_POLLING_INDEX, 8, (awaited + 1) % c->micro_batch_num);
    }
}

/* At most one micro-batch a group: the lowest that is ready, or with a fair choice the first at or after the cursor. */
static void groups(call *c, plain_scheduler *scheduler, uint32_t size)
{
    bool fair = scheduler != NULL && scheduler->fair;
    for (uint32_t g = 0; g < c->session_num / size; g++) {
        for (uint32_t i = 0; i < c->micro_batch_num; i++) {
            uint32_t micro_batch = fair ? (scheduler->cursors[g] + i) % c->micro_batch_num : i;
            if (group_is_ready(c, scheduler, g * size, size, micro_batch)) {
                take_group(c, scheduler, g * size, size, micro_batch);
                if (fair) {
                    scheduler->cursors[g] = (micro_batch + 1) % c->micro_batch_num;
                }
                break;
            }
        }
    }
}

static bool nobody_is_there(const plain_scheduler *scheduler, uint32_t session_num)
{
    for (uint32_t s = 0; s < session_num; s++) {
        if (member_of(scheduler, s) != PLAIN_AWAY) {
            return false;
        }
    }
    return true;
}

afd_status plain_schedule(const plain_memory *memory, int32_t sync_group_size, int32_t execute_mode,
                          plain_scheduler *scheduler, uint32_t *taken_num)
{
    uint8_t *context = memory->context;
    *taken_num = 0;
    afd_status status = plain_check(context, sync_group_size, execute_mode, scheduler);
    if (status != AFD_OK) {
        return status;
    }
    call c = { .memory = memory,
               .session_num = get_u32(context + AT_SESSION_NUM),
               .micro_batch_num = get_u32(context + AT_MICRO_BATCH_NUM),
               .ids_bytes = 4 * (uint64_t)get_u32(context + AT_MICRO_BATCH_SIZE) *
                            get_u32(context + AT_SELECTED_EXPERT_NUM) };
    put_bytes(context + AT_OUT_NUM, 4, 0);
    if (get_u32(context + AT_RUN_FLAG) == 0) {
        return AFD_STOPPED;
    }
    if (nobody_is_there(scheduler, c.session_num)) {
        return AFD_NOBODY_LIVE;
    }
    if ((uint32_t)sync_group_size == c.session_num) {
        all_sync(&c, scheduler);
    } else {
        groups(&c, scheduler, (uint32_t)sync_group_size);
    }
    put_bytes(context + AT_OUT_NUM, 4, c.taken_num);
    *taken_num = c.taken_num;
    return c.taken_num > 0 ? AFD_OK : AFD_NOT_YET;
}
