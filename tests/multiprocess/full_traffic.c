/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stddef.h>
#include <sys/mman.h>

#include "children.h"
#include "scheduling.h"

enum { CHILD_NUM = 3 };

/* The call that waits for more than there is ends when another process raises the stop word. */
static void check_stop(const stress_world *world)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 1;
    int32_t *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stop == MAP_FAILED) {
        traffic_fail("no memory for the stop word");
    }
    if (world->options.waiting == WAITING_POLL) {
        afd_context_stop(world->context); /* which is ours alone; afd_ffn_schedule_poll() knows no stop word */
    } else {
        (void)stopper_start(stop);
    }
    wait.stop = stop;
    wait.poll = children_watch;
    afd_status status = world_schedule(world, &wait, &taken_num);
    if (status != AFD_STOPPED || taken_num != 0) {
        traffic_fail("a stopped call returned %s with %" PRIu32 " taken", afd_status_name(status), taken_num);
    }
    children_join();
    (void)munmap(stop, sizeof(*stop));
}

void run_full_traffic(const world_options *options, const traffic_plan *traffic, uint32_t round_num)
{
    const afd_shape *shape = &traffic->shape;
    stress_world world = world_new(shape, options);
    taken_ledger ledger = ledger_new(traffic, options->group_size);
    child_plan plan = { traffic, options->shared_name, 0, CHILD_NUM, round_num };
    for (; plan.first_session < CHILD_NUM; plan.first_session++) {
        (void)child_start(&plan);
    }
    take_rows(&world, &ledger, (uint64_t)shape->session_num * shape->micro_batch_num * round_num);
    children_join();
    check_stop(&world);
    ledger_free(&ledger);
    world_free(&world);
    check_nothing_left();
}
