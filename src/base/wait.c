/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wait.h"

#include <sched.h>
#include <time.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/error.h"

enum {
    /* Longer than a line takes to travel between two cores there and back (120-420 ns), shorter than a yield hurts. */
    SPIN_PASS_NUM = 64,
    /* Backing off: so many yields before the first sleep, so that a gap of some tens of us is met awake. */
    YIELD_PASS_NUM = 128,
    SLEEP_NS_MIN = 1000, /* the kernel's timer slack makes this about 76 us unless the thread lowered its slack */
    SLEEP_NS_MAX = 50000 /* and as much again for the timer slack: 100 us in all */
};

uint64_t afd_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: the clock exists and the address is good */
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void afd_stop_raise(int32_t *stop)
{
    /* R3, meets A3: what was written before the stop is visible to whoever the stop woke. */
    afd__store_release_i32(stop, 1);
}

bool afd__stop_requested(const int32_t *run_flag, const int32_t *stop)
{
    /* A3, meets R3 in afd_stop_raise() and R4 in afd_context_stop(). An atomic load on every pass: read as a plain
     * integer, the compiler may look once and wait for ever. */
    return (run_flag != NULL && afd__load_acquire_i32(run_flag) == 0) ||
           (stop != NULL && afd__load_acquire_i32(stop) != 0);
}

afd_status afd__wait_check(const afd_wait *wait, afd_error *error)
{
    if (wait->size != sizeof(afd_wait)) {
        return afd__fail_size("wait.size", wait->size, sizeof(afd_wait), "AFD_WAIT_INIT", error);
    }
    /* As unsigned, so that a negative number, which an enum can hold, is out of range too. */
    unsigned int strategy = (unsigned int)wait->strategy;
    if (strategy > (unsigned int)AFD_WAIT_BACKOFF) {
        return afd__fail(error, AFD_ERR_INVALID, "wait.strategy", strategy, AFD_WAIT_BACKOFF,
                         "wait.strategy is %u, must be at most %d", strategy, AFD_WAIT_BACKOFF);
    }
    if (wait->late == NULL && wait->late_capacity > 0) {
        return afd__fail(error, AFD_ERR_INVALID, "wait.late", 0, wait->late_capacity,
                         "wait.late is null with wait.late_capacity %u", wait->late_capacity);
    }
    return afd__check_size("wait.late_entry_bytes", wait->late_entry_bytes, sizeof(afd_late), "AFD_WAIT_INIT", error);
}

static void call_poll(afd_wait *wait)
{
    wait->unpolled_pass_num = 0;
    if (wait->poll != NULL) {
        wait->poll(wait->poll_arg);
    }
}

afd_status afd__waiter_start(afd__waiter *waiter, afd_wait *wait, const int32_t *run_flag, afd_error *error)
{
    /* Field by field: a fallback that is not used is not cleared either, which would be most of a short call. */
    waiter->wait = wait;
    waiter->run_flag = run_flag;
    waiter->empty_pass_num = 0;
    waiter->sleep_ns = SLEEP_NS_MIN;
    waiter->began_ns = 0;
    waiter->expired = false;
    if (wait == NULL) {
        waiter->fallback = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_YIELD);
        waiter->wait = &waiter->fallback;
    } else {
        afd_status status = afd__wait_check(wait, error);
        if (status != AFD_OK) {
            return status;
        }
    }
    waiter->wait->late_num = 0;
    if (++waiter->wait->unpolled_pass_num >= AFD_WAIT_POLL_PASSES) {
        call_poll(waiter->wait);
    }
    return afd__stop_requested(run_flag, waiter->wait->stop) ? AFD_STOPPED : AFD_OK;
}

/* A hint that this is a spin loop: it saves power and leaves a sibling thread of the core its share. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* `yield` is a no-op on most cores; isb stalls for some tens of ns */
#endif
}

static void sleep_and_back_off(afd__waiter *waiter)
{
    struct timespec pause = { .tv_sec = 0, .tv_nsec = (long)waiter->sleep_ns };
    (void)nanosleep(&pause, NULL); /* a signal ends it early, and the next pass looks at the stop word */
    waiter->sleep_ns = waiter->sleep_ns >= SLEEP_NS_MAX / 2 ? SLEEP_NS_MAX : waiter->sleep_ns * 2;
}

/* Idles once, and says whether this thread left the core: then any time may have gone by, and the clock is worth a
 * look. */
static bool idle(afd__waiter *waiter)
{
    uint64_t pass = waiter->empty_pass_num;
    afd_wait_strategy strategy = waiter->wait->strategy;
    if (strategy == AFD_WAIT_SPIN || pass <= SPIN_PASS_NUM) {
        cpu_relax();
        return false;
    }
    if (strategy == AFD_WAIT_BACKOFF && pass > SPIN_PASS_NUM + YIELD_PASS_NUM) {
        sleep_and_back_off(waiter);
        return true;
    }
    (void)sched_yield();
    return true;
}

static bool deadline_passed(const afd_wait *wait)
{
    return wait->deadline_ns != 0 && afd_clock_ns() >= wait->deadline_ns;
}

afd_status afd__waiter_idle(afd__waiter *waiter)
{
    afd_wait *wait = waiter->wait;
    wait->empty_pass_num++;
    waiter->empty_pass_num++;
    if (afd__stop_requested(waiter->run_flag, wait->stop)) {
        return AFD_STOPPED;
    }
    if (waiter->expired) {
        return AFD_DEADLINE;
    }
    if (waiter->empty_pass_num == 1 && wait->deadline_ns != 0) {
        waiter->began_ns = afd_clock_ns();
    }
    call_poll(wait);
    bool left_core = idle(waiter);
    if (left_core || waiter->empty_pass_num % AFD_WAIT_CLOCK_PASSES == 1) {
        waiter->expired = deadline_passed(wait);
    }
    return AFD_OK;
}

void afd__wait_add_late(afd_wait *wait, afd_late late)
{
    if (wait->late_num < wait->late_capacity) {
        wait->late[wait->late_num] = late;
    }
    if (wait->late_num < UINT32_MAX) {
        wait->late_num++;
    }
}

afd_status afd_wait_until(afd_wait *wait, bool (*is_done)(void *arg), void *arg, afd_error *error)
{
    afd__waiter waiter;
    afd_status status = afd__waiter_start(&waiter, wait, NULL, error);
    while (status == AFD_OK && !is_done(arg)) {
        status = afd__waiter_idle(&waiter);
    }
    return status;
}
