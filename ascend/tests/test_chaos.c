/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads do at random to the same handles what a program can do to them, stale ones included, while a fifth
 * finalizes again and again. Nothing is expected of the codes; everything must return, and the sanitizers must have
 * nothing to say.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "front_test.h"

enum { THREADS = 4, STEPS = 3000, SHARED = 8, FINALIZES = 40, WORLDS = STEPS };

/* Handles that every thread uses and replaces; a thread that reads one may find it dead by the time it uses it. */
static void *contexts[SHARED];
static void *streams[SHARED];
static void *events[SHARED];
static void *executors[SHARED];

typedef struct actor {
    uint64_t random;
    world *worlds; /* each is scheduled once and lives to the end, for a task may look at it until then */
    size_t world_num;
} actor;

static uint32_t next_number(actor *a, uint32_t below)
{
    a->random ^= a->random << 13;
    a->random ^= a->random >> 7;
    a->random ^= a->random << 17;
    return (uint32_t)(a->random >> 33) % below;
}

static void *get(void **handles, actor *a)
{
    return __atomic_load_n(&handles[next_number(a, SHARED)], __ATOMIC_RELAXED);
}

static void *swap(void **handles, actor *a, void *handle)
{
    return __atomic_exchange_n(&handles[next_number(a, SHARED)], handle, __ATOMIC_RELAXED);
}

static void schedule(actor *a)
{
    uint64_t size = 0;
    aclOpExecutor *executor = NULL;
    world *w = &a->worlds[a->world_num];
    if (a->world_num == WORLDS || world_create(w, 1, 1) != 0) {
        return;
    }
    a->world_num++;
    if (next_number(a, 2) == 0) {
        world_publish(w, 0, 0, 1);
    }
    if (aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(w->tensor, 1, 0, &size, &executor) == 0) {
        aclOpExecutor *old = swap(executors, a, executor);
        (void)aclnnInplaceFfnWorkerScheduler(NULL, 0, get(executors, a), get(streams, a));
        (void)aclDestroyAclOpExecutor(old);
    }
}

static void create(actor *a)
{
    void *handle = NULL;
    switch (next_number(a, 3)) {
    case 0:
        if (aclrtCreateContext(&handle, (int32_t)next_number(a, 3)) == ACL_SUCCESS) {
            (void)aclrtDestroyContext(swap(contexts, a, handle));
        }
        break;
    case 1:
        if (aclrtCreateStream(&handle) == ACL_SUCCESS) {
            void *old = swap(streams, a, handle);
            (void)(next_number(a, 2) == 0 ? aclrtDestroyStream(old) : aclrtDestroyStreamForce(old));
        }
        break;
    default:
        if (aclrtCreateEvent(&handle) == ACL_SUCCESS) {
            (void)aclrtDestroyEvent(swap(events, a, handle));
        }
        break;
    }
}

static void use(actor *a)
{
    aclrtStreamStatus stream_status;
    aclrtEventRecordedStatus event_status;
    switch (next_number(a, 7)) {
    case 0:
        (void)aclrtSetCurrentContext(get(contexts, a));
        break;
    case 1:
        (void)aclrtSetDevice((int32_t)next_number(a, 3));
        break;
    case 2:
        (void)aclrtRecordEvent(get(events, a), get(streams, a));
        break;
    case 3:
        (void)aclrtStreamWaitEvent(get(streams, a), get(events, a));
        break;
    case 4:
        (void)aclrtResetEvent(get(events, a), get(streams, a));
        break;
    case 5:
        (void)aclrtStreamQuery(get(streams, a), &stream_status);
        (void)aclrtQueryEventStatus(get(events, a), &event_status);
        break;
    default:
        (void)aclrtSynchronizeStreamWithTimeout(get(streams, a), (int32_t)next_number(a, 2));
        break;
    }
}

static void *act(void *argument)
{
    actor *a = argument;
    for (int step = 0; step < STEPS; step++) {
        switch (next_number(a, 8)) {
        case 0:
            schedule(a);
            break;
        case 1:
        case 2:
            create(a);
            break;
        case 3:
            (void)aclrtResetDevice((int32_t)next_number(a, 3));
            break;
        default:
            use(a);
            break;
        }
    }
    return NULL;
}

static void *finalize_again_and_again(void *argument)
{
    (void)argument;
    for (int i = 0; i < FINALIZES; i++) {
        (void)aclInit(NULL);
        (void)aclFinalize();
    }
    return NULL;
}

static void clean_up(actor *actors)
{
    (void)aclInit(NULL);
    assert_ok(aclFinalize()); /* every task has ended */
    for (size_t i = 0; i < SHARED; i++) {
        (void)aclrtDestroyEvent(events[i]);
        (void)aclDestroyAclOpExecutor(executors[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t k = 0; k < actors[i].world_num; k++) {
            world_destroy(&actors[i].worlds[k]);
        }
        free(actors[i].worlds);
    }
}

static void everything_at_once_returns(void **state)
{
    pthread_t threads[THREADS + 1];
    actor actors[THREADS];
    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        actors[i] = (actor){ .random = 88172645463325252U + i, .worlds = calloc(WORLDS, sizeof(world)) };
        assert_non_null(actors[i].worlds);
        assert_int_equal(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[THREADS], NULL, finalize_again_and_again, NULL), 0);
    for (size_t i = 0; i <= THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    clean_up(actors);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everything_at_once_returns) };
    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
