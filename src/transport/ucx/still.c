/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/still.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "transport/ucx/settings.h"

struct afd__still {
    const afd__ucp *ucp;
    int fd;           /* what UCX's thread calls stand_still() for */
    uint32_t depth;   /* begins without their end */
    sem_t is_wanted;  /* posted by ours; who sees it sees what was written before */
    sem_t stands;     /* posted by UCX's thread */
    sem_t may_go_on;  /* posted by ours */
};

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

/* In UCX's thread. */
static void stand_still(int fd, ucs_event_set_types_t events, void *arg)
{
    afd__still *still = arg;
    eventfd_t count = 0;
    (void)events;
    /* UCX may call without an event, and then nobody wants it. */
    const bool is_wanted = sem_trywait(&still->is_wanted) == 0;
    (void)eventfd_read(fd, &count);
    if (is_wanted) {
        (void)sem_post(&still->stands);
        await(&still->may_go_on);
    }
}

static void stop(afd__still *still)
{
    (void)sem_post(&still->is_wanted);
    (void)eventfd_write(still->fd, 1); /* fails at 2^64 - 2 alone */
    await(&still->stands);
}

/* UCX's thread looks at several descriptors at once and then at what happened at each: it may have stopped with some of
 * them left, of connections that are ended meanwhile. When it stops for the second time it has done with those, and
 * what it has left began since. A descriptor that can be written, the event that does harm, was so all the time. */
void afd__still_begin(afd__still *still)
{
    if (still != NULL && still->depth++ == 0) {
        stop(still);
        (void)sem_post(&still->may_go_on);
        stop(still);
    }
}

void afd__still_end(afd__still *still)
{
    if (still != NULL && --still->depth == 0) {
        (void)sem_post(&still->may_go_on);
    }
}

/* ---- making and freeing ---- */

static void free_still(afd__still *still)
{
    (void)sem_destroy(&still->is_wanted);
    (void)sem_destroy(&still->stands);
    (void)sem_destroy(&still->may_go_on);
    if (still->fd >= 0) {
        (void)close(still->fd);
    }
    free(still);
}

/* Every worker of UCX's has its handlers in the thread of this mode. Without a context of UCX's, none is locked while
 * the handler runs. */
static afd_status watch(afd__still *still, afd_error *error)
{
    if (still->fd < 0) {
        return afd__fail_system(error, errno, "ucx", "make a descriptor for UCX's thread");
    }
    ucs_status_t status = still->ucp->async_set_event_handler(UCS_ASYNC_MODE_THREAD_SPINLOCK, still->fd,
                                                              UCS_EVENT_SET_EVREAD, stand_still, still, NULL);
    return status == UCS_OK
               ? AFD_OK
               : afd__ucx_fail(still->ucp, status, "ucx", "watch a descriptor in UCX's thread", error);
}

afd_status afd__still_make(const afd__ucp *ucp, afd__still **still, afd_error *error)
{
    afd__still *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__fail_system(error, ENOMEM, "ucx", "keep UCX's thread still");
    }
    made->ucp = ucp;
    (void)sem_init(&made->is_wanted, 0, 0);
    (void)sem_init(&made->stands, 0, 0);
    (void)sem_init(&made->may_go_on, 0, 0);
    made->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    afd_status status = watch(made, error);
    if (status != AFD_OK) {
        free_still(made);
        return status;
    }
    *still = made;
    return AFD_OK;
}

void afd__still_free(afd__still *still)
{
    if (still != NULL) {
        /* Waits until the handler has returned. */
        (void)still->ucp->async_remove_handler(still->fd, 1);
        free_still(still);
    }
}
