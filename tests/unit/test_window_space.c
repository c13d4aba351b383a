/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Too little shared memory: an error with the needed and the free bytes, where a careless program gets a SIGBUS. Runs
 * with a /dev/shm of its own, a few pages large, in a private mount namespace; skipped where that is not permitted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "window_helpers.h"

enum { SKIPPED = 77, SHM_BYTES = 64 * 1024 };

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t written = write(fd, text, strlen(text));
    (void)close(fd);
    return written == (ssize_t)strlen(text) ? 0 : -1;
}

/* As a user who is not root: a user namespace in which this user is. */
static int become_root_of_a_namespace(void)
{
    char map[64];
    uid_t uid = geteuid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        return -1;
    }
    (void)snprintf(map, sizeof(map), "0 %u 1\n", (unsigned int)uid);
    return write_text("/proc/self/uid_map", map);
}

/* Gives this process, and nobody else, a small /dev/shm. */
static int make_small_shm(void)
{
    char options[32];
    if (unshare(CLONE_NEWNS) != 0 && become_root_of_a_namespace() != 0) {
        return -1;
    }
    (void)snprintf(options, sizeof(options), "size=%d", SHM_BYTES);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return -1;
    }
    return mount("none", "/dev/shm", "tmpfs", 0, options);
}

static uint64_t free_bytes(void)
{
    struct statvfs filesystem;
    assert_int_equal(statvfs("/dev/shm", &filesystem), 0);
    return (uint64_t)filesystem.f_bavail * filesystem.f_frsize;
}

static int count_files(void)
{
    int file_num = 0;
    DIR *folder = opendir("/dev/shm");
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        file_num += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    (void)closedir(folder);
    return file_num;
}

static void too_large_a_window_names_the_bytes_needed_and_free_and_leaves_nothing(void **state)
{
    (void)state;
    afd_shape shape = small_shape;
    afd_window_sizes sizes;
    afd_window *window = NULL;
    afd_error error;
    shape.attn_to_ffn_token_size = 4096; /* 90 slots: 360 KiB of token data */
    assert_int_equal(afd_ffn_window_measure(&shape, &sizes, NULL), AFD_OK);
    uint64_t free_before = free_bytes();
    assert_true(free_before > 0);
    assert_int_equal(afd_ffn_window_create_shared("large", &shape, &window, &error), AFD_ERR_NO_SPACE);
    assert_int_equal(error.value, 2 * 4096 + sizes.window_bytes); /* header and counters, a page each */
    assert_int_equal(error.bound, free_before);
    assert_null(window);
    assert_int_equal(count_files(), 0);
    assert_int_equal(free_bytes(), free_before);
}

static void a_size_beyond_what_a_file_can_have_is_no_space_either(void **state)
{
    (void)state;
    const uint32_t token_sizes[] = { UINT32_C(1) << 31, UINT32_MAX };
    for (int i = 0; i < 2; i++) {
        afd_shape shape = { .session_num = UINT32_C(1) << 20, .micro_batch_num = 4, .micro_batch_size = 256,
                            .selected_expert_num = 2, .attn_to_ffn_token_size = token_sizes[i] };
        afd_window_sizes sizes;
        afd_window *window = NULL;
        afd_error error;
        assert_int_equal(afd_ffn_window_measure(&shape, &sizes, NULL), AFD_OK);
        assert_int_equal(afd_ffn_window_create_shared("huge", &shape, &window, &error), AFD_ERR_NO_SPACE);
        assert_int_equal(error.value, 2 * 4096 + 128 * (UINT64_C(1) << 20) + sizes.window_bytes);
        assert_null(window);
        assert_int_equal(count_files(), 0);
    }
}

static void every_byte_of_a_window_that_was_made_can_be_written(void **state)
{
    (void)state;
    afd_window *windows[64];
    int window_num = 0;
    afd_status status = AFD_OK;
    afd_error error;
    while (status == AFD_OK && window_num < 64) {
        char name[16];
        (void)snprintf(name, sizeof(name), "fill-%d", window_num);
        status = afd_ffn_window_create_shared(name, &small_shape, &windows[window_num], &error);
        window_num += status == AFD_OK;
    }
    assert_int_equal(status, AFD_ERR_NO_SPACE);
    assert_true(window_num > 0);
    assert_int_equal(count_files(), window_num);
    for (int i = 0; i < window_num; i++) {
        memset(afd_window_token_data(windows[i], 0, 0), 0x42, 6 * 15 * 32);
        afd_window_close(windows[i]);
    }
    assert_int_equal(count_files(), 0);
}

static void a_window_beyond_the_limit_on_files_is_an_error_and_not_a_signal(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = { .rlim_cur = 4096, .rlim_max = before.rlim_max };
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    afd_status status = afd_ffn_window_create_shared("limit", &small_shape, &window, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, AFD_ERR_NO_SPACE);
    assert_int_equal(error.bound, 4096);
    assert_non_null(strstr(error.message, "ulimit"));
    assert_null(window);
    assert_int_equal(count_files(), 0);
}

int main(void)
{
    if (make_small_shm() != 0) {
        (void)fprintf(stderr, "skipped: no private mount namespace here: %s\n", strerror(errno));
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_beyond_the_limit_on_files_is_an_error_and_not_a_signal),
        cmocka_unit_test(too_large_a_window_names_the_bytes_needed_and_free_and_leaves_nothing),
        cmocka_unit_test(a_size_beyond_what_a_file_can_have_is_no_space_either),
        cmocka_unit_test(every_byte_of_a_window_that_was_made_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
