/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks as processes, for tests: each is forked before its first call of the front, and the program itself makes none.
 */
#ifndef AFD_ASCEND_TESTS_RANK_PROCESSES_H
#define AFD_ASCEND_TESTS_RANK_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "acl/acl.h"
#include "hccl/hccl.h"

enum { RANKS_MAX = 5 };

/* What the ranks of a test have in common; memory that is mapped before they are forked. */
typedef struct common {
    HcclRootInfo root_info;
    int has_root_info;
    int arrived;
    pid_t pids[RANKS_MAX];
    char name[COMM_NAME_MAX_LENGTH];
} common;

/* In a rank, where cmocka's own checks would go back into the parent's code: the rank says why, and ends. */
#define CHECK(condition)                                                                              \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            const char *check_said = aclGetRecentErrMsg();                                             \
            (void)fprintf(stderr, "%s:%d: %s; '%s'\n", __FILE__, __LINE__, #condition,                \
                          check_said != NULL ? check_said : "");                                          \
            _exit(1);                                                                                 \
        }                                                                                             \
    } while (0)

/* What a rank does. */
typedef void rank_body(common *c, uint32_t rank, uint32_t rank_num);

/* Forks the ranks, each of which ends well, but for `killed`, which is killed; -1 = none is. False, and printed, if
 * not. */
bool ranks_run(uint32_t rank_num, int killed, rank_body *body);

/* In a rank: a short sleep; device `rank`, and the root info that rank 0 makes; until all ranks have come here, `round`
 * times by now. */
void rank_nap(void);
void rank_start(common *c, uint32_t rank);
void rank_meet(common *c, uint32_t rank_num, int round);

/* Descriptors that this process has open. */
int rank_count_descriptors(void);

#endif
