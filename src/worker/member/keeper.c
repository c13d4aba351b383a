/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/keeper.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "afd/wait.h"
#include "base/atomic.h"
#include "base/error.h"

#define TAG_TIMER UINT64_MAX
#define TAG_WAKE (UINT64_MAX - 1)

enum { EVENT_NUM = 32 };

static const uint64_t second_ns = UINT64_C(1000000000);

afd_status afd__keeper_watch(afd__keeper *keeper, int fd, uint64_t tag, afd_error *error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = tag };
    if (epoll_ctl(keeper->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return afd__fail_system(error, errno, "keeper", "watch a descriptor");
    }
    return AFD_OK;
}

void afd__keeper_forget(afd__keeper *keeper, int fd)
{
    (void)epoll_ctl(keeper->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void read_count(int fd)
{
    uint64_t count = 0;
    (void)!read(fd, &count, sizeof(count)); /* only so that it is not readable any more */
}

/* A clock that says that much time went by between two ticks says that this process did not run, not that others did
 * not: whoever was heard last before that may have spoken since. */
static void tick(afd__keeper *keeper)
{
    uint64_t now_ns = afd_clock_ns();
    bool stalled = now_ns - keeper->ticked_ns > keeper->stall_ns;
    read_count(keeper->timer_fd);
    keeper->ticked_ns = now_ns;
    keeper->duties.tick(keeper->duties.owner, now_ns, stalled);
}

static void *keep(void *argument)
{
    afd__keeper *keeper = argument;
    struct epoll_event events[EVENT_NUM];
    keeper->ticked_ns = afd_clock_ns();
    /* A6, meets R6 in afd__keeper_end(): nothing is read through it, the order only keeps to the rule. */
    while (afd__load_acquire_i32(&keeper->stop) == 0) {
        int event_num = epoll_wait(keeper->epoll_fd, events, EVENT_NUM, -1);
        bool is_due = false;
        for (int i = 0; i < event_num; i++) {
            if (events[i].data.u64 == TAG_TIMER) {
                is_due = true; /* after what has come in, which is news of who is there */
            } else if (events[i].data.u64 == TAG_WAKE) {
                read_count(keeper->wake_fd);
            } else {
                keeper->duties.ready(keeper->duties.owner, events[i].data.u64);
            }
        }
        if (is_due) {
            tick(keeper);
        }
    }
    return NULL;
}

static afd_status arm_timer(int fd, uint64_t period_ns, afd_error *error)
{
    struct timespec period = { .tv_sec = (time_t)(period_ns / second_ns), .tv_nsec = (long)(period_ns % second_ns) };
    struct itimerspec setting = { .it_interval = period, .it_value = period };
    if (timerfd_settime(fd, 0, &setting, NULL) != 0) {
        return afd__fail_system(error, errno, "options.heartbeat_ns", "set the timer of heartbeats");
    }
    return AFD_OK;
}

afd_status afd__keeper_make(afd__keeper *keeper, const afd__keeper_duties *duties, uint64_t heartbeat_ns,
                            uint64_t stall_ns, afd_error *error)
{
    *keeper = (afd__keeper){ .duties = *duties, .stall_ns = stall_ns, .epoll_fd = -1, .timer_fd = -1, .wake_fd = -1 };
    keeper->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    keeper->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (keeper->epoll_fd < 0 || keeper->timer_fd < 0 || keeper->wake_fd < 0) {
        return afd__fail_system(error, errno, "keeper", "make the descriptors of the heartbeat thread");
    }
    afd_status status = arm_timer(keeper->timer_fd, heartbeat_ns, error);
    if (status == AFD_OK) {
        status = afd__keeper_watch(keeper, keeper->timer_fd, TAG_TIMER, error);
    }
    if (status == AFD_OK) {
        status = afd__keeper_watch(keeper, keeper->wake_fd, TAG_WAKE, error);
    }
    return status;
}

/* Born with every signal blocked, so that no handler of the program ever runs in it. */
static int start_blocked(afd__keeper *keeper)
{
    sigset_t all;
    pthread_attr_t attributes;
    int problem = pthread_attr_init(&attributes);
    if (problem != 0) {
        return problem;
    }
    (void)sigfillset(&all);
    problem = pthread_attr_setsigmask_np(&attributes, &all);
    if (problem == 0) {
        problem = pthread_create(&keeper->thread, &attributes, keep, keeper);
    }
    (void)pthread_attr_destroy(&attributes);
    return problem;
}

afd_status afd__keeper_start(afd__keeper *keeper, afd_error *error)
{
    int problem = start_blocked(keeper);
    if (problem != 0) {
        return afd__fail_system(error, problem, "keeper", "start the heartbeat thread");
    }
    keeper->is_running = true;
    return AFD_OK;
}

static void close_one(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void afd__keeper_end(afd__keeper *keeper)
{
    const uint64_t one = 1;
    if (keeper->is_running) {
        afd__store_release_i32(&keeper->stop, 1); /* R6 */
        (void)!write(keeper->wake_fd, &one, sizeof(one));
        (void)pthread_join(keeper->thread, NULL);
        keeper->is_running = false;
    }
    close_one(keeper->wake_fd);
    close_one(keeper->timer_fd);
    close_one(keeper->epoll_fd);
    keeper->wake_fd = -1;
    keeper->timer_fd = -1;
    keeper->epoll_fd = -1;
}
