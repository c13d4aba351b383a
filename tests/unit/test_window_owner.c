/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns a shared window: owners that live, that are dead, that are zombies, and two who want to replace one. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "window_helpers.h"

static afd_window_info info_of(const char *name)
{
    afd_window *window = NULL;
    afd_window_info info;
    assert_int_equal(afd_window_join(name, AFD_WINDOW_READ, &window, NULL), AFD_OK);
    afd_window_describe(window, &info);
    afd_window_close(window);
    return info;
}

static void expect_dead(const char *name, pid_t pid)
{
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_window_join(name, AFD_WINDOW_WRITE, &window, &error), AFD_ERR_OWNER_DEAD);
    assert_string_equal(error.field, "header.owner.pid");
    assert_int_equal(error.value, pid);
    assert_null(window);
    afd_window_info info = info_of(name); /* reading is allowed */
    assert_int_equal(info.owner, AFD_OWNER_DEAD);
    assert_int_equal(info.owner_pid, pid);
}

static void a_living_owner_in_another_process_keeps_its_name(void **state)
{
    (void)state;
    const char *name = name_of("living");
    child_owner owner = start_owner(name);
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &window, &error), AFD_ERR_EXISTS);
    assert_int_equal(error.value, owner.pid);
    assert_int_equal(afd_window_join(name, AFD_WINDOW_WRITE, &window, &error), AFD_OK);
    afd_window_info info;
    afd_window_describe(window, &info);
    assert_int_equal(info.owner, AFD_OWNER_ALIVE);
    assert_int_equal(info.owner_pid, owner.pid);
    afd_window_close(window);
    assert_int_equal(afd_window_remove(name, false, &error), AFD_ERR_EXISTS);
    assert_int_equal(error.value, owner.pid);
    end_owner(owner);
    assert_int_equal(afd_window_remove(name, false, NULL), AFD_OK);
}

static void a_dead_owners_window_can_be_read_and_not_written(void **state)
{
    (void)state;
    const char *name = name_of("dead");
    expect_dead(name, make_dead_window(name));
    assert_int_equal(afd_window_remove(name, false, NULL), AFD_OK);
}

static void a_zombie_is_dead(void **state)
{
    (void)state;
    const char *name = name_of("zombie");
    child_owner owner = start_owner(name);
    make_zombie(owner);
    expect_dead(name, owner.pid);
    afd_window *window = create_window(name); /* and is replaced */
    reap(owner.pid);
    afd_window_close(window);
}

/* What lives on in an owner whose main thread has returned: tells that it is so, and waits to be let go. */
typedef struct lasting_thread {
    int ready_fd;
    int release_fd;
} lasting_thread;

enum { LOOK_NUM_MAX = 1000000 }; /* seconds of looking */

static void *outlive_the_main_thread(void *arg)
{
    const lasting_thread *thread = arg;
    char state = 0;
    char text[512] = "";
    for (int look = 0; state != 'Z'; look++) { /* the main thread's own state, as the kernel tells it */
        if (look == LOOK_NUM_MAX) {
            _exit(1); /* whoever answers for /proc here is not the kernel */
        }
        int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        ssize_t length = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        const char *after_name = length > 0 ? strrchr(text, ')') : NULL;
        state = after_name != NULL ? after_name[2] : 'Z';
    }
    (void)write(thread->ready_fd, "", 1);
    (void)read(thread->release_fd, &state, 1);
    _exit(0);
}

_Noreturn static void own_without_a_main_thread(const char *name, int ready_fd, int release_fd)
{
    static lasting_thread thread; /* the main thread's stack goes before the thread is done with it */
    afd_window *window = NULL;
    pthread_t id;
    thread = (lasting_thread){ .ready_fd = ready_fd, .release_fd = release_fd };
    if (afd_ffn_window_create_shared(name, &small_shape, &window, NULL) != AFD_OK ||
        pthread_create(&id, NULL, outlive_the_main_thread, &thread) != 0) {
        _exit(1);
    }
    pthread_exit(NULL);
}

static void an_owner_lives_on_when_its_main_thread_has_returned(void **state)
{
    (void)state;
    const char *name = name_of("headless");
    int ready[2];
    int release[2];
    char byte = 0;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(release, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(release[1]);
        own_without_a_main_thread(name, ready[1], release[0]);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(info_of(name).owner, AFD_OWNER_ALIVE);
    (void)close(release[1]);
    reap(pid);
    assert_int_equal(info_of(name).owner, AFD_OWNER_DEAD);
    assert_int_equal(afd_window_remove(name, false, NULL), AFD_OK);
    (void)close(ready[0]);
    (void)close(release[0]);
}

static void a_dead_owners_name_is_replaced_with_a_note(void **state)
{
    (void)state;
    const char *name = name_of("replace");
    pid_t dead = make_dead_window(name);
    uint64_t generation = info_of(name).generation;
    afd_window *reader = NULL;
    assert_int_equal(afd_window_join(name, AFD_WINDOW_READ, &reader, NULL), AFD_OK);
    afd_window *window = create_window(name);
    afd_window_info info;
    afd_window_describe(window, &info);
    assert_int_equal(info.replaced_pid, dead);
    assert_int_equal(info.owner_pid, getpid());
    assert_true(info.generation > generation);
    assert_int_equal(info_of(name).replaced_pid, dead);
    assert_int_equal(generation_of(reader), generation); /* who had the old one open keeps it */
    assert_int_equal(afd_ffn_desc_peek_flag(afd_window_desc(reader, 0, 0)), 0);
    afd_window_close(reader);
    afd_window_close(window);
    assert_false(name_exists(name));
}

static void the_generation_grows_even_when_the_clock_was_set_back(void **state)
{
    (void)state;
    const char *name = name_of("clock");
    const uint64_t far_future = UINT64_MAX / 2;
    (void)make_dead_window(name);
    patch_file(name, 32, &far_future, sizeof(far_future));
    afd_window *window = create_window(name);
    assert_int_equal(generation_of(window), far_future + 1);
    afd_window_close(window);
}

/* One of two who want the name: tries when `start_fd` ends, tells the outcome, and lives on until `finish_fd` ends. */
_Noreturn static void race_for_name(const char *name, int start_fd, int result_fd, int finish_fd)
{
    afd_window *window = NULL;
    char byte = 0;
    (void)read(start_fd, &byte, 1);
    signed char status = (signed char)afd_ffn_window_create_shared(name, &small_shape, &window, NULL);
    ssize_t written = write(result_fd, &status, 1);
    (void)read(finish_fd, &byte, 1);
    afd_window_close(window); /* NULL for the loser */
    _exit(written == 1 ? 0 : 1);
}

static void race_once(const char *name)
{
    int start[2];
    int result[2];
    int finish[2];
    pid_t racers[2];
    signed char statuses[2] = { 0, 0 };
    pid_t dead = make_dead_window(name);
    assert_int_equal(pipe2(start, O_CLOEXEC), 0);
    assert_int_equal(pipe2(result, O_CLOEXEC), 0);
    assert_int_equal(pipe2(finish, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        racers[i] = fork();
        assert_true(racers[i] >= 0);
        if (racers[i] == 0) {
            (void)close(start[1]);
            (void)close(finish[1]);
            race_for_name(name, start[0], result[1], finish[0]);
        }
    }
    (void)close(start[1]); /* go */
    assert_int_equal(read(result[0], &statuses[0], 1), 1);
    assert_int_equal(read(result[0], &statuses[1], 1), 1);
    assert_int_equal((statuses[0] == AFD_OK) + (statuses[1] == AFD_OK), 1);
    assert_int_equal((statuses[0] == AFD_ERR_EXISTS) + (statuses[1] == AFD_ERR_EXISTS), 1);
    afd_window_info info = info_of(name);
    assert_true(info.owner_pid == (uint32_t)racers[0] || info.owner_pid == (uint32_t)racers[1]);
    assert_int_equal(info.replaced_pid, dead);
    assert_int_equal(info.owner, AFD_OWNER_ALIVE);
    (void)close(finish[1]);
    reap(racers[0]);
    reap(racers[1]);
    assert_false(name_exists(name));
    (void)close(start[0]);
    (void)close(finish[0]);
    (void)close(result[0]);
    (void)close(result[1]);
}

static void of_two_who_replace_one_dead_owner_exactly_one_wins(void **state)
{
    (void)state;
    enum { ROUND_NUM = 100 };
    const char *name = name_of("race");
    for (int i = 0; i < ROUND_NUM; i++) {
        race_once(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_living_owner_in_another_process_keeps_its_name),
        cmocka_unit_test(a_dead_owners_window_can_be_read_and_not_written),
        cmocka_unit_test(a_zombie_is_dead),
        cmocka_unit_test(an_owner_lives_on_when_its_main_thread_has_returned),
        cmocka_unit_test(a_dead_owners_name_is_replaced_with_a_note),
        cmocka_unit_test(the_generation_grows_even_when_the_clock_was_set_back),
        cmocka_unit_test(of_two_who_replace_one_dead_owner_exactly_one_wins),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
