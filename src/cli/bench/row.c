/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The smallest that is possible, three that grow, a deployment that is in use, and one that no cache holds. */
static const struct {
    uint32_t session_num, micro_batch_num, micro_batch_size, selected_expert_num;
} shapes[] = { { 2, 2, 2, 5 }, { 8, 3, 64, 9 }, { 64, 3, 128, 9 }, { 256, 4, 128, 9 }, { 288, 3, 30, 9 },
               { 1024, 2, 512, 17 } };

/* A flag in groups and an idle pass have no local or cold of their own: what is looked at again and again is warm. */
static const struct {
    bench_kind kind;
    bench_mode mode;
    bench_state state;
} cases[] = {
    { BENCH_SCHEDULE, BENCH_GROUPS, BENCH_LOCAL },
    { BENCH_SCHEDULE, BENCH_GROUPS, BENCH_REMOTE },
    { BENCH_SCHEDULE, BENCH_GROUPS, BENCH_COLD },
    { BENCH_SCHEDULE, BENCH_GROUPS, BENCH_HAMMERED },
    { BENCH_SCHEDULE, BENCH_ALLSYNC, BENCH_LOCAL },
    { BENCH_SCHEDULE, BENCH_ALLSYNC, BENCH_REMOTE },
    { BENCH_SCHEDULE, BENCH_ALLSYNC, BENCH_COLD },
    { BENCH_SCHEDULE, BENCH_ALLSYNC, BENCH_HAMMERED },
    { BENCH_SCHEDULE, BENCH_ALLSYNC_PARTS, BENCH_LOCAL },
    { BENCH_SCHEDULE, BENCH_ALLSYNC_PARTS, BENCH_COLD },
    { BENCH_FLAG, BENCH_GROUPS, BENCH_REMOTE },
    { BENCH_FLAG, BENCH_ALLSYNC, BENCH_LOCAL },
    { BENCH_FLAG, BENCH_ALLSYNC, BENCH_REMOTE },
    { BENCH_FLAG, BENCH_ALLSYNC_OBJECT, BENCH_LOCAL },
    { BENCH_FLAG, BENCH_ALLSYNC_OBJECT, BENCH_REMOTE },
    { BENCH_IDLE, BENCH_GROUPS, BENCH_LOCAL },
    { BENCH_IDLE, BENCH_GROUPS, BENCH_HAMMERED },
};

/* Two micro-batches of a large model and one of a small one, without a shared expert. */
static const struct {
    uint32_t token_num, slot_num, top_k, hidden;
} token_shapes[] = { { 32, 9, 8, 7168 }, { 128, 9, 8, 7168 }, { 32, 8, 8, 2048 } };

static const struct {
    bench_kind kind;
    bench_mode mode;
    size_t shape_num; /* the first so many shapes */
} token_cases[] = {
    { BENCH_DISPATCH, BENCH_BF16, 3 }, { BENCH_DISPATCH_INT8, BENCH_BF16, 3 }, { BENCH_BATCH, BENCH_BF16, 3 },
    { BENCH_INDEX, BENCH_BF16, 3 },    { BENCH_REPLY, BENCH_BF16, 3 },         { BENCH_COMBINE, BENCH_BF16, 3 },
    { BENCH_COMBINE, BENCH_F16, 1 },
};

#define NUM_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
    SHAPE_NUM = NUM_OF(shapes),
    CASE_NUM = NUM_OF(cases),
    ROW_MAX = SHAPE_NUM * CASE_NUM + 2 * NUM_OF(token_shapes) * NUM_OF(token_cases),
    EXPERT_NUM = 256,
    SESSION_NUM = 8 /* of the companions on the FFN side */
};

static bench_row scheduler_row(size_t number, size_t shape)
{
    return (bench_row){
        .kind = cases[number].kind,
        .mode = cases[number].mode,
        .state = cases[number].state,
        .shape = { .session_num = shapes[shape].session_num,
                   .micro_batch_num = shapes[shape].micro_batch_num,
                   .micro_batch_size = shapes[shape].micro_batch_size,
                   .selected_expert_num = shapes[shape].selected_expert_num,
                   .expert_num = EXPERT_NUM },
    };
}

/* S: those who are batched for and replied to, or the one who sends or combines. */
static bench_row companion_row(size_t number, bench_state state, size_t shape)
{
    bench_kind kind = token_cases[number].kind;
    bool is_ffn = kind == BENCH_BATCH || kind == BENCH_INDEX || kind == BENCH_REPLY;
    uint32_t slot_bytes = 2 * token_shapes[shape].hidden;
    return (bench_row){
        .kind = kind,
        .mode = token_cases[number].mode,
        .state = state,
        .shape = { .session_num = is_ffn ? SESSION_NUM : 1,
                   .micro_batch_num = 1,
                   .micro_batch_size = token_shapes[shape].token_num,
                   .selected_expert_num = token_shapes[shape].slot_num,
                   .expert_num = EXPERT_NUM,
                   .attn_to_ffn_token_size = slot_bytes,
                   .ffn_to_attn_token_size = slot_bytes },
        .top_k = token_shapes[shape].top_k,
        .hidden = token_shapes[shape].hidden,
        .type = token_cases[number].mode == BENCH_F16 ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
    };
}

const bench_row *bench_rows(size_t *num)
{
    static bench_row rows[ROW_MAX];
    static const bench_state states[] = { BENCH_LOCAL, BENCH_COLD };
    size_t row = 0;
    for (size_t c = 0; c < CASE_NUM; c++) {
        for (size_t s = 0; s < SHAPE_NUM; s++) {
            rows[row++] = scheduler_row(c, s);
        }
    }
    for (size_t c = 0; c < NUM_OF(token_cases); c++) {
        for (size_t i = 0; i < NUM_OF(states); i++) {
            for (size_t s = 0; s < token_cases[c].shape_num; s++) {
                rows[row++] = companion_row(c, states[i], s);
            }
        }
    }
    *num = row;
    return rows;
}

static const char *kind_name(bench_kind kind)
{
    switch (kind) {
    case BENCH_SCHEDULE:
        return "schedule";
    case BENCH_FLAG:
        return "flag";
    case BENCH_IDLE:
        return "idle";
    case BENCH_DISPATCH:
        return "dispatch";
    case BENCH_DISPATCH_INT8:
        return "dispatch-int8";
    case BENCH_BATCH:
        return "batch";
    case BENCH_INDEX:
        return "index";
    case BENCH_REPLY:
        return "reply";
    case BENCH_COMBINE:
        break;
    }
    return "combine";
}

static const char *mode_name(bench_mode mode)
{
    switch (mode) {
    case BENCH_GROUPS:
        return "groups";
    case BENCH_ALLSYNC:
        return "allsync";
    case BENCH_ALLSYNC_OBJECT:
        return "allsync-object";
    case BENCH_ALLSYNC_PARTS:
        return "allsync-parts";
    case BENCH_F16:
        return "f16";
    case BENCH_BF16:
        break;
    }
    return "bf16";
}

const char *bench_row_state(const bench_row *row)
{
    switch (row->state) {
    case BENCH_LOCAL:
        return "local";
    case BENCH_REMOTE:
        return "remote";
    case BENCH_COLD:
        return "cold";
    case BENCH_HAMMERED:
        break;
    }
    return "hammered";
}

bool bench_row_is_companion(const bench_row *row)
{
    return row->hidden != 0;
}

void bench_row_name(const bench_row *row, char name[BENCH_ROW_NAME_MAX])
{
    int length = snprintf(name, BENCH_ROW_NAME_MAX, "%s/%s/%s/", kind_name(row->kind), mode_name(row->mode),
                          bench_row_state(row));
    size_t room = BENCH_ROW_NAME_MAX - (size_t)length;
    if (bench_row_is_companion(row)) {
        (void)snprintf(name + length, room, "%" PRIu32 "x%" PRIu32 "x%" PRIu32, row->shape.micro_batch_size,
                       row->shape.selected_expert_num, row->hidden);
    } else {
        (void)snprintf(name + length, room, "%" PRIu32, row->shape.session_num);
    }
}

void bench_row_shape(const bench_row *row, char text[BENCH_ROW_NAME_MAX])
{
    (void)snprintf(text, BENCH_ROW_NAME_MAX, "%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32, row->shape.session_num,
                   row->shape.micro_batch_num, row->shape.micro_batch_size, row->shape.selected_expert_num);
}

/* A whole name chooses one row, though it is also the beginning of others: .../2 and .../256. */
static bool is_whole_name(const char *filter)
{
    size_t num;
    const bench_row *rows = bench_rows(&num);
    for (size_t i = 0; i < num; i++) {
        char name[BENCH_ROW_NAME_MAX];
        bench_row_name(&rows[i], name);
        if (strcmp(name, filter) == 0) {
            return true;
        }
    }
    return false;
}

bool bench_row_matches(const bench_row *row, const char *filter)
{
    char name[BENCH_ROW_NAME_MAX];
    bench_row_name(row, name);
    if (filter == NULL) {
        return true;
    }
    return is_whole_name(filter) ? strcmp(name, filter) == 0 : strstr(name, filter) != NULL;
}

bool bench_row_needs_partner(const bench_row *row)
{
    return row->kind == BENCH_FLAG || row->state == BENCH_REMOTE || row->state == BENCH_HAMMERED ||
           row->mode == BENCH_ALLSYNC_PARTS;
}

const char *bench_row_summary(const bench_row *row)
{
    if (row->mode == BENCH_ALLSYNC_PARTS) {
        return "a call that takes a micro-batch of all sessions at once, in two parts by two threads";
    }
    switch (row->kind) {
    case BENCH_SCHEDULE:
        return row->mode == BENCH_GROUPS ? "a call that takes one ready micro-batch of every session, groups of one"
                                         : "a call that takes a micro-batch of all sessions at once";
    case BENCH_FLAG:
        return row->mode == BENCH_GROUPS ? "from the flag of one random session to the return of the waiting call"
                                         : "from the flag of the last session to the return of the waiting call";
    case BENCH_DISPATCH:
        return "an attention worker sends a micro-batch to 4 FFN ranks";
    case BENCH_DISPATCH_INT8:
        return "an attention worker sends a micro-batch to 4 FFN ranks, quantised with smooth scales";
    case BENCH_BATCH:
        return "an FFN rank, one of 8, sorts the tokens of 8 sessions by expert";
    case BENCH_INDEX:
        return "an FFN rank sorts every slot of 8 sessions by expert, as indices alone";
    case BENCH_REPLY:
        return "an FFN rank, one of 8, sends the rows of 8 sessions back";
    case BENCH_COMBINE:
        return "an attention worker adds up the slots of a micro-batch";
    case BENCH_IDLE:
        break;
    }
    return "a pass over the flags of all descs that finds none ready";
}
