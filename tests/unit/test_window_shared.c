/* SPDX-License-Identifier: Apache-2.0 */
/* Windows in shared memory by name: making, joining, closing, listing, removing, dumping. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "window_helpers.h"

static afd_window *join(const char *name, afd_window_access access)
{
    afd_window *window = NULL;
    assert_int_equal(afd_window_join(name, access, &window, NULL), AFD_OK);
    return window;
}

static void names_are_checked_character_by_character(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char name[] = { 'a', (char)c, 'b', '\0' };
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                    c == '_' || c == '-';
        afd_error error;
        afd_window *window = NULL;
        afd_status status = afd_window_join(name, AFD_WINDOW_READ, &window, &error);
        assert_int_equal(status, good ? AFD_ERR_NOT_FOUND : AFD_ERR_INVALID);
        if (!good) {
            assert_string_equal(error.field, "name");
            assert_int_equal(error.value, c);
            assert_int_equal(error.bound, 1); /* which character it is */
        }
    }
}

static void bad_names_are_refused_by_every_call(void **state)
{
    (void)state;
    char long_name[66];
    memset(long_name, 'x', 64);
    long_name[64] = '\0';
    const char *names[] = { "", ".", "..", ".hidden", "a/b", "../x", "/x", "a b", "a\n", long_name, NULL };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        afd_window *window = NULL;
        afd_error error;
        assert_int_equal(afd_ffn_window_create_shared(names[i], &small_shape, &window, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "name");
        assert_int_equal(afd_window_join(names[i], AFD_WINDOW_WRITE, &window, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "name");
        assert_int_equal(afd_window_remove(names[i], true, &error), AFD_ERR_INVALID);
        assert_string_equal(error.field, "name");
        assert_null(window);
    }
}

static void the_longest_name_works(void **state)
{
    (void)state;
    char name[AFD_WINDOW_NAME_MAX + 1];
    int length = snprintf(name, sizeof(name), "test-%d-", (int)getpid());
    memset(name + length, 'x', AFD_WINDOW_NAME_MAX - (size_t)length);
    name[AFD_WINDOW_NAME_MAX] = '\0';
    afd_window *window = create_window(name);
    afd_window_info info;
    afd_window_describe(window, &info);
    assert_string_equal(info.name, name);
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void a_new_window_is_a_private_file_of_the_whole_size(void **state)
{
    (void)state;
    const char *name = name_of("mode");
    struct stat status;
    mode_t umask_before = umask(0777); /* the mode does not depend on it */
    afd_window *window = create_window(name);
    (void)umask(umask_before);
    afd_window_info info;
    afd_window_describe(window, &info);
    assert_int_equal(lstat(file_of(name), &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    assert_int_equal(status.st_size, 2 * 4096 + info.sizes.window_bytes); /* header and counters, a page each */
    assert_int_equal(info.file_bytes, status.st_size);
    assert_true((uint64_t)status.st_blocks * 512 >= info.file_bytes); /* reserved, not only promised */
    assert_string_equal(info.name, name);
    assert_true(info.valid);
    assert_memory_equal(&info.shape, &small_shape, sizeof(small_shape));
    assert_int_equal(info.owner_pid, getpid());
    assert_int_equal(info.owner, AFD_OWNER_ALIVE);
    assert_int_equal(info.replaced_pid, 0);
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void who_joins_sees_the_same_memory(void **state)
{
    (void)state;
    const char *name = name_of("join");
    afd_window *owner = create_window(name);
    afd_window *writer = join(name, AFD_WINDOW_WRITE);
    afd_window *reader = join(name, AFD_WINDOW_READ);
    afd_ffn_desc *desc = afd_window_desc(writer, 2, 1);
    assert_int_equal(afd_ffn_desc_expert_ids(desc)[14], AFD_EXPERT_ID_NONE);
    assert_true(afd_ffn_desc_is_free(desc));
    afd_ffn_desc_expert_ids(desc)[14] = 77;
    desc->layer_id = 5;
    memset(afd_window_token_data(writer, 2, 1), 0x42, 15 * 32);
    afd_ffn_desc_publish(desc);
    const afd_window *others[] = { owner, reader };
    for (int i = 0; i < 2; i++) {
        afd_ffn_desc *seen = afd_window_desc(others[i], 2, 1);
        assert_int_equal(afd_ffn_desc_peek_flag(seen), 1);
        assert_int_equal(afd_ffn_desc_peek_layer_id(seen), 5);
        assert_int_equal(afd_ffn_desc_expert_ids(seen)[14], 77);
        assert_int_equal(((unsigned char *)afd_window_token_data(others[i], 2, 1))[15 * 32 - 1], 0x42);
    }
    assert_int_equal(generation_of(writer), generation_of(owner));
    afd_window_close(reader);
    afd_window_close(writer);
    assert_true(name_exists(name)); /* only its owner removes it */
    afd_window_close(owner);
    assert_false(name_exists(name));
}

static void a_window_opened_to_look_cannot_be_bound(void **state)
{
    (void)state;
    const char *name = name_of("look");
    afd_window *owner = create_window(name);
    afd_window *reader = join(name, AFD_WINDOW_READ);
    afd_schedule_context *context = NULL;
    afd_error error;
    assert_int_equal(afd_ffn_context_create(&small_shape, &context, NULL), AFD_OK);
    afd_schedule_context before = *context;
    assert_int_equal(afd_window_bind(reader, context, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "window");
    assert_memory_equal(context, &before, sizeof(before));
    assert_int_equal(afd_window_bind(owner, context, &error), AFD_OK);
    afd_context_destroy(context);
    afd_window_close(reader);
    afd_window_close(owner);
}

static void a_childs_close_leaves_the_name_alone(void **state)
{
    (void)state;
    const char *name = name_of("fork");
    afd_window *window = create_window(name);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        afd_window_close(window);
        _exit(0);
    }
    reap(pid);
    assert_true(name_exists(name));
    afd_window_close(join(name, AFD_WINDOW_WRITE));
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void a_name_in_use_is_refused_with_its_owners_pid(void **state)
{
    (void)state;
    const char *name = name_of("twice");
    afd_window *window = create_window(name);
    afd_window *second = NULL;
    afd_error error;
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &second, &error), AFD_ERR_EXISTS);
    assert_int_equal(error.value, getpid());
    assert_null(second);
    assert_true(name_exists(name));
    afd_window_close(window);
}

static void a_new_window_of_the_same_name_has_a_larger_generation(void **state)
{
    (void)state;
    const char *name = name_of("again");
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) {
        afd_window *window = create_window(name);
        assert_true(generation_of(window) > last);
        last = generation_of(window);
        afd_window_close(window);
    }
}

static void removing_needs_force_while_the_owner_lives(void **state)
{
    (void)state;
    const char *name = name_of("rm");
    afd_window *window = create_window(name);
    afd_error error;
    assert_int_equal(afd_window_remove(name, false, &error), AFD_ERR_EXISTS);
    assert_int_equal(error.value, getpid());
    assert_true(name_exists(name));
    assert_int_equal(afd_window_remove(name, true, &error), AFD_OK);
    assert_false(name_exists(name));
    assert_int_equal(afd_ffn_desc_peek_flag(afd_window_desc(window, 0, 0)), 0); /* the mapping stays */
    assert_int_equal(afd_window_remove(name, true, &error), AFD_ERR_NOT_FOUND);
    /* A window that was forced away does not take its successor's name with it. */
    afd_window *successor = create_window(name);
    afd_window_close(window);
    assert_true(name_exists(name));
    afd_window_close(successor);
}

static void a_dead_owners_window_is_removed_without_force(void **state)
{
    (void)state;
    const char *name = name_of("rm-dead");
    (void)make_dead_window(name);
    assert_true(name_exists(name));
    assert_int_equal(afd_window_remove(name, false, NULL), AFD_OK);
    assert_false(name_exists(name));
}

static void a_file_that_is_no_window_is_removed_only_with_force(void **state)
{
    (void)state;
    const char *name = name_of("rm-junk");
    afd_error error;
    int fd = open(file_of(name), O_CREAT | O_EXCL | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "junk", 4), 4);
    (void)close(fd);
    afd_window *window = NULL;
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &window, &error), AFD_ERR_EXISTS);
    assert_int_equal(afd_window_remove(name, false, &error), AFD_ERR_BAD_WINDOW);
    assert_true(name_exists(name));
    assert_int_equal(afd_window_remove(name, true, &error), AFD_OK);
    assert_false(name_exists(name));
}

/* What afd_window_list() showed of this test's names. */
typedef struct listing {
    char prefix[32];
    int num;
    afd_window_info infos[8];
} listing;

static void keep_ours(void *arg, const afd_window_info *info)
{
    listing *list = arg;
    if (strncmp(info->name, list->prefix, strlen(list->prefix)) == 0 && list->num < 8) {
        list->infos[list->num++] = *info;
    }
}

static void the_list_is_sorted_and_shows_dead_and_invalid_ones(void **state)
{
    (void)state;
    char names[4][AFD_WINDOW_NAME_MAX + 1];
    const char *suffixes[] = { "list-a", "list-b", "list-c", "list-d" };
    for (int i = 0; i < 4; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%s", name_of(suffixes[i]));
    }
    afd_window *last = create_window(names[3]);
    pid_t dead = make_dead_window(names[1]);
    afd_window *first = create_window(names[0]);
    afd_window *corrupt = create_window(names[2]);
    patch_file(names[2], 8, "\x09", 1);
    listing list = { .num = 0 };
    (void)snprintf(list.prefix, sizeof(list.prefix), "%s", name_of("list-"));
    assert_int_equal(afd_window_list(keep_ours, &list, NULL), AFD_OK);
    assert_int_equal(list.num, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(list.infos[i].name, names[i]);
        assert_int_equal(list.infos[i].valid, i != 2);
        assert_int_equal(strlen(list.infos[i].problem) > 0, i == 2);
    }
    assert_int_equal(list.infos[0].owner, AFD_OWNER_ALIVE);
    assert_int_equal(list.infos[1].owner, AFD_OWNER_DEAD);
    assert_int_equal(list.infos[1].owner_pid, dead);
    assert_int_equal(list.infos[0].generation, generation_of(first));
    assert_non_null(strstr(list.infos[2].problem, "version"));
    afd_window_close(first);
    afd_window_close(last);
    assert_int_equal(afd_window_remove(names[1], false, NULL), AFD_OK);
    assert_int_equal(afd_window_remove(names[2], true, NULL), AFD_OK);
    afd_window_close(corrupt);
}

static void a_dump_can_be_opened_and_holds_what_the_window_held(void **state)
{
    (void)state;
    const char *name = name_of("dump");
    char folder[] = "/tmp/afd-test-XXXXXX";
    char path[64];
    struct stat status;
    afd_error error;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/dump", folder);
    afd_window *window = create_window(name);
    afd_window_desc(window, 1, 1)->layer_id = 42;
    afd_ffn_desc_publish(afd_window_desc(window, 1, 1));
    memset(afd_window_token_data(window, 2, 1), 0x42, 15 * 32);
    uint64_t generation = generation_of(window);
    assert_int_equal(afd_window_dump(window, path, NULL), AFD_OK);
    assert_int_equal(afd_window_dump(window, path, &error), AFD_ERR_SYSTEM); /* never over an old one */
    afd_window_close(window);

    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode, S_IFREG | 0600);
    afd_window *opened = NULL;
    assert_int_equal(afd_window_open_file(path, &opened, NULL), AFD_OK);
    afd_window_info info;
    afd_window_describe(opened, &info);
    assert_int_equal(info.generation, generation);
    assert_int_equal(info.file_bytes, status.st_size);
    assert_int_equal(afd_ffn_desc_peek_flag(afd_window_desc(opened, 1, 1)), 1);
    assert_int_equal(afd_ffn_desc_peek_layer_id(afd_window_desc(opened, 1, 1)), 42);
    assert_int_equal(((unsigned char *)afd_window_token_data(opened, 2, 1))[15 * 32 - 1], 0x42);
    afd_window_close(opened);
    assert_int_equal(afd_window_open_file("/nowhere/at/all", &opened, &error), AFD_ERR_NOT_FOUND);
    assert_int_equal(afd_window_open_file(NULL, &opened, &error), AFD_ERR_INVALID);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void a_name_that_somebody_keeps_locked_is_refused_and_not_waited_for(void **state)
{
    (void)state;
    const char *name = name_of("locked");
    (void)make_dead_window(name);
    int fd = open(file_of(name), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &window, &error), AFD_ERR_EXISTS);
    assert_non_null(strstr(error.message, "locked"));
    assert_null(window);
    (void)close(fd);
    window = create_window(name);
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void an_owner_removes_its_name_whatever_a_peer_wrote_into_the_header(void **state)
{
    (void)state;
    const char *name = name_of("scribbled");
    afd_window *window = create_window(name);
    unsigned char junk[4096];
    memset(junk, 0x5A, sizeof(junk));
    patch_file(name, 0, junk, sizeof(junk));
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void an_owner_leaves_a_name_that_is_another_windows_by_now(void **state)
{
    (void)state;
    const char *name = name_of("forced");
    afd_window *first = create_window(name);
    assert_int_equal(afd_window_remove(name, true, NULL), AFD_OK);
    afd_window *second = create_window(name);
    afd_window_close(first);
    assert_true(name_exists(name));
    afd_window_close(second);
    assert_false(name_exists(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_somebody_keeps_locked_is_refused_and_not_waited_for),
        cmocka_unit_test(an_owner_removes_its_name_whatever_a_peer_wrote_into_the_header),
        cmocka_unit_test(an_owner_leaves_a_name_that_is_another_windows_by_now),
        cmocka_unit_test(names_are_checked_character_by_character),
        cmocka_unit_test(bad_names_are_refused_by_every_call),
        cmocka_unit_test(the_longest_name_works),
        cmocka_unit_test(a_new_window_is_a_private_file_of_the_whole_size),
        cmocka_unit_test(who_joins_sees_the_same_memory),
        cmocka_unit_test(a_window_opened_to_look_cannot_be_bound),
        cmocka_unit_test(a_childs_close_leaves_the_name_alone),
        cmocka_unit_test(a_name_in_use_is_refused_with_its_owners_pid),
        cmocka_unit_test(a_new_window_of_the_same_name_has_a_larger_generation),
        cmocka_unit_test(removing_needs_force_while_the_owner_lives),
        cmocka_unit_test(a_dead_owners_window_is_removed_without_force),
        cmocka_unit_test(a_file_that_is_no_window_is_removed_only_with_force),
        cmocka_unit_test(the_list_is_sorted_and_shows_dead_and_invalid_ones),
        cmocka_unit_test(a_dump_can_be_opened_and_holds_what_the_window_held),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
