/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention to FFN through the front, with streams, communicators and tensors of any strides, against the native
 * calls over private copies of all windows: the same bytes after every call, in every window, those included that
 * nobody should have touched. The seed is printed; AFD_TEST_SEED repeats a run.
 */
#include <stdlib.h>

#include "aclnnop/aclnn_attention_to_ffn.h"
#include "afd/attention.h"
#include "afd/transport.h"
#include "copies.h"
#include "front_test.h"
#include "strided.h"

typedef struct dispatch_world {
    dispatch_call call;
    afd_shape shape; /* of the FFN windows */
    afd_window_sizes sizes;
    afd_writer *writers[RANK_MAX];
    bool quantize;
    uint32_t first_rank;
    uint32_t ffn_num;
} dispatch_world;

static dispatch_shape pick_dispatch_shape(bool quantize, uint32_t session_num)
{
    const uint32_t micro_batch_size = strided_pick(1, 4);
    dispatch_shape shape = {
        .session_num = session_num,
        .micro_batch_num = strided_pick(1, 3),
        .micro_batch_size = micro_batch_size,
        .token_num = micro_batch_size,
        .routed_num = strided_pick(4, 8),
        .top_k = strided_pick(1, 4),
        .shared_num = strided_pick(0, 2),
        .layer_num = strided_pick(1, 3),
        .table_width = strided_pick(3, 10),
        .hidden = 1024 + 16 * strided_pick(0, 3),
        .type = strided_pick(0, 1) == 0 ? ACL_FLOAT16 : ACL_BF16,
    };
    shape.slot_elements = shape.hidden + (quantize ? 128 : 0) + strided_pick(0, 9);
    return shape;
}

static void fill_table(const dispatch_world *w)
{
    const dispatch_shape *s = &w->call.shape;
    int32_t *row = w->call.data[DISPATCH_TABLE];
    for (uint32_t i = 0; i < s->layer_num * (s->routed_num + s->shared_num); i++, row += s->table_width) {
        row[0] = (int32_t)strided_pick(1, (s->table_width - 1) / 2);
        for (int32_t copy = 0; copy < row[0]; copy++) {
            row[1 + 2 * copy] = (int32_t)(w->first_rank + strided_pick(0, w->ffn_num - 1));
            row[2 + 2 * copy] = (int32_t)strided_pick(0, 999999);
        }
    }
}

/* FFN ranks are the first ones, the last ones, or in between. */
static void start_dispatch(dispatch_world *w)
{
    const uint32_t session_num = strided_pick(1, 4);
    *w = (dispatch_world){ .quantize = strided_pick(0, 1) == 1, .ffn_num = strided_pick(1, 6 - session_num) };
    start_ranks(session_num + w->ffn_num);
    const dispatch_shape shape = pick_dispatch_shape(w->quantize, session_num);
    assert_int_equal(dispatch_call_create(&w->call, &shape, &ranks), 0);
    w->first_rank = strided_pick(0, session_num);
    w->call.first_rank = w->first_rank;
    w->call.quant_mode = w->quantize ? 2 : 0;
    w->shape = (afd_shape){
        .session_num = session_num,
        .micro_batch_num = shape.micro_batch_num,
        .micro_batch_size = shape.micro_batch_size,
        .selected_expert_num = dispatch_slot_num(&shape),
        .attn_to_ffn_token_size = shape.slot_elements * (w->quantize ? 1 : 2),
    };
    assert_int_equal(afd_ffn_window_measure(&w->shape, &w->sizes, NULL), AFD_OK);
    make_writers(AFD_WINDOW_FFN, &w->shape, &w->sizes, w->writers);
}

static void end_dispatch(dispatch_world *w)
{
    close_writers(w->writers);
    dispatch_call_destroy(&w->call);
    end_ranks();
}

/* The FFN workers take what is there of (session, micro-batch), in both worlds. */
static void take_descs(const dispatch_world *w, uint32_t session, uint32_t micro_batch)
{
    const size_t at = (session * (size_t)w->shape.micro_batch_num + micro_batch) * w->sizes.desc_bytes;
    for (uint32_t rank = w->first_rank; rank < w->first_rank + w->ffn_num; rank++) {
        uint8_t *windows[2] = { rank_world_window(&ranks, rank), copies[rank] };
        for (int i = 0; i < 2; i++) {
            memset(windows[i] + at + 8, 0x7F, w->sizes.desc_bytes - 8);
            memset(windows[i] + at, 0, 4);
        }
    }
}

/* The attention worker's scheduler clears its flags, in both worlds; some programs never do. */
static void clear_own_flags(const dispatch_world *w, uint32_t rank)
{
    const size_t bytes = (size_t)w->shape.micro_batch_num * w->shape.micro_batch_size * w->shape.selected_expert_num *
                         4;
    memset(rank_world_window(&ranks, rank), 0, bytes);
    memset(copies[rank], 0, bytes);
}

/* Attention ranks are the others, in order. */
static uint32_t attention_rank(const dispatch_world *w, uint32_t session)
{
    return session < w->first_rank ? session : session + w->ffn_num;
}

static void fill_inputs(const dispatch_world *w, uint32_t session, uint32_t micro_batch)
{
    const dispatch_shape *s = &w->call.shape;
    void *const *data = w->call.data;
    const uint32_t active_num = strided_pick(0, s->token_num);
    fill_randomly(data[DISPATCH_X], (size_t)s->token_num * s->hidden * 2);
    fill_randomly(data[DISPATCH_SCALES], (size_t)(s->routed_num + s->shared_num) * s->layer_num * s->hidden * 4);
    fill_table(w);
    *(int32_t *)data[DISPATCH_SESSION_ID] = (int32_t)session;
    *(int32_t *)data[DISPATCH_MICRO_BATCH_ID] = (int32_t)micro_batch;
    *(int32_t *)data[DISPATCH_LAYER_ID] = (int32_t)strided_pick(0, s->layer_num - 1);
    for (uint32_t i = 0; i < s->token_num * s->top_k; i++) {
        ((int32_t *)data[DISPATCH_EXPERT_IDS])[i] = (int32_t)strided_pick(0, s->routed_num - 1);
    }
    for (uint32_t i = 0; i < s->token_num; i++) {
        ((uint8_t *)data[DISPATCH_MASK])[i] = i < active_num;
    }
}

static void dispatch_through_the_front(const dispatch_world *w, uint32_t rank)
{
    dispatch_call call = w->call;
    void *memory[DISPATCH_TENSOR_NUM];
    uint64_t size = 0;
    aclOpExecutor *executor = NULL;
    for (int i = 0; i < DISPATCH_TENSOR_NUM; i++) {
        const tensor_dims dims = dispatch_dims(&call.shape, i);
        call.tensors[i] = strided_tensor(&dims, w->call.data[i], &memory[i]);
        assert_non_null(call.tensors[i]);
    }
    assert_ok(aclrtSetDevice((int32_t)rank));
    assert_ok(dispatch_plan(&call, &size, &executor));
    assert_null(aclGetRecentErrMsg());
    for (int i = 0; i < DISPATCH_TENSOR_NUM; i++) {
        assert_ok(aclDestroyTensor(call.tensors[i]));
    }
    const int code = run_phase(aclnnAttentionToFFN, size, executor, ranks.streams[rank]);
    if (code != 0) {
        fail_msg("%d: %s", code, aclGetRecentErrMsg());
    }
    for (int i = 0; i < DISPATCH_TENSOR_NUM; i++) {
        assert_ok(aclrtFree(memory[i]));
    }
}

static afd_dispatch_args native_args(const dispatch_world *w)
{
    const dispatch_shape *s = &w->call.shape;
    void *const *data = w->call.data;
    afd_dispatch_args args = AFD_DISPATCH_ARGS_INIT;
    args.session = *(uint32_t *)data[DISPATCH_SESSION_ID];
    args.micro_batch = *(uint32_t *)data[DISPATCH_MICRO_BATCH_ID];
    args.layer_id = *(int32_t *)data[DISPATCH_LAYER_ID];
    args.tokens = data[DISPATCH_X];
    args.token_num = s->token_num;
    args.hidden = s->hidden;
    args.type = s->type == ACL_BF16 ? AFD_TOKEN_BF16 : AFD_TOKEN_F16;
    args.quantize = w->quantize;
    args.expert_ids = data[DISPATCH_EXPERT_IDS];
    args.top_k = s->top_k;
    args.active_mask = w->call.with_mask ? data[DISPATCH_MASK] : NULL;
    args.experts = (afd_expert_table){ data[DISPATCH_TABLE], s->layer_num, s->routed_num + s->shared_num,
                                       s->table_width };
    args.smooth_scales = w->call.with_scales ? data[DISPATCH_SCALES] : NULL;
    args.only_ranks_with_tokens = w->call.sync_flag == 1;
    args.writers = w->writers + w->first_rank;
    args.writer_num = w->ffn_num;
    args.first_rank = (int32_t)w->first_rank;
    return args;
}

/* Natively a round whose own flags are set is refused, so they are put aside; what was set stays set. */
static void dispatch_natively(const dispatch_world *w, uint32_t rank)
{
    const size_t flag_num = (size_t)w->shape.micro_batch_num * w->shape.micro_batch_size *
                            w->shape.selected_expert_num;
    int32_t *flags = (int32_t *)(void *)copies[rank];
    int32_t *kept = malloc(flag_num * sizeof(*kept));
    afd_schedule_context context = { .common = { w->shape.session_num, w->shape.micro_batch_num,
                                                 w->shape.micro_batch_size, w->shape.selected_expert_num, 0, 0, 0, 1,
                                                 { 0 } },
                                     .control = { .run_flag = 1 } };
    const afd_dispatch_args args = native_args(w);
    assert_non_null(kept);
    memcpy(kept, flags, flag_num * sizeof(*kept));
    memset(flags, 0, flag_num * sizeof(*kept));
    context.attention.window.token_info_buf = (uint64_t)(uintptr_t)flags;
    context.attention.window.token_info_buf_size = flag_num * sizeof(*flags);
    assert_int_equal(afd_attention_dispatch(&context, &args, NULL, NULL), AFD_OK);
    for (size_t i = 0; i < flag_num; i++) {
        flags[i] |= kept[i];
    }
    free(kept);
}

static void compare_dispatch(dispatch_world *w)
{
    const uint32_t session = strided_pick(0, w->shape.session_num - 1);
    const uint32_t micro_batch = strided_pick(0, w->shape.micro_batch_num - 1);
    const uint32_t rank = attention_rank(w, session);
    w->call.shape.token_num = strided_pick(1, w->shape.micro_batch_size);
    w->call.with_mask = strided_pick(0, 1) == 1;
    w->call.with_scales = w->quantize && strided_pick(0, 1) == 1;
    w->call.sync_flag = strided_pick(0, 1);
    fill_inputs(w, session, micro_batch);
    take_descs(w, session, micro_batch);
    if (strided_pick(0, 1) == 1) {
        clear_own_flags(w, rank);
    }
    dispatch_through_the_front(w, rank);
    dispatch_natively(w, rank);
    assert_same_windows();
}

static void dispatch_through_the_front_is_the_native_call(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_TRIES; i++) {
        dispatch_world w;
        start_dispatch(&w);
        for (int j = 0; j < CALLS_A_SHAPE; j++) {
            compare_dispatch(&w);
        }
        end_dispatch(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(dispatch_through_the_front_is_the_native_call, copies_set_up,
                                        copies_tear_down),
    };
    return cmocka_run_group_tests_name("dispatch against native", tests, NULL, NULL);
}
