/* SPDX-License-Identifier: Apache-2.0 */
#include "sample.h"

#include <stdlib.h>

#include "out.h"

bool afd_cli_desc_is_ready(const afd_cli_desc *desc)
{
    return desc->flag == AFD_FLAG_READY;
}

bool afd_cli_desc_is_corrupt(const afd_cli_desc *desc)
{
    return desc->flag != AFD_FLAG_READY && desc->flag != AFD_FLAG_FREE;
}

static size_t desc_number(const afd_cli_sample *sample, uint32_t session, uint32_t micro_batch)
{
    return (size_t)session * sample->micro_batch_num + micro_batch;
}

const afd_cli_desc *afd_cli_sample_desc(const afd_cli_sample *sample, uint32_t session, uint32_t micro_batch)
{
    return &sample->descs[desc_number(sample, session, micro_batch)];
}

static void count(afd_cli_column *column, const afd_cli_desc *desc)
{
    column->corrupt_num += afd_cli_desc_is_corrupt(desc);
    if (!afd_cli_desc_is_ready(desc)) {
        return;
    }
    if (column->ready_num == 0 || desc->layer_id < column->layer_min) {
        column->layer_min = desc->layer_id;
    }
    if (column->ready_num == 0 || desc->layer_id > column->layer_max) {
        column->layer_max = desc->layer_id;
    }
    column->ready_num++;
}

uint64_t afd_cli_sample_desc_num(const afd_shape *shape)
{
    return (uint64_t)shape->session_num * shape->micro_batch_num;
}

uint64_t afd_cli_sample_id_num(const afd_shape *shape)
{
    /* They lie in the window, whose size in bytes fits 64 bits: so does this. */
    return (uint64_t)shape->micro_batch_num * shape->micro_batch_size * shape->selected_expert_num;
}

void afd_cli_sample_take(const afd_window *window, const afd_shape *shape, afd_cli_sample *sample)
{
    *sample = (afd_cli_sample){
        .session_num = shape->session_num,
        .micro_batch_num = shape->micro_batch_num,
        .taken_unix_ns = afd_cli_unix_ns(),
        .descs = afd_cli_alloc(afd_cli_sample_desc_num(shape), sizeof(afd_cli_desc)),
        .columns = afd_cli_alloc(shape->micro_batch_num, sizeof(afd_cli_column)),
    };
    for (uint32_t s = 0; s < sample->session_num; s++) {
        for (uint32_t m = 0; m < sample->micro_batch_num; m++) {
            const afd_ffn_desc *live = afd_window_desc(window, s, m);
            afd_cli_desc *desc = &sample->descs[desc_number(sample, s, m)];
            desc->flag = afd_ffn_desc_peek_flag(live);
            desc->layer_id = afd_ffn_desc_peek_layer_id(live);
            count(&sample->columns[m], desc);
            sample->corrupt_num += afd_cli_desc_is_corrupt(desc);
        }
    }
}

void afd_cli_sample_drop(afd_cli_sample *sample)
{
    free(sample->descs);
    free(sample->columns);
}

void afd_cli_ids_take(const afd_window *window, const afd_shape *shape, uint32_t session, uint32_t micro_batch,
                      afd_cli_ids *ids)
{
    const afd_ffn_desc *live = afd_window_desc(window, session, micro_batch);
    size_t id_num = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    *ids = (afd_cli_ids){ .id_num = id_num, .ids = afd_cli_alloc(id_num, sizeof(*ids->ids)) };
    for (size_t i = 0; i < id_num; i++) {
        int32_t id = afd_ffn_desc_peek_expert_id(live, i);
        ids->ids[i] = id;
        ids->real_num += id >= 0 && id < AFD_EXPERT_ID_LIMIT;
        ids->empty_num += id >= AFD_EXPERT_ID_LIMIT;
        ids->negative_num += id < 0;
    }
}

void afd_cli_ids_drop(afd_cli_ids *ids)
{
    free(ids->ids);
}
