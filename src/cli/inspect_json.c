/* SPDX-License-Identifier: Apache-2.0 */
/* `afd inspect --json`: everything that was sampled, nothing folded. */
#include "inspect.h"
#include "out.h"

/* One number of every desc as [S][M]. */
static json_t *matrix_json(const afd_cli_sample *sample, int32_t (*number)(const afd_cli_desc *desc))
{
    json_t *rows = json_array();
    for (uint32_t s = 0; s < sample->session_num; s++) {
        json_t *row = json_array();
        for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
            (void)json_array_append_new(row, json_integer(number(afd_cli_sample_desc(sample, s, m))));
        }
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

static int32_t flag_of(const afd_cli_desc *desc)
{
    return desc->flag;
}

static int32_t layer_id_of(const afd_cli_desc *desc)
{
    return desc->layer_id;
}

static json_t *corrupt_json(const afd_cli_sample *sample)
{
    json_t *list = json_array();
    for (uint32_t s = 0; s < sample->session_num; s++) {
        for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
            const afd_cli_desc *desc = afd_cli_sample_desc(sample, s, m);
            if (afd_cli_desc_is_corrupt(desc)) {
                json_t *entry = json_object();
                (void)json_object_set_new(entry, "session", json_integer(s));
                (void)json_object_set_new(entry, "micro_batch", json_integer(m));
                (void)json_object_set_new(entry, "flag", json_integer(desc->flag));
                (void)json_array_append_new(list, entry);
            }
        }
    }
    return list;
}

static json_t *waits_for_json(const afd_cli_sample *sample, uint32_t micro_batch)
{
    json_t *sessions = json_array();
    for (uint32_t s = 0; s < sample->session_num; s++) {
        if (!afd_cli_desc_is_ready(afd_cli_sample_desc(sample, s, micro_batch))) {
            (void)json_array_append_new(sessions, json_integer(s));
        }
    }
    return sessions;
}

static json_t *columns_json(const afd_cli_sample *sample)
{
    json_t *list = json_array();
    for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
        const afd_cli_column *column = &sample->columns[m];
        json_t *entry = json_object();
        (void)json_object_set_new(entry, "micro_batch", json_integer(m));
        (void)json_object_set_new(entry, "ready_num", json_integer(column->ready_num));
        (void)json_object_set_new(entry, "corrupt_num", json_integer(column->corrupt_num));
        (void)json_object_set_new(entry, "waits_for", waits_for_json(sample, m));
        (void)json_array_append_new(list, entry);
    }
    return list;
}

static json_t *ids_json(const afd_cli_ids *ids)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < ids->id_num; i++) {
        (void)json_array_append_new(list, json_integer(ids->ids[i]));
    }
    return list;
}

static json_t *session_json(const afd_cli_view *view)
{
    json_t *micro_batches = json_array();
    for (uint32_t m = 0; m < view->sample->micro_batch_num; m++) {
        const afd_cli_ids *ids = &view->ids[m];
        json_t *entry = json_object();
        (void)json_object_set_new(entry, "micro_batch", json_integer(m));
        (void)json_object_set_new(entry, "real_num", afd_cli_json_u64(ids->real_num));
        (void)json_object_set_new(entry, "empty_num", afd_cli_json_u64(ids->empty_num));
        (void)json_object_set_new(entry, "negative_num", afd_cli_json_u64(ids->negative_num));
        (void)json_object_set_new(entry, "expert_ids", ids_json(ids));
        (void)json_array_append_new(micro_batches, entry);
    }
    json_t *object = json_object();
    (void)json_object_set_new(object, "session", json_integer(view->session));
    (void)json_object_set_new(object, "micro_batches", micro_batches);
    return object;
}

int afd_cli_view_print_json(const afd_cli_view *view)
{
    const afd_cli_source *source = view->source;
    json_t *root = json_object();
    (void)json_object_set_new(root, "kind",
                              json_string(source->kind == AFD_CLI_SOURCE_DUMP ? "dump" : "window"));
    (void)json_object_set_new(root, "path", source->path != NULL ? afd_cli_json_text(source->path) : json_null());
    (void)json_object_set_new(root, "window", afd_cli_info_json(&source->info));
    (void)json_object_set_new(root, "sampled_unix_ns", json_integer(view->sample->taken_unix_ns));
    (void)json_object_set_new(root, "flags", matrix_json(view->sample, flag_of));
    (void)json_object_set_new(root, "layer_ids", matrix_json(view->sample, layer_id_of));
    (void)json_object_set_new(root, "micro_batches", columns_json(view->sample));
    (void)json_object_set_new(root, "corrupt", corrupt_json(view->sample));
    if (view->session != AFD_CLI_NO_SESSION) {
        (void)json_object_set_new(root, "session", session_json(view));
    }
    return afd_cli_print_json(root);
}
