/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: one batching call over arbitrary context fields, window, output area and arguments, each buffer as large
 * as it is said to be. A call that is refused has written nothing; one that batches has written what the plain model
 * says, and has given back exactly the descs that it took.
 */
#include <string.h>

#include "afd/window.h"
#include "batch_input.h"
#include "fuzz.h"
#include "plain_batch.h"
#include "schedule_case.h"

/* Ids come from buffers of CASE_BUFFER_BYTES_MAX, so no batch has more rows. A workspace that wants more than
 * WORKSPACE_MAX is not given, and the call has to be refused. */
enum { ROW_MAX = CASE_BUFFER_BYTES_MAX / 4, HIDDEN_MAX = 64, WORKSPACE_MAX = 1 << 22, EXPERT_MAX = 64 };

typedef struct outputs {
    int64_t *group_list;
    int32_t *ids[4];
    int64_t *slots;
    float *scales;
    uint8_t *tokens;
    int32_t *layer_ids;
    int32_t *taken_sessions;
    afd_wild_id *wild;
} outputs;

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes == 0 ? 1 : bytes);
    fuzz_expect(memory != NULL, "no memory for the case");
    memset(memory, 0xEE, bytes);
    return memory;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Outputs of exactly the rows that there can be. */
static void make_outputs(outputs *made, afd_ffn_batch_out *out, const afd_ffn_batch_args *args, uint64_t row_max,
                         bool index_only)
{
    size_t members = (size_t)smaller(args->session_max, ROW_MAX);
    size_t experts = (size_t)smaller(args->expert_num, AFD_EXPERT_ID_LIMIT);
    for (int i = 0; i < 4; i++) {
        made->ids[i] = allocate(row_max * 4);
    }
    made->group_list = allocate(16 * experts);
    made->slots = allocate(8 * row_max);
    made->scales = allocate(4 * row_max);
    made->tokens = allocate(index_only ? 0 : row_max * smaller(args->hidden, HIDDEN_MAX) * 2);
    made->layer_ids = allocate(4 * members);
    made->taken_sessions = allocate(4 * members);
    made->wild = allocate(out->wild_capacity * sizeof(*made->wild));
    out->group_list = made->group_list;
    out->session_ids = made->ids[0];
    out->micro_batch_ids = made->ids[1];
    out->token_ids = made->ids[2];
    out->expert_offsets = made->ids[3];
    out->slots = made->slots;
    out->dynamic_scale = made->scales;
    out->tokens = index_only ? NULL : made->tokens;
    out->layer_ids = made->layer_ids;
    out->taken_sessions = made->taken_sessions;
    out->wild = made->wild;
}

static void free_outputs(outputs *made)
{
    for (int i = 0; i < 4; i++) {
        free(made->ids[i]);
    }
    free(made->group_list);
    free(made->slots);
    free(made->scales);
    free(made->tokens);
    free(made->layer_ids);
    free(made->taken_sessions);
    free(made->wild);
}

/* The area holds what the window holds, from its first byte: hostile words, of which some are good ids. */
static void fill_area(schedule_case *fuzzed, bool good_indices)
{
    const afd_schedule_context *context = fuzzed->context;
    const case_buffer *source = &fuzzed->buffers[TOKEN_INFO];
    for (int i = LAYER_IDS; i <= EXPERT_IDS; i++) {
        case_buffer *area = &fuzzed->buffers[i];
        if (area->start != NULL && source->start != NULL) {
            memcpy(area->start, source->start, smaller(area->bytes, source->bytes));
        }
    }
    const uint32_t bounds[2] = { context->common.session_num, context->common.micro_batch_num };
    for (int i = 0; good_indices && i < 2; i++) {
        case_buffer *area = &fuzzed->buffers[SESSION_IDS + i];
        for (uint64_t at = 0; area->start != NULL && bounds[i] > 0 && at + 4 <= area->bytes; at += 4) {
            uint32_t word = (uint32_t)area->start[at] % bounds[i];
            memcpy(area->start + at, &word, sizeof(word));
        }
    }
}

static afd_ffn_batch_args args_of(const batch_input *input, const schedule_case *fuzzed)
{
    afd_ffn_batch_args args = AFD_FFN_BATCH_ARGS_INIT;
    bool raw = (input->options & BATCH_RAW_ARGUMENTS) != 0;
    uint32_t session_num = fuzzed->context->common.session_num;
    args.expert_num = raw ? input->expert_num : 1 + input->expert_num % EXPERT_MAX;
    args.session_max = raw ? input->session_max : 1 + input->session_max % (session_num == 0 ? 1 : session_num);
    args.hidden = raw ? input->hidden : 16 * (1 + input->hidden % (HIDDEN_MAX / 16));
    args.type = (afd_token_type)(input->type % 4); /* one of the four does not exist */
    args.need_schedule = (input->options & BATCH_NEED_SCHEDULE) != 0;
    args.fail_on_wild = (input->options & BATCH_FAIL_ON_WILD) != 0;
    args.layer_num = input->layer_num % 3;
    args.scheduler = fuzzed->scheduler;
    return args;
}

/* What was taken of the window goes back in the copy of before; its ids are kept for the model. */
static void give_back_in_copy(schedule_case *fuzzed, const afd_ffn_batch_out *out, int32_t *ids, int32_t *layer_ids,
                              int32_t *micro_batches)
{
    const afd_schedule_context *context = &fuzzed->context_before;
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    uint32_t micro_batch = (uint32_t)context->ffn.polling_index;
    for (uint32_t i = 0; i < out->taken_num; i++) {
        uint32_t session = (uint32_t)out->taken_sessions[i];
        fuzz_expect(session < context->common.session_num, "a session that was taken exists");
        uint64_t number = (uint64_t)session * context->common.micro_batch_num + micro_batch;
        uint8_t *desc = fuzzed->buffers[TOKEN_INFO].before + number * (8 + 4 * id_num);
        int32_t flag;
        memcpy(&flag, desc, sizeof(flag));
        fuzz_expect(flag == AFD_FLAG_READY, "what was taken was ready, and was taken once");
        memcpy(&layer_ids[i], desc + 4, 4);
        memcpy(ids + i * id_num, desc + 8, 4 * id_num);
        micro_batches[i] = (int32_t)micro_batch;
        memset(desc, 0, 4);
        memset(desc + 8, 0x7F, 4 * id_num);
    }
    fuzzed->context_before.ffn.polling_index = (micro_batch + 1) % context->common.micro_batch_num;
}

static void compare(const afd_ffn_batch_out *out, const afd_ffn_batch_out *expected, const afd_ffn_batch_args *args,
                    uint64_t token_bytes)
{
    size_t rows = (size_t)out->row_num;
    fuzz_expect(rows == expected->row_num && out->group_num == expected->group_num &&
                    out->taken_num == expected->taken_num && out->wild_num == expected->wild_num,
                "the counts are the model's");
    fuzz_expect(memcmp(out->group_list, expected->group_list, 16 * (size_t)args->expert_num) == 0 &&
                    memcmp(out->session_ids, expected->session_ids, 4 * rows) == 0 &&
                    memcmp(out->micro_batch_ids, expected->micro_batch_ids, 4 * rows) == 0 &&
                    memcmp(out->token_ids, expected->token_ids, 4 * rows) == 0 &&
                    memcmp(out->expert_offsets, expected->expert_offsets, 4 * rows) == 0 &&
                    memcmp(out->slots, expected->slots, 8 * rows) == 0,
                "groups and indices are the model's");
    fuzz_expect(out->tokens == NULL || memcmp(out->tokens, expected->tokens, rows * token_bytes) == 0,
                "the tokens are the model's");
}

static void check_batched(schedule_case *fuzzed, const afd_ffn_batch_args *args, const afd_ffn_batch_out *out,
                          uint64_t row_max)
{
    static int32_t ids[ROW_MAX];
    static int32_t layer_ids[ROW_MAX];
    static int32_t micro_batches[ROW_MAX];
    const afd_schedule_context *context = fuzzed->context;
    afd_shape shape = { context->common.session_num, context->common.micro_batch_num,
                        context->common.micro_batch_size, context->common.selected_expert_num, 0,
                        context->common.attn_to_ffn_token_size, 0 };
    plain_taken taken = { .num = out->taken_num, .layer_ids = layer_ids, .session_ids = out->taken_sessions,
                          .micro_batch_ids = micro_batches, .expert_ids = ids };
    if (args->need_schedule) {
        give_back_in_copy(fuzzed, out, ids, layer_ids, micro_batches);
    } else {
        taken.layer_ids = (const int32_t *)(const void *)fuzzed->buffers[LAYER_IDS].start;
        taken.session_ids = (const int32_t *)(const void *)fuzzed->buffers[SESSION_IDS].start;
        taken.micro_batch_ids = (const int32_t *)(const void *)fuzzed->buffers[MICRO_BATCH_IDS].start;
        taken.expert_ids = (const int32_t *)(const void *)fuzzed->buffers[EXPERT_IDS].start;
    }
    fuzz_expect(case_equals_copy(fuzzed), "every byte of context, window and output area is what it should be");
    if (args->expert_num > EXPERT_MAX) {
        return; /* the model looks at every slot for every expert */
    }
    outputs made = { 0 };
    afd_ffn_batch_out expected = AFD_FFN_BATCH_OUT_INIT;
    expected.wild_capacity = out->wild_capacity;
    make_outputs(&made, &expected, args, row_max, out->tokens == NULL);
    fuzz_expect(plain_batch(&shape, args, &taken, fuzzed->buffers[TOKEN_DATA].start, fuzzed->buffers[TOKEN_DATA].bytes,
                            &expected),
                "the model batches too");
    compare(out, &expected, args, args->hidden * (args->type == AFD_TOKEN_INT8 ? 1U : 2U));
    free_outputs(&made);
}

static void run_case(const batch_input *input, schedule_case *fuzzed)
{
    afd_ffn_batch_args args = args_of(input, fuzzed);
    afd_ffn_batch_out out = AFD_FFN_BATCH_OUT_INIT;
    outputs made = { 0 };
    afd_error error;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = 1;
    fill_area(fuzzed, (input->options & BATCH_GOOD_INDICES) != 0);
    fuzzed->context->ffn.out_num = (input->options & BATCH_RAW_ARGUMENTS) != 0 ? input->out_num : input->out_num % 9;
    out.wild_capacity = input->wild_capacity % 9;
    uint64_t workspace_bytes = afd_ffn_batch_workspace_bytes(fuzzed->context, &args);
    bool is_given = workspace_bytes > 0 && workspace_bytes <= WORKSPACE_MAX && args.hidden <= HIDDEN_MAX &&
                    (input->options & BATCH_SHORT_WORKSPACE) == 0;
    args.workspace_bytes = is_given ? workspace_bytes : smaller(workspace_bytes - (workspace_bytes > 0), WORKSPACE_MAX);
    args.workspace = allocate(args.workspace_bytes);
    uint64_t row_max = is_given ? smaller((uint64_t)args.session_max * fuzzed->context->common.micro_batch_size *
                                              fuzzed->context->common.selected_expert_num, ROW_MAX) : 0;
    make_outputs(&made, &out, &args, row_max, (input->options & BATCH_INDEX_ONLY) != 0);
    case_copy(fuzzed);
    const afd_ffn_batch_out before = out;
    afd_status status = afd_ffn_batch(fuzzed->context, &args, &out, &wait, &error);
    fuzz_expect(status != AFD_OK || is_given, "a workspace that is too small is refused");
    if (status == AFD_OK) {
        check_batched(fuzzed, &args, &out, row_max);
    } else {
        fuzz_expect(case_equals_copy(fuzzed), "what does not batch writes nothing");
        fuzz_expect(status > 0 || memcmp(&before, &out, sizeof(out)) == 0, "an error leaves the counts alone");
        fuzz_expect(status > 0 || error.field != NULL, "an error names a field");
        fuzz_expect(status < 0 || args.need_schedule, "only a wait ends without a batch and without an error");
    }
    free_outputs(&made);
    free(args.workspace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    batch_input input = { 0 };
    schedule_case fuzzed;
    if (size < sizeof(input)) {
        return 0;
    }
    memcpy(&input, data, sizeof(input));
    case_make(&fuzzed, data + sizeof(input), size - sizeof(input));
    run_case(&input, &fuzzed);
    case_free(&fuzzed);
    return 0;
}
