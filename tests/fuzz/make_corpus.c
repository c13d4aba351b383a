/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seed corpus:  make_corpus FOLDER   makes files in a folder a target in FOLDER, which must exist.
 * What is in corpus/ was made by it; inputs that a fuzzer found are added beside its files.
 */
#include <inttypes.h>
#include <string.h>

#include "batch_input.h"
#include "fuzz.h"
#include "reply_input.h"
#include "schedule_case.h"
#include "transport/ucx/wire.h"
#include "window/header.h"
#include "window_file_input.h"
#include "wire_input.h"
#include "worker/member/message.h"

enum { SEED_BYTES_MAX = 16384 };

typedef struct seed_input {
    uint8_t bytes[SEED_BYTES_MAX];
    size_t length;
} seed_input;

static void append(seed_input *seed, const void *bytes, size_t length)
{
    fuzz_expect(length <= SEED_BYTES_MAX - seed->length, "a seed is small");
    memcpy(seed->bytes + seed->length, bytes, length);
    seed->length += length;
}

static void write_seed(const char *folder, const char *name, const seed_input *seed)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(seed->bytes, 1, seed->length, file) == seed->length;
    if (file == NULL || fclose(file) != 0 || !good) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

/* ---- schedule ---- */

/* A context that is good as it stands: addresses that are not null, sizes that suffice. */
static afd_schedule_context good_context(uint32_t session_num, uint32_t micro_batch_num, uint32_t id_num)
{
    afd_schedule_context context;
    memset(&context, 0, sizeof(context));
    context.common.session_num = session_num;
    context.common.micro_batch_num = micro_batch_num;
    context.common.micro_batch_size = id_num;
    context.common.selected_expert_num = 1;
    context.control.run_flag = 1;
    context.ffn.window = (afd_window_fields){ 4, session_num * micro_batch_num * (8 + 4 * id_num), 4, 0 };
    context.ffn.layer_ids_buf = context.ffn.session_ids_buf = context.ffn.micro_batch_ids_buf = 4;
    context.ffn.expert_ids_buf = 4;
    context.ffn.layer_ids_buf_size = context.ffn.session_ids_buf_size = context.ffn.micro_batch_ids_buf_size =
        4 * session_num;
    context.ffn.expert_ids_buf_size = 4 * session_num * id_num;
    return context;
}

/* Input, context and a token info whose flags follow the bits of `ready`, desc after desc. */
static void write_schedule(const char *folder, const char *name, const schedule_input *input,
                           const afd_schedule_context *context, uint64_t ready)
{
    seed_input seed = { .length = 0 };
    uint32_t id_num = context->common.micro_batch_size * context->common.selected_expert_num;
    uint32_t desc_num = context->common.session_num * context->common.micro_batch_num;
    append(&seed, input, sizeof(*input));
    append(&seed, context, sizeof(*context));
    for (uint32_t i = 0; i < desc_num; i++) {
        int32_t desc[2] = { (int32_t)(ready >> i & 1), (int32_t)(100 + i) };
        append(&seed, desc, sizeof(desc));
        for (uint32_t slot = 0; slot < id_num; slot++) {
            int32_t id = (int32_t)(1000 * i + slot);
            append(&seed, &id, sizeof(id));
        }
    }
    write_seed(folder, name, &seed);
}

static void write_schedule_seeds(const char *folder)
{
    const uint64_t all = UINT64_MAX;
    afd_schedule_context context = good_context(4, 3, 5);
    schedule_input input = { .sync_group_size = 4, .call_num = 3, .late_capacity = 4 };
    write_schedule(folder, "all_sync_ready", &input, &context, all);
    input.options = INPUT_WAIT;
    write_schedule(folder, "all_sync_one_late", &input, &context, all & ~(UINT64_C(1) << 3));
    input.options = INPUT_WAIT | INPUT_STOP_WORD;
    write_schedule(folder, "stop_word", &input, &context, all);
    input.sync_group_size = 1;
    input.options = 0;
    write_schedule(folder, "groups_of_one", &input, &context, 0x0b5);
    input.sync_group_size = 2;
    input.options = INPUT_WAIT | INPUT_OBJECT | INPUT_FAIR;
    write_schedule(folder, "groups_of_two_fair", &input, &context, 0xdb6);
    input.members = 0x99;
    write_schedule(folder, "live_set", &input, &context, 0xdb6);
    input.sync_group_size = 4;
    write_schedule(folder, "live_set_all_sync", &input, &context, 0x249);
    input.members = 0xd8; /* sessions 0 and 3 are live and ready, 1 is joining and not ready, 2 is away */
    write_schedule(folder, "joining_is_not_awaited", &input, &context, 0x201);
    input.members = 0x55;
    write_schedule(folder, "nobody_live", &input, &context, all);
    input.options |= INPUT_OTHER_OBJECT;
    write_schedule(folder, "other_object", &input, &context, all);

    input = (schedule_input){ .sync_group_size = 4 };
    context.control.run_flag = 0;
    write_schedule(folder, "run_flag_off", &input, &context, all);
    context = good_context(4, 3, 5);
    context.ffn.expert_ids_buf_size -= 1;
    write_schedule(folder, "ids_one_byte_short", &input, &context, all);
    context = good_context(4, 3, 5);
    context.ffn.window.token_info_buf += 1;
    write_schedule(folder, "misaligned", &input, &context, all);
    context = good_context(4, 3, 5);
    context.common.session_num = 0;
    write_schedule(folder, "no_sessions", &input, &context, all);
    input = (schedule_input){ .options = INPUT_TAME | INPUT_WAIT, .sync_group_size = 1, .call_num = 2 };
    input.flags = 0x5a65;
    context = good_context(7, 2, 4);
    write_schedule(folder, "tame", &input, &context, 0);
    input.flags = 0x5557d55; /* two of the descs have flag 2, which is not ready */
    write_schedule(folder, "corrupt_flags", &input, &context, 0);
}

/* ---- batch ---- */

/* Behind the input: options of a scheduling call, a context, and descs that are ready, with ids 0, 1, ... `wild_at` is
 * the slot of the whole window that is wild, if there is one. */
static void write_batch(const char *folder, const char *name, const batch_input *input, uint8_t case_options,
                        const afd_schedule_context *context, uint32_t wild_at)
{
    seed_input seed = { .length = 0 };
    schedule_input schedule = { .options = case_options, .sync_group_size = 1 };
    uint32_t id_num = context->common.micro_batch_size * context->common.selected_expert_num;
    uint32_t desc_num = context->common.session_num * context->common.micro_batch_num;
    append(&seed, input, sizeof(*input));
    append(&seed, &schedule, sizeof(schedule));
    append(&seed, context, sizeof(*context));
    for (uint32_t i = 0; i < desc_num; i++) {
        const int32_t desc[2] = { AFD_FLAG_READY, 3 };
        append(&seed, desc, sizeof(desc));
        for (uint32_t slot = 0; slot < id_num; slot++) {
            int32_t id = i * id_num + slot == wild_at ? -1 : slot % 3 == 2 ? AFD_EXPERT_ID_NONE : (int32_t)(slot % 7);
            append(&seed, &id, sizeof(id));
        }
    }
    write_seed(folder, name, &seed);
}

static void write_batch_seeds(const char *folder)
{
    afd_schedule_context context = good_context(4, 3, 5);
    batch_input input = { .options = BATCH_NEED_SCHEDULE, .expert_num = 9, .session_max = 3, .hidden = 1,
                          .out_num = 3, .wild_capacity = 2 };
    context.common.attn_to_ffn_token_size = 32;
    context.ffn.window.token_data_buf_size = 60000;
    write_batch(folder, "window", &input, 0, &context, UINT32_MAX);
    write_batch(folder, "window_wild", &input, 0, &context, 17);
    write_batch(folder, "window_object", &input, INPUT_OBJECT, &context, UINT32_MAX);
    input.type = AFD_TOKEN_INT8;
    write_batch(folder, "window_int8", &input, 0, &context, UINT32_MAX);
    input.options |= BATCH_FAIL_ON_WILD;
    write_batch(folder, "window_wild_fails", &input, 0, &context, 17);
    input.options = BATCH_GOOD_INDICES;
    write_batch(folder, "area", &input, 0, &context, UINT32_MAX);
    write_batch(folder, "area_tame", &input, INPUT_TAME, &context, UINT32_MAX);
    input.options = BATCH_GOOD_INDICES | BATCH_INDEX_ONLY;
    input.layer_num = 1;
    write_batch(folder, "area_index_only", &input, 0, &context, UINT32_MAX);
    input.options = 0;
    write_batch(folder, "area_hostile", &input, 0, &context, 0);
    input.options = BATCH_GOOD_INDICES | BATCH_SHORT_WORKSPACE;
    write_batch(folder, "short_workspace", &input, 0, &context, UINT32_MAX);
    input = (batch_input){ .options = BATCH_RAW_ARGUMENTS | BATCH_GOOD_INDICES, .expert_num = 14906,
                           .session_max = 4, .hidden = 16, .out_num = 4 };
    write_batch(folder, "many_experts", &input, 0, &context, UINT32_MAX);
    context.ffn.window.token_data_buf_size = 100;
    write_batch(folder, "short_token_data", &input, 0, &context, UINT32_MAX);
    context.common.micro_batch_num = context.common.session_num = UINT32_MAX;
    input.session_max = UINT32_MAX;
    write_batch(folder, "overflow", &input, 0, &(afd_schedule_context){ .common = context.common }, UINT32_MAX);
}

/* ---- reply ---- */

static void write_reply(const char *folder, const char *name, const reply_input *input)
{
    seed_input seed = { .length = 0 };
    append(&seed, input, sizeof(*input));
    for (uint32_t i = 0; i < 600; i++) {
        uint8_t byte = (uint8_t)(i * 37 + i / 4);
        append(&seed, &byte, sizeof(byte));
    }
    write_seed(folder, name, &seed);
}

static void write_reply_seeds(const char *folder)
{
    reply_input input = { .options = REPLY_TAME, .row_num = 100, .writer_num = 4, .hidden = 1, .micro_batch_num = 2,
                          .micro_batch_size = 3, .selected_expert_num = 2 };
    write_reply(folder, "tame", &input);
    input.fail_at = 30;
    write_reply(folder, "put_fails", &input);
    input.fail_at = 103;
    write_reply(folder, "publish_fails", &input);
    input.micro_batch_num = 8999;
    write_reply(folder, "many_pairs", &input);
    input.options = REPLY_TAME | REPLY_ROUNDS | REPLY_TABLE;
    input.round_num = 5;
    write_reply(folder, "rounds_and_table", &input);
    input.options |= REPLY_NULL_WRITER;
    write_reply(folder, "null_writer", &input);
    input = (reply_input){ .row_num = 100, .writer_num = 4, .hidden = 16, .micro_batch_num = 2 };
    write_reply(folder, "hostile", &input);
}

/* ---- window files ---- */

static afd__window_header good_header(const afd_shape *shape, afd_window_sizes *sizes)
{
    afd__window_header header;
    memset(&header, 0, sizeof(header));
    fuzz_expect(afd_ffn_window_measure(shape, sizes, NULL) == AFD_OK, "the shape of a seed can be measured");
    header.magic = AFD_WINDOW_MAGIC;
    header.version = AFD_WINDOW_VERSION;
    header.kind = AFD_WINDOW_FFN;
    header.member_num = shape->session_num;
    header.stats_offset = AFD_WINDOW_HEADER_BYTES;
    header.header_bytes = afd__header_bytes(header.member_num);
    header.file_bytes = header.header_bytes + sizes->window_bytes;
    header.generation = 1;
    header.shape = *shape;
    header.token_info_bytes = sizes->token_info_bytes;
    header.token_data_offset = sizes->token_data_offset;
    header.token_data_bytes = sizes->token_data_bytes;
    header.owner.pid = 1;
    memcpy(header.owner.boot_id, "00000000-0000-0000-0000-000000000000", 36);
    return header;
}

/* Counters of two members, each of which differs from all others. */
static void append_stats(seed_input *seed)
{
    uint64_t stats[WINDOW_FILE_STATS_START_BYTES / sizeof(uint64_t)];
    for (uint64_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
        stats[i] = i + 1;
    }
    append(seed, stats, sizeof(stats));
}

static void write_window_file(const char *folder, const char *name, uint64_t options, const afd__window_header *header,
                              uint64_t file_bytes)
{
    seed_input seed = { .length = 0 };
    window_file_input input = { options, file_bytes };
    append(&seed, &input, sizeof(input));
    append(&seed, header, (options & WINDOW_FILE_RAW) != 0 ? sizeof(*header) : WINDOW_FILE_HEADER_START_BYTES);
    if ((options & WINDOW_FILE_RAW) == 0) {
        append_stats(&seed);
    }
    append(&seed, "\1\0\0\0\7\0\0\0\3\0\0\0", 12); /* the first desc: ready, layer 7, id 3 */
    write_seed(folder, name, &seed);
}

static void write_window_file_seeds(const char *folder)
{
    afd_shape shape = { .session_num = 2, .micro_batch_num = 3, .micro_batch_size = 3, .selected_expert_num = 5,
                        .attn_to_ffn_token_size = 32 };
    afd_window_sizes sizes;
    afd__window_header header = good_header(&shape, &sizes);
    write_window_file(folder, "good", 0, &header, header.file_bytes);
    write_window_file(folder, "bent", WINDOW_FILE_BEND, &header, 0);
    write_window_file(folder, "cut_off", 0, &header, header.file_bytes - 1);
    write_window_file(folder, "header_only", WINDOW_FILE_RAW, &header, 0);
    header.magic ^= 1;
    write_window_file(folder, "other_magic", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    header.token_info_bytes += 68;
    write_window_file(folder, "wrong_sizes", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    memset(header.owner.boot_id, 'f', sizeof(header.owner.boot_id));
    write_window_file(folder, "open_text", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    header.owner.pid = UINT32_MAX;
    write_window_file(folder, "wild_owner", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    header.version = 1;
    write_window_file(folder, "older_version", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    header.member_num++;
    write_window_file(folder, "a_member_too_many", 0, &header, header.file_bytes);
    header = good_header(&shape, &sizes);
    header.stats_offset = header.header_bytes;
    write_window_file(folder, "counters_in_the_window", 0, &header, header.file_bytes);
    shape.attn_to_ffn_token_size = 0;
    header = good_header(&shape, &sizes);
    write_window_file(folder, "no_token_data", 0, &header, header.file_bytes);
    header.shape.session_num = header.shape.micro_batch_num = UINT32_MAX;
    header.shape.micro_batch_size = header.shape.selected_expert_num = UINT32_MAX;
    write_window_file(folder, "shape_overflows", 0, &header, header.file_bytes);
}

static void write_message(const char *folder, const char *name, const void *message, size_t byte_num)
{
    seed_input seed = { .length = 0 };
    append(&seed, message, byte_num);
    write_seed(folder, name, &seed);
}

/* The secret is the fuzz target's. */
static void write_knock_seeds(const char *folder)
{
    afd__knock knock = { .hello = afd__message_make(AFD__MESSAGE_HELLO, 7) };
    afd__credentials_set(&knock.credentials, "fuzz", 4);
    write_message(folder, "knock", &knock, sizeof(knock));
    knock.hello.window_key = 1;
    write_message(folder, "knock_with_a_window", &knock, sizeof(knock));
    knock.hello = afd__message_make(AFD__MESSAGE_START, 7);
    write_message(folder, "knock_that_starts", &knock, sizeof(knock));
    knock.hello = afd__message_make(AFD__MESSAGE_HELLO, 7);
    knock.credentials.secret[255] = 1;
    write_message(folder, "knock_with_a_longer_secret", &knock, sizeof(knock));
    knock.hello.version++;
    write_message(folder, "knock_of_a_newer_version", &knock, sizeof(knock));
}

static void write_message_seeds(const char *folder)
{
    afd__message message = afd__message_make(AFD__MESSAGE_HELLO, 7);
    message.session = AFD_SESSION_ANY;
    (void)strcpy(message.window_name, "attn-0");
    write_message(folder, "hello", &message, sizeof(message));
    write_message(folder, "cut_off", &message, sizeof(message) - 1);
    message.window_name[0] = '/';
    write_message(folder, "a_path_for_a_name", &message, sizeof(message));
    message = afd__message_make(AFD__MESSAGE_REFUSED, 7);
    message.status = AFD_ERR_EXISTS;
    afd__message_set_text(&message, "session 3 is held by process 7, which lives");
    write_message(folder, "refused", &message, sizeof(message));
    memset(message.text, 'x', sizeof(message.text));
    write_message(folder, "open_text", &message, sizeof(message));
    message = afd__message_make(AFD__MESSAGE_START, 7);
    message.turn = AFD__TURN_MAX + 1;
    write_message(folder, "a_turn_too_far", &message, sizeof(message));
    message.version++;
    write_message(folder, "newer_version", &message, sizeof(message));
    message = afd__message_make(AFD__MESSAGE_DROPPED, 7);
    message.reason = AFD_DROP_ASKED + 1;
    write_message(folder, "no_reason", &message, sizeof(message));
    message = afd__message_make(AFD__MESSAGE_BEAT, 0);
    write_message(folder, "beat", &message, sizeof(message));
    message = afd__message_make(AFD__MESSAGE_TURN, 7);
    message.data_port = UINT16_MAX + 1;
    write_message(folder, "no_port", &message, sizeof(message));
    write_knock_seeds(folder);
}

/* ---- messages of a plane ---- */

static void append_wire(seed_input *seed, uint8_t options, afd__wire_kind kind, uint64_t round, uint32_t row_num)
{
    const size_t payload_bytes = row_num * (size_t)(WIRE_ROW_BYTES + sizeof(afd__wire_entry));
    const wire_message message = {
        .options = options,
        .header_bytes = sizeof(afd__wire_header),
        .payload_bytes = { (uint8_t)payload_bytes, (uint8_t)(payload_bytes >> 8) },
    };
    const afd__wire_header header = {
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = (uint32_t)kind,
        .key = WIRE_KEY,
        .round = round,
        .session = WIRE_SESSION,
        .row_num = row_num,
        .row_bytes = WIRE_ROW_BYTES,
    };
    append(seed, &message, sizeof(message));
    append(seed, &header, sizeof(header));
    for (uint32_t i = 0; i < row_num; i++) {
        append(seed, "twelve bytes", WIRE_ROW_BYTES);
    }
    for (uint32_t i = 0; i < row_num; i++) {
        const afd__wire_entry entry = { 2 * i, kind == AFD__WIRE_ROUND ? (int32_t)i : 0 };
        append(seed, &entry, sizeof(entry));
    }
}

static void write_wire_seeds(const char *folder)
{
    const struct {
        const char *name;
        uint8_t options; /* of all but the greeting */
    } cases[] = {
        { "plain", WIRE_ANSWER },
        { "fetched", WIRE_ANSWER | WIRE_FETCHED },
        { "parked", WIRE_ANSWER | WIRE_HELD },
        { "fetched_late", WIRE_ANSWER | WIRE_FETCHED | WIRE_LATE },
        { "stranger", WIRE_STRANGER },
        { "nameless", WIRE_NAMELESS },
        { "bent", WIRE_ANSWER | WIRE_BEND },
        { "never_answered", 0 },
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        char name[64];
        seed_input seed = { .length = 0 };
        const uint8_t whole = i % 2 == 0 ? 0 : WIRE_TO_ATTENTION;
        const uint8_t options = cases[i / 2].options;
        append(&seed, &whole, 1);
        append_wire(&seed, 0, whole == 0 ? AFD__WIRE_ATTACH : AFD__WIRE_ATTACHED, 0, 0);
        for (uint64_t round = 1; round <= 3; round++) {
            append_wire(&seed, options, whole == 0 ? AFD__WIRE_ROUND : AFD__WIRE_ANSWER, round, 8);
        }
        append_wire(&seed, 0, whole == 0 ? AFD__WIRE_ROUND : AFD__WIRE_ANSWER, 4, 0);
        (void)snprintf(name, sizeof(name), "%s_%s", whole == 0 ? "round" : "answer", cases[i / 2].name);
        write_seed(folder, name, &seed);
    }
}

int main(int argc, char **argv)
{
    char folder[256];
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    const struct {
        const char *target;
        void (*write_seeds)(const char *folder);
    } targets[] = {
        { "schedule", write_schedule_seeds },
        { "window_file", write_window_file_seeds },
        { "batch", write_batch_seeds },
        { "reply", write_reply_seeds },
        { "member_message", write_message_seeds },
        { "wire", write_wire_seeds },
    };
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        (void)snprintf(folder, sizeof(folder), "%s/%s", argv[1], targets[i].target);
        targets[i].write_seeds(folder);
    }
    return 0;
}
