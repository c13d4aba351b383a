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

enum { SHAPE_NUM = sizeof(shapes) / sizeof(shapes[0]), CASE_NUM = sizeof(cases) / sizeof(cases[0]) };

const bench_row *bench_rows(size_t *num)
{
    static bench_row rows[SHAPE_NUM * CASE_NUM];
    for (size_t c = 0; c < CASE_NUM; c++) {
        for (size_t s = 0; s < SHAPE_NUM; s++) {
            rows[c * SHAPE_NUM + s] = (bench_row){
                .kind = cases[c].kind,
                .mode = cases[c].mode,
                .state = cases[c].state,
                .shape = { .session_num = shapes[s].session_num,
                           .micro_batch_num = shapes[s].micro_batch_num,
                           .micro_batch_size = shapes[s].micro_batch_size,
                           .selected_expert_num = shapes[s].selected_expert_num,
                           .expert_num = 256 },
            };
        }
    }
    *num = SHAPE_NUM * CASE_NUM;
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
        break;
    }
    return "idle";
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
        break;
    }
    return "allsync-parts";
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

void bench_row_name(const bench_row *row, char name[BENCH_ROW_NAME_MAX])
{
    (void)snprintf(name, BENCH_ROW_NAME_MAX, "%s/%s/%s/%" PRIu32, kind_name(row->kind), mode_name(row->mode),
                   bench_row_state(row), row->shape.session_num);
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
    case BENCH_IDLE:
        break;
    }
    return "a pass over the flags of all descs that finds none ready";
}
