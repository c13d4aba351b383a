/* SPDX-License-Identifier: Apache-2.0 */
#include "window/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* Reads a small /proc file whole, zero-terminated; 0 or an errno. */
static int read_small_file(const char *path, char *text, size_t text_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    ssize_t length = read(fd, text, text_bytes - 1);
    int problem = length < 0 ? errno : 0;
    (void)close(fd);
    text[length < 0 ? 0 : length] = '\0';
    return problem;
}

/* Whether a process has ended, and when it started; 0 or an errno. */
static int read_process(uint32_t pid, bool *ended, uint64_t *start_ticks)
{
    char path[48];
    char text[1024];
    /* The first thread's file, which says the same: qemu-user answers for /proc/PID/stat itself, with another start
     * time than the kernel tells everybody else. */
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32 "/stat", pid, pid);
    int problem = read_small_file(path, text, sizeof(text));
    if (problem != 0) {
        return problem;
    }
    /* The command name, field 2, is in parentheses and may itself hold spaces and parentheses: start after the last. */
    const char *after_name = strrchr(text, ')');
    char state = 0;
    long thread_num = 0;
    if (after_name == NULL || sscanf(after_name + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d"
                                                     " %*d %*d %ld %*d %" SCNu64,
                                     &state, &thread_num, start_ticks) != 3) {
        return EPROTO;
    }
    /* A main thread that has returned is a zombie too, while the other threads of its process live on. */
    *ended = (state == 'Z' || state == 'X') && thread_num <= 1;
    return 0;
}

static int read_boot_id(char boot_id[AFD_OWNER_BOOT_ID_BYTES])
{
    memset(boot_id, 0, AFD_OWNER_BOOT_ID_BYTES);
    int problem = read_small_file("/proc/sys/kernel/random/boot_id", boot_id, AFD_OWNER_BOOT_ID_BYTES);
    boot_id[strcspn(boot_id, "\n")] = '\0';
    return problem;
}

static int read_pid_namespace(uint64_t *inode)
{
    struct stat status;
    if (stat("/proc/self/ns/pid", &status) != 0) {
        return errno;
    }
    *inode = (uint64_t)status.st_ino;
    return 0;
}

afd_status afd__owner_self(afd__owner *owner, afd_error *error)
{
    bool ended = false;
    memset(owner, 0, sizeof(*owner));
    owner->pid = (uint32_t)getpid();
    int problem = read_process(owner->pid, &ended, &owner->start_ticks);
    if (problem == 0) {
        problem = read_pid_namespace(&owner->pid_namespace);
    }
    if (problem == 0) {
        problem = read_boot_id(owner->boot_id);
    }
    if (problem != 0) {
        return afd__fail_system(error, problem, "owner", "read this process's identity from /proc");
    }
    return AFD_OK;
}

afd_owner_state afd__owner_state(const afd__owner *owner)
{
    char boot_id[AFD_OWNER_BOOT_ID_BYTES];
    uint64_t pid_namespace = 0;
    uint64_t start_ticks = 0;
    bool ended = false;
    if (read_boot_id(boot_id) != 0 || read_pid_namespace(&pid_namespace) != 0) {
        return AFD_OWNER_UNKNOWN;
    }
    if (memcmp(boot_id, owner->boot_id, sizeof(boot_id)) != 0) {
        return AFD_OWNER_DEAD;
    }
    if (pid_namespace != owner->pid_namespace) {
        return AFD_OWNER_UNKNOWN;
    }
    int problem = read_process(owner->pid, &ended, &start_ticks);
    if (problem == ENOENT || problem == ESRCH) {
        /* /proc may be mounted so that others' processes are hidden; a signal of 0 still finds them. */
        bool hidden = kill((pid_t)owner->pid, 0) == 0 || errno == EPERM;
        return hidden ? AFD_OWNER_UNKNOWN : AFD_OWNER_DEAD;
    }
    if (problem != 0) {
        return AFD_OWNER_UNKNOWN;
    }
    return ended || start_ticks != owner->start_ticks ? AFD_OWNER_DEAD : AFD_OWNER_ALIVE;
}
