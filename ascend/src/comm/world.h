/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: what the ranks of one communicator have in common as far as this process sees them, which is their name, the
 * buffers of all ranks, and the table in which they tell each other what they registered.
 *
 * Ranks that HcclCommInitAll() made share one world; a rank that came through a root info has one of its own, with
 * mappings of its own. A world lives as long as the last communicator on it, so that a rank may go while others still
 * write its buffer.
 */
#ifndef AFD_ASCEND_COMM_WORLD_H
#define AFD_ASCEND_COMM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/segment.h"
#include "comm/table.h"
#include "hccl/hccl_types.h"

enum { AFD__ACL_COMM_ID_WORDS = 4 };

typedef struct afd__acl_world {
    uint32_t ref_num; /* under the lock of worlds */
    uint32_t size;
    char name[COMM_NAME_MAX_LENGTH];
    bool between_processes;
    afd__acl_segment table;       /* the mapping that has the entries, where they are shared between processes */
    afd__acl_rank_entry *entries; /* of all ranks */
    afd__acl_segment buffers[];   /* of all ranks */
} afd__acl_world;

/* A world of `size` ranks without buffers, entries and name, with one reference; NULL with a sentence. */
afd__acl_world *afd__acl_world_new(uint32_t size);

/* 128 random bits. False with a sentence. */
bool afd__acl_world_make_id(int32_t id[AFD__ACL_COMM_ID_WORDS]);

/* The name that follows from an id and the process that made it; zeroes fill the rest. */
void afd__acl_world_set_name(afd__acl_world *world, int32_t pid, const int32_t id[AFD__ACL_COMM_ID_WORDS]);

void afd__acl_world_hold(afd__acl_world *world);
void afd__acl_world_release(afd__acl_world *world);

#endif
