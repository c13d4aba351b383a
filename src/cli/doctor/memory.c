/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: pages, shared memory and limits. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "doctor/facts.h"
#include "out.h"

static const char section[] = "memory";

/* A window of DeepSeek-V3's shape for a few sessions is some hundred MiB; a default container has 64. */
#define SHM_BYTES_MIN (UINT64_C(256) << 20)

/* The choice in brackets: "always [madvise] never". */
static void chosen(char text[DOCTOR_TEXT_MAX])
{
    const char *begin = strchr(text, '[');
    const char *end = begin != NULL ? strchr(begin, ']') : NULL;
    if (end != NULL) {
        size_t length = (size_t)(end - begin - 1);
        memmove(text, begin + 1, length);
        text[length] = '\0';
    }
}

static void add_transparent(doctor_facts *facts, const char *path, const char *name, const char *note,
                            const char *advice)
{
    char text[DOCTOR_TEXT_MAX];
    if (!doctor_read_line(path, text)) {
        doctor_add(facts, section, name, note, "This kernel has none.", "unknown");
        return;
    }
    chosen(text);
    bool is_off = strcmp(text, "never") == 0 || strcmp(text, "deny") == 0;
    doctor_add(facts, section, name, note, is_off ? advice : NULL, "%s", text);
}

static void add_huge_pages(doctor_facts *facts)
{
    char text[DOCTOR_TEXT_MAX];
    add_transparent(facts, "/sys/kernel/mm/transparent_hugepage/enabled", "huge pages",
                    "Transparent huge pages of private memory: fewer misses of the TLB in large windows.",
                    "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled lets programs ask for them.");
    add_transparent(facts, "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "huge pages, shared",
                    "The same for shared memory.",
                    "Shared windows lie in small pages. echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled "
                    "lets programs ask for huge ones.");
    if (doctor_read_line("/proc/sys/vm/nr_hugepages", text)) {
        doctor_add(facts, section, "huge pages, reserved", "Pages set aside for MAP_HUGETLB; libafd needs none.", NULL,
                   "%s", text);
    }
}

static void add_shared_memory(doctor_facts *facts)
{
    static const char note[] = "Where named windows live. All of a window is reserved when it is made.";
    struct statvfs shm;
    char size[AFD_CLI_BYTES_TEXT];
    char left[AFD_CLI_BYTES_TEXT];
    if (statvfs("/dev/shm", &shm) != 0) {
        doctor_add(facts, section, "/dev/shm", note, "Mount a tmpfs there: named windows need it.", "missing: %s",
                   strerror(errno));
        return;
    }
    uint64_t size_bytes = (uint64_t)shm.f_blocks * shm.f_frsize;
    uint64_t left_bytes = (uint64_t)shm.f_bavail * shm.f_frsize;
    afd_cli_human_bytes(size_bytes, size, sizeof(size));
    afd_cli_human_bytes(left_bytes, left, sizeof(left));
    const char *advice = NULL;
    if (size_bytes < SHM_BYTES_MIN) {
        advice = "That is little: start the container with a larger one (docker run --shm-size 1g), or remount it "
                 "(mount -o remount,size=1g /dev/shm).";
    } else if (left_bytes < SHM_BYTES_MIN) {
        advice = "It is nearly full: `afd ls` shows whose windows are in it, `afd rm --dead` removes the dead ones'.";
    }
    doctor_add(facts, section, "/dev/shm", note, advice, "%s, %s free", size, left);
}

static void add_limits(doctor_facts *facts)
{
    static const char note[] =
        "Memory that may be locked (ulimit -l). Network cards register what they read and write.";
    struct rlimit limit;
    char text[AFD_CLI_BYTES_TEXT];
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return;
    }
    if (limit.rlim_cur == RLIM_INFINITY) {
        doctor_add(facts, section, "memlock", note, NULL, "unlimited");
        return;
    }
    afd_cli_human_bytes(limit.rlim_cur, text, sizeof(text));
    doctor_add(facts, section, "memlock", note,
               "On one host this does not matter; for a transport over a network card, raise it (ulimit -l unlimited).",
               "%s", text);
}

void doctor_probe_memory(doctor_facts *facts)
{
    add_huge_pages(facts);
    add_shared_memory(facts);
    add_limits(facts);
}
