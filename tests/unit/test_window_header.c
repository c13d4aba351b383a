/* SPDX-License-Identifier: Apache-2.0 */
/* What a joiner refuses: a header that was changed field by field, files of other sizes, modes and kinds. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "window_helpers.h"

/* A field of the header, and what joining for writing says when every bit of it is turned round. */
typedef struct header_field {
    off_t offset;
    size_t bytes;
    afd_status status;
    const char *field; /* named by the error; NULL where there is none */
} header_field;

static const header_field fields[] = {
    { 0, 8, AFD_ERR_BAD_WINDOW, "header.magic" },
    { 8, 4, AFD_ERR_BAD_WINDOW, "header.version" },
    { 12, 4, AFD_ERR_BAD_WINDOW, "header.kind" },
    { 16, 8, AFD_ERR_BAD_WINDOW, "header.header_bytes" },
    { 24, 8, AFD_ERR_BAD_WINDOW, "header.file_bytes" },
    { 32, 8, AFD_OK, NULL }, /* generation: any number is one */
    { 40, 8, AFD_ERR_BAD_WINDOW, "header.created_unix_ns" }, /* created: before 1970 */
    { 48, 4, AFD_ERR_BAD_WINDOW, "header.token_info_bytes" }, /* S */
    { 52, 4, AFD_ERR_BAD_WINDOW, "header.token_info_bytes" }, /* M */
    { 56, 4, AFD_ERR_BAD_WINDOW, "header.token_info_bytes" }, /* BS */
    { 60, 4, AFD_ERR_BAD_WINDOW, "header.token_info_bytes" }, /* E */
    { 64, 4, AFD_OK, NULL }, /* expert_num measures nothing */
    { 68, 4, AFD_ERR_BAD_WINDOW, "header.token_data_bytes" }, /* HS */
    { 72, 4, AFD_OK, NULL }, /* the attention window's HS measures nothing here */
    { 76, 4, AFD_OK, NULL }, /* reserved */
    { 80, 8, AFD_ERR_BAD_WINDOW, "header.token_info_bytes" },
    { 88, 8, AFD_ERR_BAD_WINDOW, "header.token_data_offset" },
    { 96, 8, AFD_ERR_BAD_WINDOW, "header.token_data_bytes" },
    { 104, 4, AFD_ERR_BAD_WINDOW, "header.owner.pid" }, /* the pid turned round is negative */
    { 108, 4, AFD_OK, NULL }, /* reserved */
    { 112, 8, AFD_ERR_OWNER_DEAD, "header.owner.pid" }, /* its start time: the pid was used again */
    { 120, 8, AFD_OK, NULL }, /* another pid namespace: it cannot be seen from here, which is not dead */
    { 128, 39, AFD_ERR_OWNER_DEAD, "header.owner.pid" }, /* the boot id: another boot */
    { 167, 1, AFD_ERR_BAD_WINDOW, "header.owner.boot_id terminator" },
    { 168, 4, AFD_OK, NULL }, /* whom it replaced */
    { 172, 4, AFD_ERR_BAD_WINDOW, "header.member_num" },
    { 176, 8, AFD_ERR_BAD_WINDOW, "header.stats_offset" },
};

enum { FIELD_NUM = sizeof(fields) / sizeof(fields[0]), FIELDS_END = 184, HEADER_BYTES = 4096 };

static void the_table_of_fields_has_no_gap(void **state)
{
    (void)state;
    off_t end = 0;
    for (size_t i = 0; i < FIELD_NUM; i++) {
        assert_int_equal(fields[i].offset, end);
        end += (off_t)fields[i].bytes;
    }
    assert_int_equal(end, FIELDS_END);
}

static void read_file(const char *name, off_t offset, void *bytes, size_t byte_num)
{
    int fd = open(file_of(name), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, byte_num, offset), (ssize_t)byte_num);
    assert_int_equal(close(fd), 0);
}

/* Joins, closes again what was joined, and says how it ended. */
static afd_status try_join(const char *name, afd_window_access access, afd_error *error)
{
    afd_window *window = NULL;
    memset(error, 0, sizeof(*error));
    afd_status status = afd_window_join(name, access, &window, error);
    if (status == AFD_OK) {
        assert_non_null(window);
        afd_window_close(window);
    } else {
        assert_null(window);
        assert_int_equal(error->status, status);
        assert_true(strlen(error->message) > 0);
    }
    return status;
}

static void every_field_of_the_header_is_checked(void **state)
{
    (void)state;
    const char *name = name_of("field");
    afd_window *window = create_window(name);
    for (size_t i = 0; i < FIELD_NUM; i++) {
        unsigned char original[64];
        unsigned char changed[64];
        afd_error error;
        read_file(name, fields[i].offset, original, fields[i].bytes);
        for (size_t b = 0; b < fields[i].bytes; b++) {
            changed[b] = (unsigned char)~original[b];
        }
        patch_file(name, fields[i].offset, changed, fields[i].bytes);
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), fields[i].status);
        if (fields[i].status != AFD_OK) {
            /* A count turned round may already fail to fit 64 bits; then the sizes as a whole are named. */
            bool named = strcmp(error.field, fields[i].field) == 0 || strcmp(error.field, "the window") == 0;
            assert_true(named);
        }
        afd_status to_read = fields[i].status == AFD_ERR_OWNER_DEAD ? AFD_OK : fields[i].status;
        assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), to_read);
        patch_file(name, fields[i].offset, original, fields[i].bytes);
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_OK);
    }
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void every_single_bit_of_what_is_checked_counts(void **state)
{
    (void)state;
    const char *name = name_of("bit");
    afd_window *window = create_window(name);
    for (size_t i = 0; i < FIELD_NUM; i++) {
        /* A pid with one bit changed may be another process's, who knows of what age, and most times are good ones. */
        if (fields[i].status != AFD_ERR_BAD_WINDOW || strcmp(fields[i].field, "header.owner.pid") == 0 ||
            strcmp(fields[i].field, "header.created_unix_ns") == 0) {
            continue;
        }
        for (size_t bit = 0; bit < 8 * fields[i].bytes; bit++) {
            unsigned char byte = 0;
            afd_error error;
            off_t at = fields[i].offset + (off_t)(bit / 8);
            read_file(name, at, &byte, 1);
            byte = (unsigned char)(byte ^ 1U << bit % 8);
            patch_file(name, at, &byte, 1);
            assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_ERR_BAD_WINDOW);
            byte = (unsigned char)(byte ^ 1U << bit % 8);
            patch_file(name, at, &byte, 1);
        }
    }
    afd_window_close(window);
}

static void a_count_of_zero_in_the_header_is_a_bad_window(void **state)
{
    (void)state;
    const char *name = name_of("zero");
    afd_window *window = create_window(name);
    for (off_t offset = 48; offset < 64; offset += 4) {
        uint32_t original = 0;
        const uint32_t zero = 0;
        afd_error error;
        read_file(name, offset, &original, sizeof(original));
        patch_file(name, offset, &zero, sizeof(zero));
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_ERR_BAD_WINDOW);
        assert_int_equal(error.bound, 1);
        patch_file(name, offset, &original, sizeof(original));
    }
    afd_window_close(window);
}

static void a_window_of_an_older_version_is_refused_with_both_versions(void **state)
{
    (void)state;
    const char *name = name_of("older");
    afd_window *window = create_window(name);
    const uint32_t versions[] = { 0, 1, 3, UINT32_MAX };
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        char text[AFD_ERROR_MESSAGE_BYTES];
        afd_error error;
        patch_file(name, 8, &versions[i], sizeof(versions[i]));
        assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), AFD_ERR_BAD_WINDOW);
        assert_int_equal(error.value, versions[i]);
        assert_int_equal(error.bound, 2);
        (void)snprintf(text, sizeof(text), "the window has format version %u, this libafd reads version 2 only",
                       versions[i]);
        assert_string_equal(error.message, text);
    }
    afd_window_close(window);
}

/* Of which the members are not the sessions: any number that is not absurd will do, if the file is as long. */
static void the_members_of_an_attention_window_must_fit_its_file(void **state)
{
    (void)state;
    const char *name = name_of("members");
    const uint32_t fit_num = (2 * HEADER_BYTES - 256) / 128 - HEADER_BYTES / 128; /* in the page that 0 have, too */
    const struct {
        uint32_t member_num;
        const char *field; /* NULL: good */
    } rows[] = {
        { 0, NULL }, { 1, NULL }, { fit_num, NULL },
        { fit_num + 1, "header.header_bytes" }, { 65536, "header.header_bytes" },
        { 65537, "header.member_num" }, { UINT32_MAX, "header.member_num" },
    };
    afd_window *window = NULL;
    assert_int_equal(afd_attention_window_create_shared(name, &small_shape, &window, NULL), AFD_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        afd_error error;
        patch_file(name, 172, &rows[i].member_num, sizeof(rows[i].member_num));
        assert_int_equal(try_join(name, AFD_WINDOW_READ, &error),
                         rows[i].field == NULL ? AFD_OK : AFD_ERR_BAD_WINDOW);
        if (rows[i].field != NULL) {
            assert_string_equal(error.field, rows[i].field);
        }
    }
    afd_window_close(window);
}

static void reserved_bytes_may_hold_what_a_later_version_puts_there(void **state)
{
    (void)state;
    const char *name = name_of("reserved");
    afd_window *window = create_window(name);
    afd_error error;
    unsigned char junk[HEADER_BYTES - FIELDS_END];
    memset(junk, 0xDB, sizeof(junk));
    patch_file(name, FIELDS_END, junk, sizeof(junk));
    assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_OK);
    afd_window_close(window);
}

static void a_file_of_another_size_is_refused(void **state)
{
    (void)state;
    const char *name = name_of("size");
    afd_window *window = create_window(name);
    afd_window_info info;
    afd_window_describe(window, &info);
    off_t right = (off_t)info.file_bytes;
    const off_t sizes[] = { 0, 1, 171, 4095, 4096, 8192, right - 1, right + 1, right + 4096, 2 * right };
    char whole[32768];
    assert_true((size_t)right <= sizeof(whole));
    read_file(name, 0, whole, (size_t)right);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        afd_error error;
        assert_int_equal(truncate(file_of(name), sizes[i]), 0);
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_ERR_BAD_WINDOW);
        assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), AFD_ERR_BAD_WINDOW);
        assert_int_equal(truncate(file_of(name), right), 0);
        patch_file(name, 0, whole, (size_t)right);
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_OK);
    }
    afd_window_close(window);
}

static void a_file_that_others_can_reach_is_refused(void **state)
{
    (void)state;
    const char *name = name_of("open");
    afd_window *window = create_window(name);
    const mode_t modes[] = { 0666, 0660, 0640, 0620, 0604, 0602, 0601, 0610 };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        afd_error error;
        assert_int_equal(chmod(file_of(name), modes[i]), 0);
        assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_ERR_ACCESS);
        assert_string_equal(error.field, "mode");
        assert_int_equal(error.value, modes[i]);
        assert_int_equal(error.bound, 0600);
        assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), AFD_ERR_ACCESS);
    }
    assert_int_equal(chmod(file_of(name), 0600), 0);
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void a_symbolic_link_is_refused(void **state)
{
    (void)state;
    char target[AFD_WINDOW_NAME_MAX + 1];
    char target_path[128];
    afd_error error;
    (void)snprintf(target, sizeof(target), "%s", name_of("target"));
    afd_window *window = create_window(target);
    (void)snprintf(target_path, sizeof(target_path), "%s", file_of(target));
    const char *name = name_of("link");
    assert_int_equal(symlink(target_path, file_of(name)), 0);
    assert_true(try_join(name, AFD_WINDOW_WRITE, &error) < 0);
    assert_true(try_join(name, AFD_WINDOW_READ, &error) < 0);
    afd_window *second = NULL;
    assert_true(afd_ffn_window_create_shared(name, &small_shape, &second, NULL) < 0);
    assert_null(second);
    assert_int_equal(unlink(file_of(name)), 0);
    afd_window_close(window);
}

static void a_pipe_is_refused_without_waiting_for_its_other_end(void **state)
{
    (void)state;
    const char *name = name_of("pipe");
    afd_error error;
    afd_window *window = NULL;
    assert_int_equal(mkfifo(file_of(name), 0600), 0);
    assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), AFD_ERR_BAD_WINDOW);
    assert_int_equal(try_join(name, AFD_WINDOW_WRITE, &error), AFD_ERR_BAD_WINDOW);
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &window, &error), AFD_ERR_EXISTS);
    assert_int_equal(unlink(file_of(name)), 0);
}

static void a_folder_is_refused(void **state)
{
    (void)state;
    const char *name = name_of("folder");
    afd_error error;
    assert_int_equal(mkdir(file_of(name), 0700), 0);
    assert_int_equal(try_join(name, AFD_WINDOW_READ, &error), AFD_ERR_BAD_WINDOW);
    assert_true(try_join(name, AFD_WINDOW_WRITE, &error) < 0);
    assert_int_equal(rmdir(file_of(name)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_fields_has_no_gap),
        cmocka_unit_test(every_field_of_the_header_is_checked),
        cmocka_unit_test(every_single_bit_of_what_is_checked_counts),
        cmocka_unit_test(a_count_of_zero_in_the_header_is_a_bad_window),
        cmocka_unit_test(a_window_of_an_older_version_is_refused_with_both_versions),
        cmocka_unit_test(the_members_of_an_attention_window_must_fit_its_file),
        cmocka_unit_test(reserved_bytes_may_hold_what_a_later_version_puts_there),
        cmocka_unit_test(a_file_of_another_size_is_refused),
        cmocka_unit_test(a_file_that_others_can_reach_is_refused),
        cmocka_unit_test(a_symbolic_link_is_refused),
        cmocka_unit_test(a_pipe_is_refused_without_waiting_for_its_other_end),
        cmocka_unit_test(a_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
