/* SPDX-License-Identifier: Apache-2.0 */
#include "rank_processes.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>

void rank_nap(void)
{
    (void)usleep(200);
}

static void wait_for_root_info(common *c)
{
    while (__atomic_load_n(&c->has_root_info, __ATOMIC_ACQUIRE) == 0) {
        rank_nap();
    }
}

void rank_meet(common *c, uint32_t rank_num, int round)
{
    __atomic_add_fetch(&c->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&c->arrived, __ATOMIC_ACQUIRE) < (int)rank_num * round) {
        rank_nap();
    }
}

void rank_start(common *c, uint32_t rank)
{
    CHECK(aclrtSetDevice((int32_t)rank) == 0);
    if (rank == 0) {
        CHECK(HcclGetRootInfo(&c->root_info) == HCCL_SUCCESS);
        __atomic_store_n(&c->has_root_info, 1, __ATOMIC_RELEASE);
    }
    wait_for_root_info(c);
}

static common *new_common(void)
{
    void *memory = mmap(NULL, sizeof(common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

bool ranks_run(uint32_t rank_num, int killed, rank_body *body)
{
    common *c = new_common();
    int bad = 0;
    (void)fflush(NULL);
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            (void)alarm(100);
            c->pids[rank] = getpid();
            body(c, rank, rank_num);
            _exit(0);
        }
        __atomic_store_n(&c->pids[rank], pid, __ATOMIC_RELEASE);
    }
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        int status = 0;
        CHECK(waitpid(c->pids[rank], &status, 0) == c->pids[rank]);
        const bool as_expected = (int)rank == killed ? WIFSIGNALED(status) : status == 0;
        if (!as_expected) {
            (void)fprintf(stderr, "rank %u ended with status 0x%x\n", rank, (unsigned)status);
            bad++;
        }
    }
    CHECK(munmap(c, sizeof(*c)) == 0);
    return bad == 0;
}

int rank_count_descriptors(void)
{
    int num = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL) {
        num++;
    }
    (void)closedir(directory);
    return num;
}
