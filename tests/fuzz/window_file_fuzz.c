/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: arbitrary bytes as the file of a window. They are refused by the header check and by
 * afd_window_open_file() alike; or the window opens, and then everything that its accessors hand out lies in the file.
 *
 *     input   window_file_input, then the file: raw; or the start of the header, that of the counters, and the window.
 *             What is missing is 0.
 */
#include "window_file_input.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "afd/stats.h"
#include "fuzz.h"
#include "window/header.h"

enum { FILE_BYTES_MAX = 1 << 18 };

typedef struct file_image {
    uint64_t bytes;
    uint8_t content[FILE_BYTES_MAX];
} file_image;

/* Bends a header into one that fits the file it is in, whatever its counts; the file is given its size. */
static void bend_header(file_image *file)
{
    afd__window_header header;
    afd_window_sizes sizes;
    memcpy(&header, file->content, sizeof(header));
    header.shape.session_num = 1 + header.shape.session_num % 9;
    header.shape.micro_batch_num = 1 + header.shape.micro_batch_num % 5;
    header.shape.micro_batch_size = 1 + header.shape.micro_batch_size % 5;
    header.shape.selected_expert_num = 1 + header.shape.selected_expert_num % 5;
    header.shape.attn_to_ffn_token_size %= 65;
    fuzz_expect(afd_ffn_window_measure(&header.shape, &sizes, NULL) == AFD_OK, "a small shape can be measured");
    header.magic = AFD_WINDOW_MAGIC;
    header.version = AFD_WINDOW_VERSION;
    header.kind = AFD_WINDOW_FFN;
    header.member_num = header.shape.session_num;
    header.stats_offset = AFD_WINDOW_HEADER_BYTES;
    header.header_bytes = afd__header_bytes(header.member_num);
    header.file_bytes = header.header_bytes + sizes.window_bytes;
    header.token_info_bytes = sizes.token_info_bytes;
    header.token_data_offset = sizes.token_data_offset;
    header.token_data_bytes = sizes.token_data_bytes;
    header.owner.boot_id[AFD_OWNER_BOOT_ID_BYTES - 1] = '\0';
    fuzz_expect(header.file_bytes <= FILE_BYTES_MAX, "a small shape has a small file");
    memcpy(file->content, &header, sizeof(header));
    file->bytes = header.file_bytes;
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

static void make_raw(file_image *file, const uint8_t *data, size_t size)
{
    file->bytes = at_most(size, FILE_BYTES_MAX);
    memcpy(file->content, data, file->bytes);
}

/* Moves the next bytes of the input to a place in the file. */
static void place(file_image *file, uint64_t offset, uint64_t bytes, const uint8_t **data, size_t *size)
{
    uint64_t taken = at_most(*size, offset < FILE_BYTES_MAX ? at_most(bytes, FILE_BYTES_MAX - offset) : 0);
    memcpy(file->content + at_most(offset, FILE_BYTES_MAX), *data, taken);
    *data += taken;
    *size -= taken;
}

static uint64_t window_offset(const file_image *file)
{
    afd__window_header header;
    memcpy(&header, file->content, sizeof(header));
    return header.header_bytes;
}

static void make_file(file_image *file, const uint8_t *data, size_t size)
{
    window_file_input input = { 0 };
    memset(file, 0, sizeof(*file));
    if (size < sizeof(input)) {
        return;
    }
    memcpy(&input, data, sizeof(input));
    data += sizeof(input);
    size -= sizeof(input);
    if ((input.options & WINDOW_FILE_RAW) != 0) {
        make_raw(file, data, size);
        return;
    }
    place(file, 0, WINDOW_FILE_HEADER_START_BYTES, &data, &size);
    place(file, AFD_WINDOW_HEADER_BYTES, WINDOW_FILE_STATS_START_BYTES, &data, &size);
    file->bytes = at_most(input.file_bytes, FILE_BYTES_MAX);
    if ((input.options & WINDOW_FILE_BEND) != 0) {
        bend_header(file);
    }
    place(file, window_offset(file), FILE_BYTES_MAX, &data, &size);
}

/* ---- what an open window hands out ---- */

/* Bounds of the window part of the mapping. */
typedef struct window_span {
    const uint8_t *start;
    uint64_t bytes;
} window_span;

static void expect_inside(const window_span *span, const void *start, uint64_t bytes)
{
    const uint8_t *from = start;
    fuzz_expect(from >= span->start && bytes <= span->bytes && (uint64_t)(from - span->start) <= span->bytes - bytes,
                "what an accessor returns lies in the window");
}

/* Reads the first and the last byte: beyond the file that is a SIGBUS. */
static void touch(const void *start, uint64_t bytes)
{
    const volatile uint8_t *memory = start;
    (void)memory[0];
    (void)memory[bytes - 1];
}

static void look_at_desc(const afd_window *window, const afd_window_info *info, const window_span *span,
                         uint32_t session, uint32_t micro_batch)
{
    uint64_t data_bytes = (uint64_t)info->shape.micro_batch_size * info->shape.selected_expert_num *
                          info->shape.attn_to_ffn_token_size;
    afd_ffn_desc *desc = afd_window_desc(window, session, micro_batch);
    const void *token_data = afd_window_token_data(window, session, micro_batch);
    expect_inside(span, desc, info->sizes.desc_bytes);
    touch(desc, info->sizes.desc_bytes);
    fuzz_expect(afd_ffn_desc_is_free(desc) == (afd_ffn_desc_peek_flag(desc) != AFD_FLAG_READY),
                "a desc is free unless its flag is 1");
    fuzz_expect(afd_ffn_desc_peek_layer_id(desc) == desc->layer_id, "the layer is where it is");
    fuzz_expect((token_data != NULL) == (data_bytes > 0), "there is token data exactly where it has a size");
    if (token_data != NULL) {
        expect_inside(span, token_data, data_bytes);
        touch(token_data, data_bytes);
    }
}

static void look_at_descs(const afd_window *window, const afd_window_info *info)
{
    uint32_t session_num = info->shape.session_num;
    uint32_t micro_batch_num = info->shape.micro_batch_num;
    window_span span = { (const uint8_t *)afd_window_desc(window, 0, 0), info->sizes.window_bytes };
    fuzz_expect(afd_window_desc(window, session_num, 0) == NULL, "there is no desc of a session out of range");
    fuzz_expect(afd_window_desc(window, 0, micro_batch_num) == NULL, "there is none of a micro-batch out of range");
    fuzz_expect(afd_window_token_data(window, session_num, micro_batch_num) == NULL, "nor is there token data");
    for (uint32_t s = 0; s < session_num; s++) {
        for (uint32_t m = 0; m < micro_batch_num; m++) {
            look_at_desc(window, info, &span, s, m);
        }
    }
}

static void check_bind_is_refused(afd_window *window, const afd_window_info *info)
{
    afd_error error;
    afd_schedule_context context;
    memset(&context, 0, sizeof(context));
    context.common.session_num = info->shape.session_num;
    context.common.micro_batch_num = info->shape.micro_batch_num;
    context.common.micro_batch_size = info->shape.micro_batch_size;
    context.common.selected_expert_num = info->shape.selected_expert_num;
    context.common.attn_to_ffn_token_size = info->shape.attn_to_ffn_token_size;
    fuzz_expect(afd_window_bind(window, &context, &error) == AFD_ERR_INVALID, "what was opened to look is not bound");
    fuzz_expect(context.ffn.window.token_info_buf == 0, "a refused bind writes nothing");
}

/* A look at counters is a copy of them, and there are none beyond the last member. */
static void look_at_stats(const afd_window *window, const afd_window_info *info, const file_image *file)
{
    afd_worker_stats worker;
    afd_member_stats member;
    const uint8_t *stats = file->content + AFD_WINDOW_HEADER_BYTES;
    fuzz_expect(afd_window_member_num(window) == info->shape.session_num, "an FFN window has a member a session");
    fuzz_expect(afd_window_worker_stats(window, &worker, NULL) == AFD_OK, "a file has counters");
    fuzz_expect(memcmp(&worker, stats, sizeof(worker)) == 0, "the worker's counters are those of the file");
    for (uint32_t i = 0; i < info->shape.session_num; i++) {
        fuzz_expect(afd_window_member_stats(window, i, &member, NULL) == AFD_OK, "every session has counters");
        fuzz_expect(memcmp(&member, stats + sizeof(worker) + i * sizeof(member), sizeof(member)) == 0,
                    "a member's counters are those of the file");
    }
    fuzz_expect(afd_window_member_stats(window, info->shape.session_num, &member, NULL) == AFD_ERR_INVALID,
                "there are no others");
}

static void look_at_window(afd_window *window, const file_image *file, const afd_window_sizes *sizes)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    fuzz_expect(info.valid && info.file_bytes == file->bytes, "an open window is valid and as large as its file");
    fuzz_expect(memcmp(&info.sizes, sizes, sizeof(*sizes)) == 0, "its sizes are those of its header");
    fuzz_expect(info.sizes.window_bytes == file->bytes - afd__header_bytes(info.shape.session_num),
                "the window is the rest of the file");
    fuzz_expect(info.owner <= AFD_OWNER_UNKNOWN, "its owner is alive, dead or unknown");
    look_at_stats(window, &info, file);
    look_at_descs(window, &info);
    check_bind_is_refused(window, &info);
}

/* ---- the file ---- */

/* One file for all inputs; its name is that of the descriptor. */
static int open_file(char *path, size_t path_bytes)
{
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("afd-fuzz", MFD_CLOEXEC);
        fuzz_expect(fd >= 0, "a file in memory can be made");
    }
    (void)snprintf(path, path_bytes, "/proc/self/fd/%d", fd);
    return fd;
}

static void write_file(int fd, const file_image *file)
{
    fuzz_expect(ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)file->bytes) == 0, "the file can be resized");
    fuzz_expect(pwrite(fd, file->content, file->bytes, 0) == (ssize_t)file->bytes, "the file can be written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static file_image file;
    char path[64];
    afd_error error;
    afd_window_sizes sizes;
    afd__window_header header;
    afd_window *window = NULL;
    make_file(&file, data, size);
    memcpy(&header, file.content, sizeof(header));
    afd_status checked = file.bytes < sizeof(header) ? AFD_ERR_BAD_WINDOW
                                                     : afd__header_check(&header, file.bytes, &sizes, &error);
    write_file(open_file(path, sizeof(path)), &file);
    afd_status opened = afd_window_open_file(path, &window, &error);
    fuzz_expect(opened == checked, "a file opens exactly if its header is good");
    if (opened == AFD_OK) {
        look_at_window(window, &file, &sizes);
    } else {
        fuzz_expect(opened == AFD_ERR_BAD_WINDOW && error.status == opened && window == NULL,
                    "a bad file is a bad window, and nothing is opened");
    }
    afd_window_close(window);
    return 0;
}
