/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a reply with arbitrary indices, tables and shapes of windows, through a transport that fails at any one
 * of its calls. Nothing out of range reaches the transport; an argument that is refused reaches it not at all; no round
 * is published of which a put has failed.
 */
#include <string.h>

#include "afd/ffn.h"
#include "fuzz.h"
#include "reply_input.h"

enum { WRITER_MAX = 8, ROW_MAX = 256, ROUND_MAX = 8, HIDDEN_MAX = 64 };

/* One for all writers of a reply. */
typedef struct wire {
    uint32_t call_num;
    uint32_t fail_at;
    uint32_t put_num;
    bool has_failed;
    uint32_t failed_session;
    uint32_t failed_micro_batch;
    bool was_discarded;
    const uint8_t *rows;
    size_t rows_bytes;
} wire;

typedef struct wired_writer {
    afd_writer base;
    wire *shared;
} wired_writer;

static afd_status next_call(wire *shared, uint32_t session, uint32_t micro_batch)
{
    if (++shared->call_num != shared->fail_at) {
        return AFD_OK;
    }
    shared->has_failed = true;
    shared->failed_session = session;
    shared->failed_micro_batch = micro_batch;
    return AFD_ERR_SYSTEM;
}

static bool is_the_failed(const wire *shared, uint32_t session, uint32_t micro_batch)
{
    return shared->has_failed && session == shared->failed_session && micro_batch == shared->failed_micro_batch;
}

static afd_status wired_put(afd_writer *writer, const afd_place *place, const void *row, size_t row_bytes,
                            afd_error *error)
{
    wire *shared = ((wired_writer *)(void *)writer)->shared;
    const uint8_t *start = row;
    (void)error;
    fuzz_expect(place->micro_batch < writer->shape.micro_batch_num && place->token < writer->shape.micro_batch_size &&
                    place->slot < writer->shape.selected_expert_num,
                "a place is in range");
    fuzz_expect(start >= shared->rows && start + row_bytes <= shared->rows + shared->rows_bytes, "a row is a row");
    fuzz_expect(!is_the_failed(shared, place->session, place->micro_batch), "nothing is put after a failure");
    shared->put_num++;
    return next_call(shared, place->session, place->micro_batch);
}

static afd_status wired_publish(afd_writer *writer, const afd_round *round, afd_error *error)
{
    wire *shared = ((wired_writer *)(void *)writer)->shared;
    (void)error;
    fuzz_expect(round->micro_batch < writer->shape.micro_batch_num, "a round is in range");
    fuzz_expect(!is_the_failed(shared, round->session, round->micro_batch), "what failed is not published");
    return next_call(shared, round->session, round->micro_batch);
}

static void wired_discard(afd_writer *writer, uint32_t session, uint32_t micro_batch)
{
    wire *shared = ((wired_writer *)(void *)writer)->shared;
    fuzz_expect(is_the_failed(shared, session, micro_batch), "only what failed is discarded");
    shared->was_discarded = true;
}

static const afd_writer_ops wired_ops = {
    .size = sizeof(afd_writer_ops), .name = "wired", .put = wired_put, .publish = wired_publish,
    .discard = wired_discard,
};

/* The next byte of the input as an index: small and signed, or bent below `bound`. */
static int32_t next_index(const uint8_t **data, size_t *size, uint32_t bound)
{
    if (*size == 0) {
        return 0;
    }
    uint8_t byte = *(*data)++;
    (*size)--;
    return bound == 0 ? (int32_t)(int8_t)byte : (int32_t)(byte % bound);
}

typedef struct reply_case {
    afd_ffn_reply_args args;
    wire shared;
    wired_writer writers[WRITER_MAX];
    afd_writer *pointers[WRITER_MAX];
    int32_t table[WRITER_MAX];
    int32_t *indices[4];
    uint8_t *rows;
    afd_round rounds[ROUND_MAX];
} reply_case;

static void make_rows(reply_case *made, const reply_input *input, const uint8_t **data, size_t *size)
{
    bool tame = (input->options & REPLY_TAME) != 0;
    const uint32_t bounds[4] = { made->args.writer_num, 1 + input->micro_batch_num % 9000,
                                 1 + input->micro_batch_size % 4, 1 + input->selected_expert_num % 4 };
    for (int i = 0; i < 4; i++) {
        made->indices[i] = malloc(4 * made->args.row_num + 1);
        fuzz_expect(made->indices[i] != NULL, "no memory for the case");
    }
    for (uint64_t row = 0; row < made->args.row_num; row++) {
        for (int i = 0; i < 4; i++) {
            made->indices[i][row] = next_index(data, size, tame ? bounds[i] : 0);
            /* Windows of many micro-batches, so that a reply has more pairs than it serves at a time. */
            made->indices[i][row] *= tame && i == 1 && bounds[1] > 256 ? 16 : 1;
        }
    }
    made->shared.rows_bytes = (size_t)made->args.row_num * made->args.hidden * 2;
    made->rows = malloc(made->shared.rows_bytes + 1);
    fuzz_expect(made->rows != NULL, "no memory for the case");
    made->shared.rows = made->rows;
    made->args.rows = made->rows;
    made->args.session_ids = made->indices[0];
    made->args.micro_batch_ids = made->indices[1];
    made->args.token_ids = made->indices[2];
    made->args.expert_offsets = made->indices[3];
}

static void make_writers(reply_case *made, const reply_input *input, const uint8_t **data, size_t *size)
{
    bool tame = (input->options & REPLY_TAME) != 0;
    for (uint32_t w = 0; w < made->args.writer_num; w++) {
        made->writers[w] = (wired_writer){ .shared = &made->shared };
        made->writers[w].base.ops = &wired_ops;
        made->writers[w].base.kind = AFD_WINDOW_ATTENTION;
        made->writers[w].base.shape.micro_batch_num = 1 + input->micro_batch_num % 9000;
        made->writers[w].base.shape.micro_batch_size = 1 + input->micro_batch_size % 4;
        made->writers[w].base.shape.selected_expert_num = 1 + input->selected_expert_num % 4;
        made->writers[w].base.slot_bytes = tame ? 2 * HIDDEN_MAX : input->hidden % 128;
        made->pointers[w] = &made->writers[w].base;
        made->table[w] = next_index(data, size, tame ? made->args.writer_num : 0);
    }
    if ((input->options & REPLY_NULL_WRITER) != 0 && made->args.writer_num > 0) {
        made->pointers[made->args.writer_num - 1] = NULL;
    }
    made->args.writers = made->pointers;
    if ((input->options & REPLY_TABLE) != 0) {
        made->args.session_writers = made->table;
        made->args.session_num = made->args.writer_num;
    }
}

static void make_rounds(reply_case *made, const reply_input *input, const uint8_t **data, size_t *size)
{
    bool tame = (input->options & REPLY_TAME) != 0;
    made->args.round_num = input->round_num % (ROUND_MAX + 1);
    for (uint32_t i = 0; i < made->args.round_num; i++) {
        made->rounds[i].session = (uint32_t)next_index(data, size, tame ? made->args.writer_num : 0);
        made->rounds[i].micro_batch =
            (uint32_t)next_index(data, size, tame ? 1 + input->micro_batch_num % 9000 : 0);
    }
    made->args.rounds = (input->options & REPLY_ROUNDS) != 0 ? made->rounds : NULL;
    made->args.round_num = made->args.rounds == NULL ? 0 : made->args.round_num;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static reply_case made;
    reply_input input;
    afd_error error;
    if (size < sizeof(input)) {
        return 0;
    }
    memcpy(&input, data, sizeof(input));
    data += sizeof(input);
    size -= sizeof(input);
    bool tame = (input.options & REPLY_TAME) != 0;
    memset(&made, 0, sizeof(made));
    made.args = (afd_ffn_reply_args)AFD_FFN_REPLY_ARGS_INIT;
    made.args.row_num = input.row_num % (ROW_MAX + 1);
    made.args.writer_num = tame ? 1 + input.writer_num % WRITER_MAX : input.writer_num % (WRITER_MAX + 1);
    made.args.hidden = tame ? 16 * (1 + input.hidden % (HIDDEN_MAX / 16)) : input.hidden % (HIDDEN_MAX + 1);
    made.args.type = (afd_token_type)(tame ? input.type % 2 : input.type % 4);
    made.shared.fail_at = input.fail_at;
    make_writers(&made, &input, &data, &size);
    make_rows(&made, &input, &data, &size);
    make_rounds(&made, &input, &data, &size);
    afd_status status = afd_ffn_reply(&made.args, &error);
    if (status == AFD_ERR_INVALID || status == AFD_ERR_OVERFLOW) {
        fuzz_expect(made.shared.call_num == 0, "what is refused reaches no transport");
        fuzz_expect(error.status == status && error.field != NULL, "an error names a field");
    } else {
        fuzz_expect((status == AFD_OK) != made.shared.has_failed, "a failure is returned");
        fuzz_expect(made.shared.was_discarded == made.shared.has_failed, "what failed is discarded");
        fuzz_expect(made.shared.has_failed || made.shared.put_num == made.args.row_num, "every row is put once");
    }
    for (int i = 0; i < 4; i++) {
        free(made.indices[i]);
    }
    free(made.rows);
    return 0;
}
