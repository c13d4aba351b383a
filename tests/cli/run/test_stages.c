/* SPDX-License-Identifier: Apache-2.0 */
/* The table of stages: what workers in other processes add, and that merging is as if one worker had done it all. */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "run/stages/stages.h"
#include "small_model.h"

enum { WORKERS = 3 };

static run_stage_table *made(void)
{
    run_stage_table *tables = NULL;
    run_failure failure;
    assert_true(run_stages_create(&tables, WORKERS + 1, &failure));
    return tables;
}

static void merged_tables_are_those_of_one_worker(void **state)
{
    random_numbers numbers = random_case();
    run_stage_table *tables = made();
    run_stage_table *one = &tables[WORKERS];
    run_stage_table *merged = calloc(1, sizeof(*merged));
    (void)state;
    assert_non_null(merged);
    for (int i = 0; i < 5000; i++) {
        uint64_t wall_ns = random_u64(&numbers) >> random_below(&numbers, 64);
        uint64_t cpu_ns = random_u64(&numbers) >> random_below(&numbers, 64);
        afd_stage stage = (afd_stage)random_below(&numbers, AFD_STAGE_NUM);
        run_stages_add(&tables[random_below(&numbers, WORKERS)], stage, wall_ns, cpu_ns);
        run_stages_add(one, stage, wall_ns, cpu_ns);
    }
    for (int worker = 0; worker < WORKERS; worker++) {
        run_stages_merge(merged, &tables[worker]);
    }
    assert_memory_equal(merged, one, sizeof(*merged));
    free(merged);
    run_stages_destroy(tables, WORKERS + 1);
    run_stages_destroy(NULL, 0);
}

static void figures_are_those_of_what_was_added(void **state)
{
    run_stage_table *tables = made();
    const run_stage_row *row = &tables[0].rows[AFD_STAGE_BATCH];
    (void)state;
    for (uint64_t i = 1; i <= 100; i++) {
        run_stages_add(&tables[0], AFD_STAGE_BATCH, i, 2 * i);
    }
    assert_int_equal(row->num, 100);
    assert_int_equal(row->wall_ns, 5050);
    assert_int_equal(row->cpu_ns, 10100);
    assert_in_range(run_histogram_percentile(&row->wall, 50.0), 50, 52);
    assert_in_range(run_histogram_percentile(&row->cpu, 99.0), 198, 200);
    assert_int_equal(tables[0].rows[AFD_STAGE_REPLY].num, 0);
    assert_int_equal(tables[1].rows[AFD_STAGE_BATCH].num, 0);
    run_stages_destroy(tables, WORKERS + 1);
}

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Work counts on both clocks, sleep on the wall's alone: both differ by construction, whoever else is busy. */
static void observe_in_child(run_stage_table *table, run_timeline *timeline)
{
    const struct timespec nap = { 0, 20000000 };
    run_stage_watch watch = { .table = table, .timeline = timeline, .worker = 2 };
    run_stages_observe(&watch, AFD_STAGE_WAIT, true, 1, 4);
    (void)nanosleep(&nap, NULL);
    run_stages_observe(&watch, AFD_STAGE_WAIT, false, 1, 4);
    run_stages_observe(&watch, AFD_STAGE_EXPERTS, true, AFD_MICRO_BATCH_ANY, -1);
    for (uint64_t begin_ns = cpu_now_ns(); cpu_now_ns() - begin_ns < 3000000;) {
    }
    run_stages_observe(&watch, AFD_STAGE_EXPERTS, false, AFD_MICRO_BATCH_ANY, -1);
    watch.timeline = NULL; /* is optional */
    run_stages_observe(&watch, AFD_STAGE_REPLY, true, 0, 0);
    run_stages_observe(&watch, AFD_STAGE_REPLY, false, 0, 0);
}

static void a_workers_stages_are_timed_by_both_clocks(void **state)
{
    run_stage_table *tables = made();
    run_timeline timeline;
    run_failure failure;
    int status = -1;
    (void)state;
    assert_true(run_timeline_create(&timeline, WORKERS, 2, &failure));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        observe_in_child(&tables[2], &timeline);
        _exit(run_timeline_dropped(&timeline, 2) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const run_stage_row *nap = &tables[2].rows[AFD_STAGE_WAIT];
    const run_stage_row *work = &tables[2].rows[AFD_STAGE_EXPERTS];
    assert_true(nap->num == 1 && work->num == 1 && tables[2].rows[AFD_STAGE_REPLY].num == 1);
    assert_true(nap->wall_ns >= 20000000); /* a sleep is never shorter than was asked */
    assert_true(nap->cpu_ns < nap->wall_ns);
    assert_true(work->cpu_ns >= 3000000);
    run_timeline_destroy(&timeline);
    run_stages_destroy(tables, WORKERS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_tables_are_those_of_one_worker),
        cmocka_unit_test(figures_are_those_of_what_was_added),
        cmocka_unit_test(a_workers_stages_are_timed_by_both_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
