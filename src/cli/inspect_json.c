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
            afd_cli_json_append(row, json_integer(number(afd_cli_sample_desc(sample, s, m))));
        }
        afd_cli_json_append(rows, row);
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
                afd_cli_json_set(entry, "session", json_integer(s));
                afd_cli_json_set(entry, "micro_batch", json_integer(m));
                afd_cli_json_set(entry, "flag", json_integer(desc->flag));
                afd_cli_json_append(list, entry);
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
            afd_cli_json_append(sessions, json_integer(s));
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
        afd_cli_json_set(entry, "micro_batch", json_integer(m));
        afd_cli_json_set(entry, "ready_num", json_integer(column->ready_num));
        afd_cli_json_set(entry, "corrupt_num", json_integer(column->corrupt_num));
        afd_cli_json_set(entry, "waits_for", waits_for_json(sample, m));
        afd_cli_json_append(list, entry);
    }
    return list;
}

static json_t *ids_json(const afd_cli_ids *ids)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < ids->id_num; i++) {
        afd_cli_json_append(list, json_integer(ids->ids[i]));
    }
    return list;
}

static json_t *session_json(const afd_cli_view *view)
{
    json_t *micro_batches = json_array();
    for (uint32_t m = 0; m < view->sample->micro_batch_num; m++) {
        const afd_cli_ids *ids = &view->ids[m];
        json_t *entry = json_object();
        afd_cli_json_set(entry, "micro_batch", json_integer(m));
        afd_cli_json_set(entry, "real_num", afd_cli_json_u64(ids->real_num));
        afd_cli_json_set(entry, "empty_num", afd_cli_json_u64(ids->empty_num));
        afd_cli_json_set(entry, "negative_num", afd_cli_json_u64(ids->negative_num));
        afd_cli_json_set(entry, "expert_ids", ids_json(ids));
        afd_cli_json_append(micro_batches, entry);
    }
    json_t *object = json_object();
    afd_cli_json_set(object, "session", json_integer(view->session));
    afd_cli_json_set(object, "micro_batches", micro_batches);
    return object;
}

json_t *afd_cli_view_json(const afd_cli_source *source, const afd_cli_look *look, int64_t taken_unix_ns)
{
    json_t *root = json_object();
    afd_cli_json_set(root, "kind", json_string(source->kind == AFD_CLI_SOURCE_DUMP ? "dump" : "window"));
    afd_cli_json_set(root, "path", source->path != NULL ? afd_cli_json_text(source->path) : json_null());
    afd_cli_json_set(root, "window", afd_cli_info_json(&source->info));
    afd_cli_json_set(root, "sampled_unix_ns", json_integer(taken_unix_ns));
    afd_cli_json_set(root, "worker", afd_cli_look_worker_json(NULL, look, false));
    afd_cli_json_set(root, "members", afd_cli_look_members_json(NULL, look, false));
    return root;
}

int afd_cli_view_print_json(const afd_cli_view *view)
{
    json_t *root = afd_cli_view_json(view->source, view->look, view->sample->taken_unix_ns);
    afd_cli_json_set(root, "flags", matrix_json(view->sample, flag_of));
    afd_cli_json_set(root, "layer_ids", matrix_json(view->sample, layer_id_of));
    afd_cli_json_set(root, "micro_batches", columns_json(view->sample));
    afd_cli_json_set(root, "corrupt", corrupt_json(view->sample));
    if (view->session != AFD_CLI_NO_SESSION) {
        afd_cli_json_set(root, "session", session_json(view));
    }
    return afd_cli_print_json(root);
}
