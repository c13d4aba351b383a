/* SPDX-License-Identifier: Apache-2.0 */
/* What memory is left, as made-up hosts in a temporary folder tell it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmocka_headers.h"
#include "run/weights/memory.h"

enum { PATH_BYTES = 512 };

static char root[] = "/tmp/afd-test-memory-XXXXXX";

/* Puts a file of the host there, with the folders above it. */
static void put(const char *path, const char *text)
{
    char whole[PATH_BYTES];
    (void)snprintf(whole, sizeof(whole), "%s%s", root, path);
    for (char *slash = strchr(whole + sizeof(root), '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int new_host(void **state)
{
    (void)state;
    (void)strcpy(root, "/tmp/afd-test-memory-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int drop_host(void **state)
{
    char command[PATH_BYTES];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static void a_host_that_tells_nothing_has_no_bound(void **state)
{
    (void)state;
    assert_true(run_memory_available(root) == UINT64_MAX);
}

static void without_groups_it_is_what_the_kernel_says(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemTotal:  100 kB\nMemFree: 7 kB\nMemAvailable:      42 kB\n");
    assert_int_equal(run_memory_available(root), 42 * 1024);
}

static void a_group_without_a_limit_changes_nothing(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 42 kB\n");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "17\n");
    assert_int_equal(run_memory_available(root), 42 * 1024);
}

static void page_cache_of_a_group_counts_as_free(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 42 kB\n");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "10000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "9000\n");
    put("/sys/fs/cgroup/a/b/memory.stat", "anon 1\nactive_file 2\ninactive_file 500\n");
    assert_int_equal(run_memory_available(root), 1500);
}

static void a_group_further_up_binds_too(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "10000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "100\n");
    put("/sys/fs/cgroup/a/memory.max", "5000\n");
    put("/sys/fs/cgroup/a/memory.current", "4900\n");
    assert_int_equal(run_memory_available(root), 100);
}

static void a_group_that_used_more_than_its_limit_has_nothing(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "100\n");
    put("/sys/fs/cgroup/memory.current", "200\n");
    assert_int_equal(run_memory_available(root), 0);
}

static void the_first_version_of_groups_is_read_as_well(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpu:/x\n4:hugetlb,memory:/x\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1000\n");
    put("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "900\n");
    put("/sys/fs/cgroup/memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 50\n");
    assert_int_equal(run_memory_available(root), 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_that_tells_nothing_has_no_bound, new_host, drop_host),
        cmocka_unit_test_setup_teardown(without_groups_it_is_what_the_kernel_says, new_host, drop_host),
        cmocka_unit_test_setup_teardown(a_group_without_a_limit_changes_nothing, new_host, drop_host),
        cmocka_unit_test_setup_teardown(page_cache_of_a_group_counts_as_free, new_host, drop_host),
        cmocka_unit_test_setup_teardown(a_group_further_up_binds_too, new_host, drop_host),
        cmocka_unit_test_setup_teardown(a_group_that_used_more_than_its_limit_has_nothing, new_host, drop_host),
        cmocka_unit_test_setup_teardown(the_first_version_of_groups_is_read_as_well, new_host, drop_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
