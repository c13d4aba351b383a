/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traffic whose every word is known: what a producer writes into a desc in a round follows from (seed, session,
 * micro-batch, round) alone, so that producer and scheduler need no memory in common but the window under test.
 *
 * A round leaves some slots unwritten, as a router does, and some rounds leave all; layer ids are any 32 bits, and
 * often 0 or 1, which a misplaced read would take for a flag. Shared by tests/stress and tests/multiprocess.
 */
#ifndef AFD_TEST_TRAFFIC_H
#define AFD_TEST_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/window.h"

typedef struct traffic_plan {
    afd_shape shape;
    uint64_t seed;
} traffic_plan;

/* One desc in one round. */
typedef struct traffic_round {
    uint32_t session;
    uint32_t micro_batch;
    uint32_t round; /* from 0, counted for each (session, micro-batch) by itself */
} traffic_round;

uint32_t traffic_id_num(const traffic_plan *traffic); /* BS*E */

/* A number that looks random and follows from the seed and three words. */
uint64_t traffic_hash(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);

/* What the desc holds when the round was published; an unwritten slot holds what was there when it was free. */
int32_t traffic_layer_id(const traffic_plan *traffic, traffic_round round);
int32_t traffic_expert_id(const traffic_plan *traffic, traffic_round round, uint32_t slot);

/*
 * The producer's turn: if the desc is free, checks that all of it was given back, writes the round and publishes it.
 * False, and nothing done, if it is not free.
 */
bool traffic_produce(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round);

/* The same in two halves: traffic_write_slots() may be stopped after some of the slots, as by a death. */
void traffic_check_free(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round next);
void traffic_write_slots(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round, uint32_t slot_num);

/* The desc of a published, untaken round. */
void traffic_check_published(const traffic_plan *traffic, afd_ffn_desc *desc, traffic_round round);

/* Says what is wrong on stderr and ends the process with status 1. Any thread. */
_Noreturn void traffic_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
