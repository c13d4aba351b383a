/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>

#include "crew.h"
#include "ledger.h"
#include "modes.h"

/* ---- the end: a call that waits for nothing more is stopped by another thread ---- */

typedef struct stop_raiser {
    int32_t waiting;  /* atomic: the call has made an empty pass */
    int32_t stop;     /* the stop word of its wait */
    bool by_run_flag;
    afd_schedule_context *context;
} stop_raiser;

static void note_waiting(void *argument)
{
    stop_raiser *stopper = argument;
    __atomic_store_n(&stopper->waiting, 1, __ATOMIC_RELAXED);
}

static void *stop_when_waiting(void *argument)
{
    stop_raiser *stopper = argument;
    while (__atomic_load_n(&stopper->waiting, __ATOMIC_RELAXED) == 0) {
        (void)sched_yield();
    }
    if (stopper->by_run_flag) {
        afd_context_stop(stopper->context);
    } else {
        afd_stop_raise(&stopper->stop);
    }
    return NULL;
}

static void check_stop(const stress_case *stress, const stress_world *world, const taken_ledger *ledger)
{
    /* afd_ffn_schedule_poll() knows no stop word; the others take turns. */
    bool by_run_flag = stress->options.waiting == WAITING_POLL || stress->traffic.seed % 2 == 0;
    stop_raiser stopper = { .by_run_flag = by_run_flag, .context = world->context };
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 1;
    pthread_t thread;
    wait.poll = note_waiting;
    wait.poll_arg = &stopper;
    wait.stop = &stopper.stop;
    if (pthread_create(&thread, NULL, stop_when_waiting, &stopper) != 0) {
        traffic_fail("no thread for the stopper");
    }
    ledger_mark_outputs(world->context);
    afd_status status = world_schedule(world, &wait, &taken_num);
    (void)pthread_join(thread, NULL);
    if (status != AFD_STOPPED || taken_num != 0 || world->context->ffn.out_num != 0) {
        traffic_fail("a stopped call returned %s with %" PRIu32 " taken", afd_status_name(status), taken_num);
    }
    ledger_check_marks(ledger, world->context, 0);
}

/* ---- the traffic ---- */

static void take_once(const stress_case *stress, const stress_world *world, taken_ledger *ledger)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 0;
    uint64_t polling_index = world->context->ffn.polling_index;
    bool marked = stress->options.object == WORLD_NO_OBJECT; /* with one, early copies may lie past the taken rows */
    if (marked) {
        ledger_mark_outputs(world->context);
    }
    afd_status status = world_schedule(world, &wait, &taken_num);
    if (status != AFD_OK) {
        traffic_fail("a call without deadline and stop returned %s", afd_status_name(status));
    }
    ledger_check_call(ledger, world->context, taken_num, polling_index);
    if (marked) {
        ledger_check_marks(ledger, world->context, taken_num);
    }
}

uint64_t run_full_traffic(const stress_case *stress)
{
    const afd_shape *shape = &stress->traffic.shape;
    uint64_t row_num = (uint64_t)shape->session_num * shape->micro_batch_num * stress->round_num;
    stress_world world = world_new(shape, &stress->options);
    taken_ledger ledger = ledger_new(&stress->traffic, stress->options.group_size);
    producer_crew crew;
    crew_start(&crew, &stress->traffic, &world, stress->round_num);
    while (ledger.taken_num < row_num) {
        take_once(stress, &world, &ledger);
    }
    crew_join(&crew);
    check_stop(stress, &world, &ledger);
    crew_check_window(&crew, ledger.taken_rounds);
    crew_free(&crew);
    ledger_free(&ledger);
    world_free(&world);
    return row_num;
}
