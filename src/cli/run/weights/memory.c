/* SPDX-License-Identifier: Apache-2.0 */
#include "run/weights/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024, LINE_BYTES = 1024 };

/* The files of a group that count, which are called otherwise in the two versions. */
typedef struct group_files {
    const char *mount;
    const char *limit;
    const char *usage;
    const char *inactive; /* the line of memory.stat about page cache that the kernel gives up first */
} group_files;

static const group_files version_1 = { "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                       "total_inactive_file " };
static const group_files version_2 = { "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file " };

/* The number after the first line's beginning `key` ("" for a file of one number); false if there is none, and where
 * the file says "max". */
static bool read_number(const char *path, const char *key, uint64_t *number)
{
    char line[LINE_BYTES];
    bool found = false;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        found = strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%" SCNu64, number) == 1;
    }
    (void)fclose(file);
    return found;
}

static bool read_of_group(const char *root, const group_files *files, const char *group, const char *name,
                          const char *key, uint64_t *number)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s%s%s/%s", root, files->mount, group, name);
    return length > 0 && (size_t)length < sizeof(path) && read_number(path, key, number);
}

/* What is left to one group: page cache that is not in use counts as free, as it does in MemAvailable. */
static uint64_t left_to_group(const char *root, const group_files *files, const char *group)
{
    uint64_t limit = 0;
    uint64_t usage = 0;
    uint64_t inactive = 0;
    if (!read_of_group(root, files, group, files->limit, "", &limit) ||
        !read_of_group(root, files, group, files->usage, "", &usage)) {
        return UINT64_MAX;
    }
    (void)read_of_group(root, files, group, "memory.stat", files->inactive, &inactive);
    usage = usage > inactive ? usage - inactive : 0;
    return limit > usage ? limit - usage : 0;
}

/* A group's limit holds for the groups inside of it, so all up to the root of the mount are asked. */
static uint64_t left_to_groups(const char *root, const group_files *files, char *group)
{
    uint64_t least = left_to_group(root, files, "");
    for (char *slash = strrchr(group, '/'); slash != NULL; slash = strrchr(group, '/')) {
        uint64_t left = left_to_group(root, files, group);
        least = left < least ? left : least;
        *slash = '\0';
    }
    return least;
}

/* A line of /proc/self/cgroup is "ID:CONTROLLERS:PATH"; version 2 has no controllers. */
static uint64_t left_to_line(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL) {
        return UINT64_MAX;
    }
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (controllers[1] == '\0') {
        return left_to_groups(root, &version_2, group);
    }
    return strstr(controllers, "memory") != NULL ? left_to_groups(root, &version_1, group) : UINT64_MAX;
}

uint64_t run_memory_available(const char *root)
{
    char path[PATH_BYTES];
    char line[LINE_BYTES];
    uint64_t kib = 0;
    uint64_t least = UINT64_MAX;
    (void)snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    if (read_number(path, "MemAvailable:", &kib) && kib <= UINT64_MAX / 1024) {
        least = kib * 1024;
    }
    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return least;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        uint64_t left = left_to_line(root, line);
        least = left < least ? left : least;
    }
    (void)fclose(file);
    return least;
}
