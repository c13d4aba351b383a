/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members in one thread: while an attention worker joins or leaves, its poll steps the FFN workers, so a test says who
 * does what. On one host by name, or between hosts by address, which here is the loopback.
 */
#ifndef AFD_TEST_MEMBER_WORLD_H
#define AFD_TEST_MEMBER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"
#include "layer_case.h"

enum { RANK_MAX = 2, SESSION_MAX = 2, EVENT_MAX = 64, TEXT_BYTES = 512 };

#define HANG_NS (UINT64_C(60) * 1000000000)

typedef struct heard_event {
    afd_event event;
    char text[TEXT_BYTES];
    char host[TEXT_BYTES]; /* "" for NULL */
} heard_event;

typedef struct observer_record {
    heard_event events[EVENT_MAX];
    uint32_t event_num;
} observer_record;

typedef struct member_world {
    layer_case c;
    afd_member_options options;
    afd_ffn_worker *ranks[RANK_MAX];
    afd_attention_worker *sessions[SESSION_MAX];
    observer_record rank_events[RANK_MAX];
    observer_record session_events[SESSION_MAX];
    char names[RANK_MAX][64];
    char addresses[RANK_MAX][320]; /* of ranks that listen between hosts, from when they were made */
    const char *name_lists[SESSION_MAX][RANK_MAX]; /* by which each session joins: names or addresses */
    const char *listen[RANK_MAX];  /* where a rank listens between hosts; NULL: nowhere */
    int32_t stop;
    uint16_t tokens[4 * 32];
    uint16_t output[4 * 32];
    int32_t expert_ids[4 * 2];
    float scales[4 * 2];
} member_world;

/* The first event of a kind, or NULL; and how many there are. */
const heard_event *find(const observer_record *record, afd_event_kind kind);
uint32_t count(const observer_record *record, afd_event_kind kind);

/* Two sessions, and nobody is there yet. */
member_world *new_world(uint32_t ffn_num, uint32_t group_size);

/* The same, and all ranks listen at the loopback and are joined by their addresses. */
member_world *new_world_between_hosts(uint32_t ffn_num, uint32_t group_size);

void make_rank(member_world *world, uint32_t rank);
void make_session(member_world *world, uint32_t number, uint32_t session);
afd_status join_as(member_world *world, uint32_t number, afd_error *error);
void step_ranks(void *world);

/* A wait that steps the ranks, and ends only where something hangs. */
afd_wait stepping_wait(member_world *world);

/* Both sessions join. In all-sync the second one takes part from a turn on that lies a cycle ahead of the first one's,
 * which goes through that cycle alone. */
void join_both(member_world *world);

/* With all ranks and both sessions, joined. */
member_world *full_world(uint32_t ffn_num, uint32_t group_size);
void free_world(member_world *world);

afd_status send_one(member_world *world, uint32_t session, uint32_t micro_batch, int32_t layer_id, afd_error *error);
afd_status collect_one(member_world *world, uint32_t session, uint32_t micro_batch, afd_error *error);

/* Of a world without ranks, in all-sync: session 0 sends micro-batch 0 of layer 3 and gets its answer alone, because
 * session 1 has sent nothing until the deadline. */
void make_the_other_late(member_world *world);

/* Steps the ranks until an observer has heard of such an event. */
const heard_event *await_event(member_world *world, const observer_record *record, afd_event_kind kind);

/* Where there is no UCX, says so and ends the program as skipped. */
void require_ucx(void);

/* A port of the loopback that is free, and so is the next one. */
uint16_t free_port(void);

#endif
