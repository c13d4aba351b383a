/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rendezvous: how ranks in several processes find each other's buffers, given the same HcclRootInfo.
 *
 * HcclGetRootInfo() makes a table in memory behind a descriptor, and the root info says whose descriptor it is. A rank
 * opens it through /proc, which lets in who has the same user, enters itself, and waits for the others. The table has
 * no name in any file system and goes with the last process that uses it. The descriptors are needed until every rank
 * has mapped everything; the memory stays mapped, because registrations use it.
 *
 *     open -> enter -> wait(ENTERED) -> advance(MAPPED) -> wait(MAPPED) -> close
 *
 * A root info holds 128 random bits that the table must have too, so it does not matter whether the process id was used
 * again since: a stale or invented one leads to an error and nowhere else.
 */
#ifndef AFD_ASCEND_COMM_RENDEZVOUS_H
#define AFD_ASCEND_COMM_RENDEZVOUS_H

#include <stdint.h>

#include "comm/segment.h"
#include "comm/table.h"
#include "comm/world.h"
#include "hccl/hccl_types.h"

enum { AFD__ACL_RANK_NUM_MAX = 1024 };

typedef struct afd__acl_rendezvous {
    int fd;                       /* of the table, as this rank opened it */
    int32_t pid;                  /* of the process that made it */
    int32_t id[AFD__ACL_COMM_ID_WORDS];
    afd__acl_segment table;       /* whoever takes it over sets its memory to NULL */
    afd__acl_rank_entry *entries; /* in it, AFD__ACL_RANK_NUM_MAX of them */
    uint32_t rank_num;
    uint32_t rank;
    uint64_t timeout_ns;          /* of each wait: who came late is not blamed on who comes next */
} afd__acl_rendezvous;

HcclResult afd__acl_rendezvous_create(HcclRootInfo *info);

/* Every byte of `info` may be anything. */
HcclResult afd__acl_rendezvous_open(const HcclRootInfo *info, uint64_t timeout_ns, afd__acl_rendezvous *opened);

/* Takes the place of `rank`, in [0, rank_num), for a buffer of `bytes` bytes behind this process's descriptor `fd`. */
HcclResult afd__acl_rendezvous_enter(afd__acl_rendezvous *rendezvous, uint32_t rank_num, uint32_t rank, int fd,
                                     uint64_t bytes);

/* Waits until every rank is in `state` or past it; HCCL_E_TIMEOUT names those that are not, HCCL_E_REMOTE one that gave
 * up. */
HcclResult afd__acl_rendezvous_wait(const afd__acl_rendezvous *rendezvous, int32_t state);

void afd__acl_rendezvous_advance(afd__acl_rendezvous *rendezvous, int32_t state);

/* The table may not be found any more: every rank has it, or it came to nothing. */
void afd__acl_rendezvous_end(const afd__acl_rendezvous *rendezvous);

/* Closes the descriptor and unmaps the table unless somebody took it over. */
void afd__acl_rendezvous_close(afd__acl_rendezvous *rendezvous);

#endif
