/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduling.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "children.h"

const char *shared_name(void)
{
    static char name[AFD_WINDOW_NAME_MAX + 1];
    if (name[0] == '\0') {
        (void)snprintf(name, sizeof(name), "test-multiprocess-%d", (int)getpid());
    }
    return name;
}

static void take_once(const stress_world *world, taken_ledger *ledger)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 0;
    uint64_t polling_index = world->context->ffn.polling_index;
    wait.poll = children_watch;
    afd_status status = world_schedule(world, &wait, &taken_num);
    if (status != AFD_OK) {
        traffic_fail("a call without deadline and stop returned %s", afd_status_name(status));
    }
    ledger_check_call(ledger, world->context, taken_num, polling_index);
}

void take_rows(const stress_world *world, taken_ledger *ledger, uint64_t row_num)
{
    while (ledger->taken_num < row_num) {
        take_once(world, ledger);
    }
}

void check_nothing_left(void)
{
    char unfinished[64];
    (void)snprintf(unfinished, sizeof(unfinished), "afd-new.%d.", (int)getpid());
    DIR *folder = opendir("/dev/shm");
    if (folder == NULL) {
        traffic_fail("/dev/shm cannot be read");
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, shared_name()) != NULL || strstr(entry->d_name, unfinished) != NULL) {
            traffic_fail("/dev/shm/%s was left behind", entry->d_name);
        }
    }
    (void)closedir(folder);
}
