/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer is killed in the middle of writing a desc. A deadline names its session and no other; when the session is
 * dropped, the others go on to their last round; what it had begun to write stays as it lies.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "children.h"
#include "scheduling.h"

enum { SESSION_NUM = 4, MICRO_BATCH_NUM = 3, VICTIM = 2, PARTNER = 3, VICTIM_ROUND_NUM = 5, ROUND_NUM = 12 };

static void start_others(const child_plan *plan)
{
    child_plan other = *plan;
    other.round_num = ROUND_NUM;
    for (other.first_session = 0; other.first_session < SESSION_NUM; other.first_session++) {
        if (other.first_session != VICTIM) {
            (void)child_start(&other);
        }
    }
}

/* How many rows there are before the victim's death stops the call: in all-sync it stops everybody, in groups of two
 * its partner. */
static uint64_t row_num_until_death(uint32_t group_size)
{
    uint64_t held_num = group_size;
    return MICRO_BATCH_NUM * (held_num * VICTIM_ROUND_NUM + (SESSION_NUM - held_num) * ROUND_NUM);
}

static void wait_until_ready(const stress_world *world, uint32_t session, uint32_t micro_batch)
{
    while (afd_ffn_desc_peek_flag(world_desc(world, session, micro_batch)) != AFD_FLAG_READY) {
        children_watch(NULL);
        (void)sched_yield();
    }
}

/* Until all that can be ready without the victim is, so that nobody else is late. */
static void wait_for_the_living(const stress_world *world)
{
    if (world->options.group_size == SESSION_NUM) {
        for (uint32_t s = 0; s < SESSION_NUM; s++) {
            if (s != VICTIM) {
                wait_until_ready(world, s, (uint32_t)world->context->ffn.polling_index);
            }
        }
        return;
    }
    for (uint32_t m = 0; m < MICRO_BATCH_NUM; m++) {
        wait_until_ready(world, PARTNER, m);
    }
}

static void drop(const stress_world *world, taken_ledger *ledger, uint32_t session)
{
    afd_error error;
    if (afd_ffn_scheduler_drop(world->scheduler, session, &error) != AFD_OK) {
        traffic_fail("session %" PRIu32 " could not be dropped: %s", session, error.message);
    }
    ledger->states[session] = AFD_SESSION_AWAY;
}

/* A deadline that has passed already: the call makes its passes and reports, however slow the machine is. */
static void check_deadline_names_victim(const stress_world *world)
{
    afd_late late[SESSION_NUM];
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 1;
    uint32_t micro_batch = world->options.group_size == SESSION_NUM ? (uint32_t)world->context->ffn.polling_index
                                                                     : AFD_MICRO_BATCH_ANY;
    wait.deadline_ns = 1;
    wait.late = late;
    wait.late_capacity = SESSION_NUM;
    afd_status status = world_schedule(world, &wait, &taken_num);
    if (status != AFD_DEADLINE || taken_num != 0) {
        traffic_fail("the call that waits for the victim returned %s with %" PRIu32 " taken", afd_status_name(status),
                     taken_num);
    }
    if (wait.late_num != 1 || late[0].session != VICTIM || late[0].micro_batch != micro_batch || late[0].flag != 0) {
        traffic_fail("%" PRIu32 " are late, the first is session %" PRIu32 " micro-batch %" PRIu32 ", flag %" PRId32,
                     wait.late_num, late[0].session, late[0].micro_batch, late[0].flag);
    }
}

/* In groups the group without the victim has finished by now, and would be late as well: who idles has to leave. */
static void drop_finished(const stress_world *world, taken_ledger *ledger)
{
    for (uint32_t s = 0; s < SESSION_NUM; s++) {
        if (*ledger_round(ledger, s, MICRO_BATCH_NUM - 1) == ROUND_NUM) {
            drop(world, ledger, s);
        }
    }
}

void run_killed(const world_options *options, uint64_t seed)
{
    traffic_plan traffic = {
        .shape = { .session_num = SESSION_NUM, .micro_batch_num = MICRO_BATCH_NUM, .micro_batch_size = 7,
                   .selected_expert_num = 9 },
        .seed = seed,
    };
    child_plan plan = { &traffic, options->shared_name, VICTIM, SESSION_NUM, VICTIM_ROUND_NUM };
    int told = -1;
    stress_world world = world_new(&traffic.shape, options);
    taken_ledger ledger = ledger_new(&traffic, options->group_size);
    pid_t victim = victim_start(&plan, &told);
    start_others(&plan);
    take_rows(&world, &ledger, row_num_until_death(options->group_size));
    victim_kill(victim, told);

    char *torn = malloc(world.desc_bytes);
    if (torn == NULL) {
        traffic_fail("no memory for a desc");
    }
    memcpy(torn, world_desc(&world, VICTIM, 0), world.desc_bytes);
    wait_for_the_living(&world);
    drop_finished(&world, &ledger);
    check_deadline_names_victim(&world);
    drop(&world, &ledger, VICTIM);
    take_rows(&world, &ledger,
              MICRO_BATCH_NUM * (uint64_t)(VICTIM_ROUND_NUM + (SESSION_NUM - 1) * ROUND_NUM));
    children_join();
    if (memcmp(torn, world_desc(&world, VICTIM, 0), world.desc_bytes) != 0) {
        traffic_fail("the desc that the victim was writing has changed");
    }
    free(torn);
    ledger_free(&ledger);
    world_free(&world);
    check_nothing_left();
}
