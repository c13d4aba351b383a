/* SPDX-License-Identifier: Apache-2.0 */
/* The counters beside a window: where they are, who has some, and what a reader sees of them. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/stats.h"
#include "cmocka_headers.h"
#include "window/stats.h"
#include "window/window.h"
#include "window_helpers.h"

enum {
    PAGE_BYTES = 4096,
    WORKER_WORDS = sizeof(afd_worker_stats) / sizeof(uint64_t),
    MEMBER_WORDS = sizeof(afd_member_stats) / sizeof(uint64_t),
    LOOK_NUM = 200000
};

static afd_window *create_attention(const char *name, uint32_t member_num)
{
    afd_window *window = NULL;
    assert_int_equal(afd__attention_window_create(name, &small_shape, member_num, &window, NULL), AFD_OK);
    return window;
}

static afd_window *join_to_look(const char *name)
{
    afd_window *window = NULL;
    assert_int_equal(afd_window_join(name, AFD_WINDOW_READ, &window, NULL), AFD_OK);
    return window;
}

/* Gives each counter of a window a number of its own, from `first` on. */
static void write_all(afd_window *window, uint32_t member_num, uint64_t first)
{
    uint64_t *words = (uint64_t *)(void *)afd__window_own_worker_stats(window);
    for (uint64_t i = 0; i < WORKER_WORDS; i++) {
        afd__stat_set(&words[i], first++);
    }
    for (uint32_t member = 0; member < member_num; member++) {
        words = (uint64_t *)(void *)afd__window_own_member_stats(window, member);
        for (uint64_t i = 0; i < MEMBER_WORDS; i++) {
            afd__stat_set(&words[i], first++);
        }
    }
}

/* Whether a reader of the window finds what write_all() has written; no assertions, for use in another process. */
static bool sees_all(const afd_window *window, uint32_t member_num, uint64_t first)
{
    uint64_t words[WORKER_WORDS];
    bool same = afd_window_worker_stats(window, (afd_worker_stats *)(void *)words, NULL) == AFD_OK;
    for (uint64_t i = 0; i < WORKER_WORDS; i++) {
        same = same && words[i] == first++;
    }
    for (uint32_t member = 0; member < member_num; member++) {
        same = same && afd_window_member_stats(window, member, (afd_member_stats *)(void *)words, NULL) == AFD_OK;
        for (uint64_t i = 0; i < MEMBER_WORDS; i++) {
            same = same && words[i] == first++;
        }
    }
    return same;
}

static void the_counters_are_where_the_format_says(void **state)
{
    (void)state;
    const struct {
        uint32_t member_num;
        uint64_t bytes;
    } rows[] = {
        { 0, 4096 }, { 1, 4096 }, { 30, 4096 }, { 31, 8192 }, { 62, 8192 }, { 63, 12288 },
        { UINT32_MAX, (UINT64_C(1) << 39) + 4096 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(afd__stats_bytes(rows[i].member_num), rows[i].bytes);
        assert_int_equal(afd__header_bytes(rows[i].member_num), PAGE_BYTES + rows[i].bytes);
    }
    afd_window *window = create_window(name_of("where"));
    const char *stats = (const char *)afd__window_own_worker_stats(window);
    assert_int_equal((uintptr_t)stats % PAGE_BYTES, 0);
    assert_int_equal((char *)afd_window_desc(window, 0, 0) - stats, PAGE_BYTES);
    for (uint32_t member = 0; member < small_shape.session_num; member++) {
        assert_int_equal((char *)afd__window_own_member_stats(window, member) - stats, 256 + 128 * member);
    }
    afd_window_close(window);
}

static void an_ffn_window_counts_for_every_session(void **state)
{
    (void)state;
    const char *name = name_of("ffn");
    afd_window *window = create_window(name);
    afd_window *reader = join_to_look(name);
    assert_int_equal(afd_window_member_num(window), small_shape.session_num);
    assert_int_equal(afd_window_member_num(reader), small_shape.session_num);
    afd_window_close(reader);
    afd_window_close(window);
}

static void an_attention_window_counts_for_as_many_as_it_was_made_with(void **state)
{
    (void)state;
    const uint32_t numbers[] = { 0, 1, 2, 31, 500 };
    const char *name = name_of("attention");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        afd_window_info info;
        afd_window *window = create_attention(name, numbers[i]);
        afd_window *reader = join_to_look(name);
        afd_window_describe(reader, &info);
        assert_int_equal(afd_window_member_num(reader), numbers[i]);
        assert_int_equal(info.file_bytes, afd__header_bytes(numbers[i]) + info.sizes.window_bytes);
        write_all(window, numbers[i], 17);
        assert_true(sees_all(reader, numbers[i], 17));
        afd_window_close(reader);
        afd_window_close(window);
    }
    afd_window *window = NULL;
    assert_int_equal(afd_attention_window_create_shared(name, &small_shape, &window, NULL), AFD_OK);
    assert_int_equal(afd_window_member_num(window), 0);
    assert_int_equal(afd_window_member_stats(window, 0, &(afd_member_stats){ 0 }, NULL), AFD_ERR_INVALID);
    afd_window_close(window);
}

static void more_members_than_any_cluster_has_are_refused(void **state)
{
    (void)state;
    const uint32_t numbers[] = { 65537, UINT32_MAX };
    const char *const names[] = { NULL, "test-absurd" };
    for (size_t i = 0; i < 4; i++) {
        afd_window *window = NULL;
        afd_error error;
        assert_int_equal(afd__attention_window_create(names[i / 2], &small_shape, numbers[i % 2], &window, &error),
                         AFD_ERR_INVALID);
        assert_string_equal(error.field, "member_num");
        assert_int_equal(error.value, numbers[i % 2]);
        assert_int_equal(error.bound, 65536);
        assert_null(window);
    }
    afd_window_close(create_attention(NULL, 65536));
}

static void a_fresh_window_has_counted_nothing(void **state)
{
    (void)state;
    const char *name = name_of("fresh");
    const afd_worker_stats no_work = { 0 };
    const afd_member_stats no_member = { 0 };
    afd_window *window = create_window(name);
    afd_worker_stats worker;
    afd_member_stats member;
    assert_int_equal(afd_window_worker_stats(window, &worker, NULL), AFD_OK);
    assert_memory_equal(&worker, &no_work, sizeof(worker));
    for (uint32_t i = 0; i < small_shape.session_num; i++) {
        assert_int_equal(afd_window_member_stats(window, i, &member, NULL), AFD_OK);
        assert_memory_equal(&member, &no_member, sizeof(member));
    }
    afd_window_close(window);
}

static void a_member_out_of_range_is_refused_with_the_number_of_members(void **state)
{
    (void)state;
    const uint32_t members[] = { small_shape.session_num, UINT32_MAX };
    afd_window *window = create_window(name_of("range"));
    write_all(window, small_shape.session_num, 1);
    for (size_t i = 0; i < 2; i++) {
        afd_error error;
        afd_member_stats seen = { .state = 4711 };
        assert_int_equal(afd_window_member_stats(window, members[i], &seen, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "member");
        assert_int_equal(error.value, members[i]);
        assert_int_equal(error.bound, small_shape.session_num);
        assert_int_equal(seen.state, 4711);
    }
    afd_window_close(window);
}

/* Who owns a window in private memory counts without asking whether anybody can look. */
static void private_memory_counts_for_its_owner_alone(void **state)
{
    (void)state;
    afd_window *ffn = NULL;
    assert_int_equal(afd_ffn_window_create_private(&small_shape, &ffn, NULL), AFD_OK);
    afd_window *const windows[] = { ffn, create_attention(NULL, 3) };
    for (size_t i = 0; i < 2; i++) {
        afd_worker_stats worker = { .started_ns = 4711 };
        afd_member_stats member = { .state = 4711 };
        afd_error error;
        assert_int_equal(afd__window_own_member_stats(windows[i], 2)->layer_id, 0);
        write_all(windows[i], 3, 1000);
        assert_int_equal(afd__window_own_member_stats(windows[i], 2)->layer_id,
                         1000 + WORKER_WORDS + 3 * MEMBER_WORDS - 1);
        assert_int_equal(afd_window_member_num(windows[i]), 0);
        assert_int_equal(afd_window_worker_stats(windows[i], &worker, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "window");
        assert_int_equal(afd_window_member_stats(windows[i], 0, &member, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "window");
        assert_int_equal(worker.started_ns, 4711);
        assert_int_equal(member.state, 4711);
        afd_window_close(windows[i]);
    }
}

static void counters_and_descs_keep_out_of_each_others_memory(void **state)
{
    (void)state;
    const char *name = name_of("apart");
    afd_window *window = create_window(name);
    write_all(window, small_shape.session_num, UINT64_C(0x7171717100000000));
    for (uint32_t s = 0; s < small_shape.session_num; s++) {
        for (uint32_t m = 0; m < small_shape.micro_batch_num; m++) {
            afd_ffn_desc *desc = afd_window_desc(window, s, m);
            assert_int_equal(desc->flag, AFD_FLAG_FREE);
            assert_int_equal(desc->layer_id, 0);
            assert_int_equal(*afd_ffn_desc_expert_ids(desc), AFD_EXPERT_ID_NONE);
            memset(desc, 0x5A, 8 + 4 * small_shape.micro_batch_size * small_shape.selected_expert_num);
            memset(afd_window_token_data(window, s, m), 0x5A, 15 * 32);
        }
    }
    afd_window *reader = join_to_look(name); /* the header is as it was */
    assert_true(sees_all(reader, small_shape.session_num, UINT64_C(0x7171717100000000)));
    afd_window_close(reader);
    afd_window_close(window);
}

/* The reader's whole life. */
_Noreturn static void look_in_another_process(const char *name, int go_fd, uint64_t first)
{
    char byte = 0;
    afd_window *window = NULL;
    bool good = afd_window_join(name, AFD_WINDOW_READ, &window, NULL) == AFD_OK && read(go_fd, &byte, 1) == 1 &&
                sees_all(window, afd_window_member_num(window), first);
    _exit(good ? 0 : 1);
}

static void another_process_sees_what_the_owner_counts(void **state)
{
    (void)state;
    const char *name = name_of("process");
    int go[2];
    afd_window *window = create_window(name);
    write_all(window, small_shape.session_num, 5);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        look_in_another_process(name, go[0], 1234);
    }
    write_all(window, small_shape.session_num, 1234); /* whether it has joined by now or not */
    assert_int_equal(write(go[1], "x", 1), 1);
    reap(pid);
    (void)close(go[0]);
    (void)close(go[1]);
    afd_window_close(window);
}

static void an_addition_counts_from_what_was_there(void **state)
{
    (void)state;
    afd_window *window = create_window(name_of("add"));
    uint64_t *row_num = &afd__window_own_worker_stats(window)->row_num;
    afd_worker_stats seen;
    afd__stat_set(row_num, UINT64_MAX - 1);
    afd__stat_add(row_num, 3);
    assert_int_equal(afd_window_worker_stats(window, &seen, NULL), AFD_OK);
    assert_int_equal(seen.row_num, 1); /* counters wrap, differences hold */
    afd_window_close(window);
}

typedef struct flip_job {
    afd_member_stats *stats;
    int32_t stop;
} flip_job;

/* Every figure is now all zeros and now all ones, so a torn one would be neither. */
static void *flip(void *arg)
{
    flip_job *job = arg;
    uint64_t *words = (uint64_t *)(void *)job->stats;
    for (uint64_t value = 0; afd__load_relaxed_i32(&job->stop) == 0; value = ~value) {
        for (size_t i = 0; i < MEMBER_WORDS; i++) {
            afd__stat_set(&words[i], value);
        }
    }
    return NULL;
}

static void no_figure_is_ever_torn(void **state)
{
    (void)state;
    const char *name = name_of("torn");
    afd_window *window = create_window(name);
    afd_window *reader = join_to_look(name);
    flip_job job = { .stats = afd__window_own_member_stats(window, 1) };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, flip, &job), 0);
    uint64_t torn_num = 0;
    for (int look = 0; look < LOOK_NUM; look++) {
        uint64_t words[MEMBER_WORDS];
        (void)afd_window_member_stats(reader, 1, (afd_member_stats *)(void *)words, NULL);
        for (size_t i = 0; i < MEMBER_WORDS; i++) {
            torn_num += words[i] != 0 && words[i] != UINT64_MAX;
        }
    }
    afd__store_relaxed_i32(&job.stop, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(torn_num, 0);
    afd_window_close(reader);
    afd_window_close(window);
}

static void a_dump_has_the_counters_as_they_were(void **state)
{
    (void)state;
    char folder[] = "/tmp/afd-stats-XXXXXX";
    char path[64];
    afd_window *window = create_window(name_of("dump"));
    afd_window *dump = NULL;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/dump", folder);
    write_all(window, small_shape.session_num, 99);
    assert_int_equal(afd_window_dump(window, path, NULL), AFD_OK);
    write_all(window, small_shape.session_num, 0);
    assert_int_equal(afd_window_open_file(path, &dump, NULL), AFD_OK);
    assert_int_equal(afd_window_member_num(dump), small_shape.session_num);
    assert_true(sees_all(dump, small_shape.session_num, 99));
    afd_window_close(dump);
    afd_window_close(window);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counters_are_where_the_format_says),
        cmocka_unit_test(an_ffn_window_counts_for_every_session),
        cmocka_unit_test(an_attention_window_counts_for_as_many_as_it_was_made_with),
        cmocka_unit_test(more_members_than_any_cluster_has_are_refused),
        cmocka_unit_test(a_fresh_window_has_counted_nothing),
        cmocka_unit_test(a_member_out_of_range_is_refused_with_the_number_of_members),
        cmocka_unit_test(private_memory_counts_for_its_owner_alone),
        cmocka_unit_test(counters_and_descs_keep_out_of_each_others_memory),
        cmocka_unit_test(another_process_sees_what_the_owner_counts),
        cmocka_unit_test(an_addition_counts_from_what_was_there),
        cmocka_unit_test(no_figure_is_ever_torn),
        cmocka_unit_test(a_dump_has_the_counters_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
