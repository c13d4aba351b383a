/* SPDX-License-Identifier: Apache-2.0 */
/* `afd inspect` for people: configuration, grid, and whom each micro-batch waits for. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "inspect.h"
#include "out.h"
#include "table.h"

enum {
    FOLD_SESSION_NUM = 16, /* with more sessions than this, runs of equal rows become one */
    WAITS_RANGE_NUM = 16,  /* ranges of sessions that are named before "and N more" */
    CORRUPT_LINE_NUM = 16, /* corrupt flags that are listed before "and N more" */
    FIRST_ID_NUM = 8,      /* expert ids that are shown of a desc */
    MEMBER_LINE_NUM = 64   /* members of a worker that are listed before "and N more"; --json has all */
};

/* ---- configuration ---- */

static void print_bytes(const char *label, uint64_t bytes)
{
    char human[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(bytes, human, sizeof(human));
    (void)printf("%-13s%" PRIu64 " bytes", label, bytes);
    if (bytes >= 1024) {
        (void)printf(" (%s)", human);
    }
}

static void print_created(int64_t created_ns, int64_t taken_unix_ns)
{
    time_t seconds = (time_t)(created_ns / 1000000000);
    struct tm utc;
    char date[40] = "at an impossible time";
    char age[AFD_CLI_AGE_TEXT];
    if (gmtime_r(&seconds, &utc) != NULL) {
        (void)strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &utc);
    }
    afd_cli_human_age(afd_cli_age_ns(taken_unix_ns, created_ns), age, sizeof(age));
    (void)printf("%-13s%s, %s%s\n", "created", date, age, created_ns <= taken_unix_ns ? " ago" : "");
}

static void print_worker(const afd_cli_look *look)
{
    afd_cli_look_print_worker(look, stdout);
    if (look->member_num > 0) {
        (void)putchar('\n');
        afd_cli_look_print_members(NULL, look, MEMBER_LINE_NUM, afd_cli_has_colour(stdout), stdout);
    }
}

void afd_cli_configuration_print(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns)
{
    const afd_window_info *info = &source->info;
    const afd_shape *shape = &info->shape;
    if (source->kind == AFD_CLI_SOURCE_DUMP) {
        (void)printf("%-13s%s\n", "dump", source->path);
    } else {
        (void)printf("%-13s%s\n", "window", info->name);
    }
    (void)printf("%-13s%s\n", "kind", afd_cli_window_kind(info->kind));
    (void)printf("%-13sprocess %" PRIu32 ", %s\n", "owner", info->owner_pid, afd_cli_owner_state(info->owner));
    print_created(info->created_unix_ns, taken_unix_ns);
    (void)printf("%-13s%" PRIu64 "\n", "generation", info->generation);
    if (info->replaced_pid != 0) {
        (void)printf("%-13sthe window of process %" PRIu32 ", which was dead\n", "replaced", info->replaced_pid);
    }
    (void)printf("%-13s%" PRIu32 " sessions x %" PRIu32 " micro-batches x %" PRIu32 " tokens x %" PRIu32 " slots\n",
                 "shape", shape->session_num, shape->micro_batch_num, shape->micro_batch_size,
                 shape->selected_expert_num);
    (void)printf("%-13s%" PRIu32 " a layer\n", "experts", shape->expert_num);
    (void)printf("%-13s%" PRIu32 " bytes to the FFN, %" PRIu32 " back\n", "token", shape->attn_to_ffn_token_size,
                 shape->ffn_to_attn_token_size);
    print_bytes(info->kind == AFD_WINDOW_ATTENTION ? "flags" : "desc", info->sizes.desc_bytes);
    (void)putchar('\n');
    print_bytes("token info", info->sizes.token_info_bytes);
    (void)putchar('\n');
    print_bytes("token data", info->sizes.token_data_bytes);
    (void)printf(", %" PRIu64 " after the start of the info\n", info->sizes.token_data_offset);
    print_bytes("file", info->file_bytes);
    (void)putchar('\n');
    if (afd_cli_look_has_worker(look)) {
        print_worker(look);
    }
}

/* ---- the grid ---- */

static const char *cell_colour(const char *cell)
{
    if (cell[0] == 'R') {
        return "32";
    }
    return cell[0] == '!' ? "31" : NULL;
}

static void add_cell(afd_cli_table *grid, const afd_cli_desc *desc)
{
    char text[16] = ".";
    if (afd_cli_desc_is_ready(desc)) {
        (void)snprintf(text, sizeof(text), "R%" PRId32, desc->layer_id);
    } else if (afd_cli_desc_is_corrupt(desc)) {
        (void)snprintf(text, sizeof(text), "!");
    }
    afd_cli_table_add(grid, text);
}

/* Whether two sessions have the same cells in the grid. */
static bool are_equal_rows(const afd_cli_sample *sample, uint32_t a, uint32_t b)
{
    for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
        const afd_cli_desc *left = afd_cli_sample_desc(sample, a, m);
        const afd_cli_desc *right = afd_cli_sample_desc(sample, b, m);
        if (left->flag != right->flag || (afd_cli_desc_is_ready(left) && left->layer_id != right->layer_id)) {
            return false;
        }
    }
    return true;
}

/* The end of the run of sessions from `first` on that share a row of the grid. */
static uint32_t end_of_run(const afd_cli_sample *sample, uint32_t first)
{
    uint32_t end = first + 1;
    while (sample->session_num > FOLD_SESSION_NUM && end < sample->session_num && are_equal_rows(sample, first, end)) {
        end++;
    }
    return end;
}

static void format_range(uint32_t first, uint32_t last, char *text, size_t text_bytes)
{
    if (first == last) {
        (void)snprintf(text, text_bytes, "%" PRIu32, first);
    } else {
        (void)snprintf(text, text_bytes, "%" PRIu32 "-%" PRIu32, first, last);
    }
}

static void print_grid(const afd_cli_sample *sample)
{
    afd_cli_table grid;
    char label[32];
    afd_cli_table_begin(&grid, (size_t)sample->micro_batch_num + 1);
    afd_cli_table_add(&grid, "session");
    for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
        (void)snprintf(label, sizeof(label), "%" PRIu32, m);
        afd_cli_table_add(&grid, label);
    }
    for (uint32_t first = 0, end; first < sample->session_num; first = end) {
        end = end_of_run(sample, first);
        format_range(first, end - 1, label, sizeof(label));
        afd_cli_table_add(&grid, label);
        for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
            add_cell(&grid, afd_cli_sample_desc(sample, first, m));
        }
    }
    afd_cli_table_print(&grid, stdout, afd_cli_has_colour(stdout) ? cell_colour : NULL);
    afd_cli_table_end(&grid);
}

static void print_corrupt(const afd_cli_sample *sample)
{
    uint64_t listed = 0;
    (void)printf("\ncorrupt: a flag is 0 (free) or 1 (ready), and these are neither\n");
    for (uint32_t s = 0; s < sample->session_num; s++) {
        for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
            const afd_cli_desc *desc = afd_cli_sample_desc(sample, s, m);
            if (afd_cli_desc_is_corrupt(desc) && listed < CORRUPT_LINE_NUM) {
                (void)printf("  session %" PRIu32 ", micro-batch %" PRIu32 ": flag %" PRId32 " (0x%08" PRIx32 ")\n", s,
                             m, desc->flag, (uint32_t)desc->flag);
                listed++;
            }
        }
    }
    if (listed < sample->corrupt_num) {
        (void)printf("  and %" PRIu64 " more\n", sample->corrupt_num - listed);
    }
}

/* ---- whom each micro-batch waits for ---- */

/* The first session in [from, S) whose readiness for micro_batch is `ready`; S if there is none. */
static uint32_t next_session(const afd_cli_sample *sample, uint32_t from, uint32_t micro_batch, bool ready)
{
    uint32_t s = from;
    while (s < sample->session_num && afd_cli_desc_is_ready(afd_cli_sample_desc(sample, s, micro_batch)) != ready) {
        s++;
    }
    return s;
}

static void print_waits_for(const afd_cli_sample *sample, uint32_t micro_batch)
{
    char range[32];
    uint32_t named_num = 0;
    uint32_t range_num = 0;
    uint32_t late_num = sample->session_num - sample->columns[micro_batch].ready_num;
    (void)printf(", waits for");
    for (uint32_t first = next_session(sample, 0, micro_batch, false);
         first < sample->session_num && range_num < WAITS_RANGE_NUM; range_num++) {
        uint32_t end = next_session(sample, first, micro_batch, true);
        format_range(first, end - 1, range, sizeof(range));
        (void)printf("%s %s", range_num > 0 ? "," : "", range);
        named_num += end - first;
        first = next_session(sample, end, micro_batch, false);
    }
    if (named_num < late_num) {
        (void)printf(" and %" PRIu32 " more", late_num - named_num);
    }
}

static void print_layers(const afd_cli_column *column)
{
    if (column->layer_min == column->layer_max) {
        (void)printf(" (layer %" PRId32 ")", column->layer_min);
    } else {
        (void)printf(" (layers %" PRId32 " to %" PRId32 ")", column->layer_min, column->layer_max);
    }
}

static void print_columns(const afd_cli_sample *sample)
{
    (void)printf("\nall-sync\n");
    for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
        const afd_cli_column *column = &sample->columns[m];
        (void)printf("  micro-batch %" PRIu32 ": %" PRIu32 " of %" PRIu32 " ready", m, column->ready_num,
                     sample->session_num);
        if (column->ready_num > 0) {
            print_layers(column);
        }
        if (column->ready_num == 0) {
            (void)printf(", waits for all");
        } else if (column->ready_num < sample->session_num) {
            print_waits_for(sample, m);
        }
        (void)putchar('\n');
    }
}

/* ---- one session's ids ---- */

static void print_first_ids(const afd_cli_ids *ids)
{
    uint64_t shown = 0;
    (void)printf(": first");
    for (uint64_t i = 0; i < ids->id_num && shown < FIRST_ID_NUM; i++) {
        if (ids->ids[i] >= 0 && ids->ids[i] < AFD_EXPERT_ID_LIMIT) {
            (void)printf("%s %" PRId32, shown > 0 ? "," : "", ids->ids[i]);
            shown++;
        }
    }
}

static void print_session(const afd_cli_view *view)
{
    uint32_t session = (uint32_t)view->session;
    (void)printf("\nexpert ids of session %" PRIu32 "\n", session);
    for (uint32_t m = 0; m < view->sample->micro_batch_num; m++) {
        const afd_cli_desc *desc = afd_cli_sample_desc(view->sample, session, m);
        const afd_cli_ids *ids = &view->ids[m];
        const char *state = afd_cli_desc_is_corrupt(desc) ? "corrupt" : "free";
        (void)printf("  micro-batch %" PRIu32 ", %s: %" PRIu64 " real, %" PRIu64 " empty", m,
                     afd_cli_desc_is_ready(desc) ? "ready" : state, ids->real_num, ids->empty_num);
        if (ids->negative_num > 0) {
            (void)printf(", %" PRIu64 " below 0", ids->negative_num);
        }
        if (ids->real_num > 0) {
            print_first_ids(ids);
        }
        (void)putchar('\n');
    }
}

void afd_cli_view_print(const afd_cli_view *view)
{
    afd_cli_configuration_print(view->source, view->look, view->sample->taken_unix_ns);
    (void)printf("\n%s\n", view->source->kind == AFD_CLI_SOURCE_DUMP
                               ? "as it was when it was dumped: . free, R5 ready with layer 5, ! corrupt"
                               : "a sample of a moving thing: . free, R5 ready with layer 5, ! corrupt");
    print_grid(view->sample);
    if (view->sample->corrupt_num > 0) {
        print_corrupt(view->sample);
    }
    print_columns(view->sample);
    if (view->session != AFD_CLI_NO_SESSION) {
        print_session(view);
    }
}
