/* SPDX-License-Identifier: Apache-2.0 */
#include "window_helpers.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"

const afd_shape small_shape = { .session_num = 3, .micro_batch_num = 2, .micro_batch_size = 5, .selected_expert_num = 3,
                                .expert_num = 16, .attn_to_ffn_token_size = 32, .ffn_to_attn_token_size = 64 };

const char *name_of(const char *suffix)
{
    static char name[AFD_WINDOW_NAME_MAX + 1];
    (void)snprintf(name, sizeof(name), "test-%d-%s", (int)getpid(), suffix);
    return name;
}

const char *file_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "/dev/shm/afd.%s", name);
    return path;
}

void patch_file(const char *name, off_t offset, const void *bytes, size_t byte_num)
{
    int fd = open(file_of(name), O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, byte_num, offset), (ssize_t)byte_num);
    assert_int_equal(close(fd), 0);
}

int name_exists(const char *name)
{
    struct stat status;
    return lstat(file_of(name), &status) == 0;
}

afd_window *create_window(const char *name)
{
    afd_window *window = NULL;
    assert_int_equal(afd_ffn_window_create_shared(name, &small_shape, &window, NULL), AFD_OK);
    return window;
}

uint64_t generation_of(const afd_window *window)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    return info.generation;
}

/* The child's whole life. It never returns into the test, and never closes the window. */
_Noreturn static void own_until_released(const char *name, int ready_fd, int release_fd)
{
    afd_window *window = NULL;
    char byte = 1;
    if (afd_ffn_window_create_shared(name, &small_shape, &window, NULL) != AFD_OK ||
        write(ready_fd, &byte, 1) != 1) {
        _exit(1);
    }
    (void)read(release_fd, &byte, 1); /* returns when the other end is closed */
    _exit(0);
}

child_owner start_owner(const char *name)
{
    int ready[2];
    int release[2];
    char byte = 0;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(release, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ready[0]);
        (void)close(release[1]);
        own_until_released(name, ready[1], release[0]);
    }
    (void)close(ready[1]);
    (void)close(release[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return (child_owner){ .pid = pid, .release_fd = release[1] };
}

void reap(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void end_owner(child_owner owner)
{
    (void)close(owner.release_fd);
    reap(owner.pid);
}

void make_zombie(child_owner owner)
{
    siginfo_t info;
    (void)close(owner.release_fd);
    assert_int_equal(waitid(P_PID, (id_t)owner.pid, &info, WEXITED | WNOWAIT), 0);
}

pid_t make_dead_window(const char *name)
{
    child_owner owner = start_owner(name);
    end_owner(owner);
    return owner.pid;
}

int remove_leftovers(void **state)
{
    glob_t found;
    (void)state;
    if (glob(file_of(name_of("*")), 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            (void)remove(found.gl_pathv[i]);
        }
        globfree(&found);
    }
    return 0;
}
