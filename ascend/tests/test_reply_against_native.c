/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FFN to attention through the front, with streams, communicators and tensors of any strides, against the native
 * calls over private copies of all windows: the same bytes after every call, in every window, those included that
 * nobody should have touched. The seed is printed; AFD_TEST_SEED repeats a run.
 */
#include "aclnnop/aclnn_ffn_to_attention.h"
#include "afd/ffn.h"
#include "afd/transport.h"
#include "copies.h"
#include "front_test.h"
#include "strided.h"

typedef struct reply_world {
    reply_call call;
    afd_shape shape;
    afd_writer *writers[RANK_MAX];
} reply_world;

static void start_reply(reply_world *w)
{
    afd_window_sizes sizes;
    const uint32_t rank_num = strided_pick(2, 6);
    start_ranks(rank_num);
    reply_shape shape = {
        .row_num = strided_pick(0, 20),
        .hidden = 1024 + 16 * strided_pick(0, 3),
        .micro_batch_num = strided_pick(1, 3),
        .micro_batch_size = strided_pick(1, 4),
        .slot_num = strided_pick(1, 6),
        .session_num = strided_pick(1, rank_num),
        .type = strided_pick(0, 1) == 0 ? ACL_FLOAT16 : ACL_BF16,
    };
    shape.slot_elements = shape.hidden + strided_pick(0, 9);
    assert_int_equal(reply_call_create(&w->call, &shape, &ranks), 0);
    w->shape = (afd_shape){
        .session_num = 1,
        .micro_batch_num = shape.micro_batch_num,
        .micro_batch_size = shape.micro_batch_size,
        .selected_expert_num = shape.slot_num,
        .ffn_to_attn_token_size = shape.slot_elements * 2,
    };
    assert_int_equal(afd_attention_window_measure(&w->shape, &sizes, NULL), AFD_OK);
    make_writers(AFD_WINDOW_ATTENTION, &w->shape, &sizes, w->writers);
}

static void end_reply(reply_world *w)
{
    close_writers(w->writers);
    reply_call_destroy(&w->call);
    end_ranks();
}

static void fill_ids(const reply_world *w, int tensor, uint32_t bound)
{
    for (uint32_t i = 0; i < w->call.shape.row_num; i++) {
        ((int32_t *)w->call.data[tensor])[i] = (int32_t)strided_pick(0, bound - 1);
    }
}

static void reply_through_the_front(const reply_world *w, uint32_t rank)
{
    reply_call call = w->call;
    void *memory[REPLY_TENSOR_NUM];
    uint64_t size = 0;
    aclOpExecutor *executor = NULL;
    for (int i = 0; i < REPLY_TENSOR_NUM; i++) {
        const tensor_dims dims = reply_dims(&call.shape, i);
        memory[i] = NULL;
        call.tensors[i] = tensor_elements(&dims) > 0 ? strided_tensor(&dims, w->call.data[i], &memory[i])
                                                     : aclCreateTensor(dims.dims, dims.rank, dims.type, NULL, 0,
                                                                       ACL_FORMAT_ND, NULL, 0, NULL);
    }
    assert_ok(aclrtSetDevice((int32_t)rank));
    assert_ok(reply_plan(&call, &size, &executor));
    assert_null(aclGetRecentErrMsg());
    for (int i = 0; i < REPLY_TENSOR_NUM; i++) {
        assert_ok(aclDestroyTensor(call.tensors[i]));
    }
    const int code = run_phase(aclnnFFNToAttention, size, executor, ranks.streams[rank]);
    if (code != 0) {
        fail_msg("%d: %s", code, aclGetRecentErrMsg());
    }
    for (int i = 0; i < REPLY_TENSOR_NUM; i++) {
        (void)(memory[i] == NULL ? 0 : aclrtFree(memory[i]));
    }
}

static void reply_natively(const reply_world *w)
{
    const reply_shape *s = &w->call.shape;
    void *const *data = w->call.data;
    afd_ffn_reply_args args = AFD_FFN_REPLY_ARGS_INIT;
    args.rows = data[REPLY_X];
    args.row_num = *(uint64_t *)data[REPLY_ACTUAL_TOKEN_NUM];
    args.hidden = s->hidden;
    args.type = s->type == ACL_BF16 ? AFD_TOKEN_BF16 : AFD_TOKEN_F16;
    args.session_ids = data[REPLY_SESSION_IDS];
    args.micro_batch_ids = data[REPLY_MICRO_BATCH_IDS];
    args.token_ids = data[REPLY_TOKEN_IDS];
    args.expert_offsets = data[REPLY_EXPERT_OFFSETS];
    args.writers = w->writers;
    args.writer_num = ranks.rank_num;
    args.session_writers = w->call.with_rank_table ? data[REPLY_RANK_TABLE] : NULL;
    args.session_num = s->session_num;
    assert_int_equal(afd_ffn_reply(&args, NULL), AFD_OK);
}

static void compare_reply(reply_world *w)
{
    const reply_shape *s = &w->call.shape;
    w->call.with_rank_table = strided_pick(0, 1) == 1;
    fill_randomly(w->call.data[REPLY_X], (size_t)s->row_num * s->hidden * 2);
    fill_ids(w, REPLY_SESSION_IDS, w->call.with_rank_table ? s->session_num : ranks.rank_num);
    fill_ids(w, REPLY_MICRO_BATCH_IDS, s->micro_batch_num);
    fill_ids(w, REPLY_TOKEN_IDS, s->micro_batch_size);
    fill_ids(w, REPLY_EXPERT_OFFSETS, s->slot_num);
    *(int64_t *)w->call.data[REPLY_ACTUAL_TOKEN_NUM] = strided_pick(0, s->row_num);
    for (uint32_t i = 0; i < s->session_num; i++) {
        ((int32_t *)w->call.data[REPLY_RANK_TABLE])[i] = (int32_t)strided_pick(0, ranks.rank_num - 1);
    }
    reply_through_the_front(w, strided_pick(0, ranks.rank_num - 1));
    reply_natively(w);
    assert_same_windows();
}

static void reply_through_the_front_is_the_native_call(void **state)
{
    (void)state;
    for (int i = 0; i < SHAPE_TRIES; i++) {
        reply_world w;
        start_reply(&w);
        for (int j = 0; j < CALLS_A_SHAPE; j++) {
            compare_reply(&w);
        }
        end_reply(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reply_through_the_front_is_the_native_call, copies_set_up,
                                        copies_tear_down),
    };
    return cmocka_run_group_tests_name("reply against native", tests, NULL, NULL);
}
