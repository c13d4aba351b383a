/* SPDX-License-Identifier: Apache-2.0 */
/* `afd inspect` of an attention window: how many slots of each micro-batch have their results. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inspect.h"
#include "out.h"
#include "table.h"

enum { COLUMN_NUM = 4 };

/* The flags of one micro-batch by what they say. */
typedef struct slot_counts {
    uint64_t ready_num;
    uint64_t free_num;
    uint64_t corrupt_num;
} slot_counts;

static slot_counts count_slots(const afd_window *window, const afd_shape *shape, uint32_t micro_batch)
{
    const int32_t *flags = afd_window_slot_flags(window, micro_batch);
    size_t slot_num = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    slot_counts counts = { 0 };
    for (size_t i = 0; i < slot_num; i++) {
        int32_t flag = afd_slot_peek_flag(&flags[i]);
        counts.ready_num += flag == AFD_FLAG_READY;
        counts.free_num += flag == AFD_FLAG_FREE;
    }
    counts.corrupt_num = slot_num - counts.ready_num - counts.free_num;
    return counts;
}

static const char *cell_colour(const char *cell)
{
    return cell[0] == '!' ? "31" : NULL;
}

static void add_number(afd_cli_table *table, const char *prefix, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%s%" PRIu64, prefix, number);
    afd_cli_table_add(table, text);
}

static void print_text(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns,
                       const slot_counts *counts)
{
    static const char *const titles[COLUMN_NUM] = { "micro-batch", "ready", "free", "corrupt" };
    afd_cli_table table;
    afd_cli_configuration_print(source, look, taken_unix_ns);
    (void)printf("\n%s: slots by their flags\n", source->kind == AFD_CLI_SOURCE_DUMP
                                                     ? "as it was when it was dumped"
                                                     : "a sample of a moving thing");
    afd_cli_table_begin(&table, COLUMN_NUM);
    for (size_t i = 0; i < COLUMN_NUM; i++) {
        afd_cli_table_add(&table, titles[i]);
    }
    for (uint32_t m = 0; m < source->info.shape.micro_batch_num; m++) {
        add_number(&table, "", m);
        add_number(&table, "", counts[m].ready_num);
        add_number(&table, "", counts[m].free_num);
        add_number(&table, counts[m].corrupt_num > 0 ? "!" : "", counts[m].corrupt_num);
    }
    afd_cli_table_print(&table, stdout, afd_cli_has_colour(stdout) ? cell_colour : NULL);
    afd_cli_table_end(&table);
}

static int print_json(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns,
                      const slot_counts *counts)
{
    json_t *root = afd_cli_view_json(source, look, taken_unix_ns);
    json_t *list = json_array();
    for (uint32_t m = 0; m < source->info.shape.micro_batch_num; m++) {
        json_t *entry = json_object();
        afd_cli_json_set(entry, "micro_batch", json_integer(m));
        afd_cli_json_set(entry, "ready_num", afd_cli_json_u64(counts[m].ready_num));
        afd_cli_json_set(entry, "free_num", afd_cli_json_u64(counts[m].free_num));
        afd_cli_json_set(entry, "corrupt_num", afd_cli_json_u64(counts[m].corrupt_num));
        afd_cli_json_append(list, entry);
    }
    afd_cli_json_set(root, "micro_batches", list);
    return afd_cli_print_json(root);
}

int afd_cli_slots_inspect(const afd_cli_source *source, const afd_cli_look *look, bool json)
{
    const afd_shape *shape = &source->info.shape;
    uint64_t slot_num = afd_cli_sample_id_num(shape);
    if (slot_num > AFD_CLI_ID_NUM_MAX) {
        afd_cli_note("inspect", "the window has %" PRIu64 " slots, inspect counts at most %d", slot_num,
                     AFD_CLI_ID_NUM_MAX);
        return AFD_EXIT_REFUSED;
    }
    int64_t taken_unix_ns = afd_cli_unix_ns();
    bool is_sound = true;
    slot_counts *counts = afd_cli_alloc(shape->micro_batch_num, sizeof(*counts));
    for (uint32_t m = 0; m < shape->micro_batch_num; m++) {
        counts[m] = count_slots(source->window, shape, m);
        is_sound = is_sound && counts[m].corrupt_num == 0;
    }
    int code = AFD_EXIT_DONE;
    if (json) {
        code = print_json(source, look, taken_unix_ns, counts);
    } else {
        print_text(source, look, taken_unix_ns, counts);
    }
    free(counts);
    return code == AFD_EXIT_DONE && !is_sound ? AFD_EXIT_NO : code;
}
