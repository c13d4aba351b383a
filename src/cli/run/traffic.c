/* SPDX-License-Identifier: Apache-2.0 */
#include "run/traffic.h"

enum {
    TOKEN_ELEMENT_BYTES = 2, /* bf16 */
    INT8_SLOT_EXTRA_BYTES = 128
};

afd_shape run_traffic_shape(const run_traffic *traffic, uint32_t session_num)
{
    const run_model *model = traffic->model;
    uint32_t row_bytes = model->hidden * TOKEN_ELEMENT_BYTES;
    return (afd_shape){
        .session_num = session_num,
        .micro_batch_num = traffic->micro_batch_num,
        .micro_batch_size = traffic->batch_size,
        .selected_expert_num = run_model_slot_num(model),
        .expert_num = run_model_expert_num(model),
        .attn_to_ffn_token_size = traffic->quantize ? model->hidden + INT8_SLOT_EXTRA_BYTES : row_bytes,
        .ffn_to_attn_token_size = row_bytes,
    };
}
