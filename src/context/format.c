/* SPDX-License-Identifier: Apache-2.0 */
/* The frozen format of the ScheduleContext, held in place: this file compiles only while every offset is right. */
#include <assert.h>
#include <stdalign.h>
#include <stddef.h>

#include "afd/context.h"
#include "base/platform.h"

#define AFD_FIELD_AT(field, offset) \
    static_assert(offsetof(afd_schedule_context, field) == (offset), #field " has moved")

static_assert(sizeof(afd_schedule_context) == AFD_CONTEXT_BYTES, "the context is 1024 bytes");
static_assert(alignof(afd_schedule_context) == 8, "the context needs no more than 8-byte alignment");

AFD_FIELD_AT(common.session_num, 0);
AFD_FIELD_AT(common.micro_batch_num, 4);
AFD_FIELD_AT(common.micro_batch_size, 8);
AFD_FIELD_AT(common.selected_expert_num, 12);
AFD_FIELD_AT(common.expert_num, 16);
AFD_FIELD_AT(common.attn_to_ffn_token_size, 20);
AFD_FIELD_AT(common.ffn_to_attn_token_size, 24);
AFD_FIELD_AT(common.schedule_mode, 28);
AFD_FIELD_AT(common.reserved, 32);
AFD_FIELD_AT(control.run_flag, 128);
AFD_FIELD_AT(control.reserved, 132);
AFD_FIELD_AT(attention.window.token_info_buf, 256);
AFD_FIELD_AT(attention.window.token_info_buf_size, 264);
AFD_FIELD_AT(attention.window.token_data_buf, 272);
AFD_FIELD_AT(attention.window.token_data_buf_size, 280);
AFD_FIELD_AT(attention.micro_batch_id, 288);
AFD_FIELD_AT(attention.reserved, 292);
AFD_FIELD_AT(ffn.window.token_info_buf, 384);
AFD_FIELD_AT(ffn.window.token_info_buf_size, 392);
AFD_FIELD_AT(ffn.window.token_data_buf, 400);
AFD_FIELD_AT(ffn.window.token_data_buf_size, 408);
AFD_FIELD_AT(ffn.polling_index, 416);
AFD_FIELD_AT(ffn.reserved, 424);
AFD_FIELD_AT(ffn.layer_ids_buf, 512);
AFD_FIELD_AT(ffn.layer_ids_buf_size, 520);
AFD_FIELD_AT(ffn.session_ids_buf, 528);
AFD_FIELD_AT(ffn.session_ids_buf_size, 536);
AFD_FIELD_AT(ffn.micro_batch_ids_buf, 544);
AFD_FIELD_AT(ffn.micro_batch_ids_buf_size, 552);
AFD_FIELD_AT(ffn.expert_ids_buf, 560);
AFD_FIELD_AT(ffn.expert_ids_buf_size, 568);
AFD_FIELD_AT(ffn.out_num, 576);
AFD_FIELD_AT(ffn.reserved_out, 580);
AFD_FIELD_AT(reserved, 640);
