/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/listener.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "transport/ucx/settings.h"

struct afd__listener {
    const afd__ucp *ucp;
    ucp_worker_h worker;
    ucp_listener_h listener;
    int fd;           /* what UCX's thread calls stand_still() for */
    sem_t is_wanted;  /* posted by ours; who sees it sees what was written before */
    sem_t stands;     /* posted by UCX's thread */
    sem_t may_go_on;  /* posted by ours */
};

/* ---- UCX's thread stands still ---- */

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
    }
}

/* In UCX's thread. */
static void stand_still(int fd, ucs_event_set_types_t events, void *arg)
{
    afd__listener *listener = arg;
    eventfd_t count = 0;
    (void)events;
    /* UCX may call without an event, and then nobody wants it. */
    const bool is_wanted = sem_trywait(&listener->is_wanted) == 0;
    (void)eventfd_read(fd, &count);
    if (is_wanted) {
        (void)sem_post(&listener->stands);
        await(&listener->may_go_on);
    }
}

/* Returns when UCX's thread has nothing under way; it begins nothing until let_go(). */
static void hold(afd__listener *listener)
{
    (void)sem_post(&listener->is_wanted);
    (void)eventfd_write(listener->fd, 1); /* fails at 2^64 - 2 alone */
    await(&listener->stands);
}

static void let_go(afd__listener *listener)
{
    (void)sem_post(&listener->may_go_on);
}

/* ---- from opening to ending ---- */

static void free_listener(afd__listener *listener)
{
    (void)sem_destroy(&listener->is_wanted);
    (void)sem_destroy(&listener->stands);
    (void)sem_destroy(&listener->may_go_on);
    if (listener->fd >= 0) {
        (void)close(listener->fd);
    }
    free(listener);
}

/* Every worker of UCX's has its handlers in the thread of this mode. Without a context of UCX's, none is locked while
 * the handler runs. */
static afd_status watch(afd__listener *listener, afd_error *error)
{
    if (listener->fd < 0) {
        return afd__fail_system(error, errno, "listener", "make the descriptor of a listener");
    }
    ucs_status_t status = listener->ucp->async_set_event_handler(
        UCS_ASYNC_MODE_THREAD_SPINLOCK, listener->fd, UCS_EVENT_SET_EVREAD, stand_still, listener, NULL);
    return status == UCS_OK ? AFD_OK
                            : afd__ucx_fail(listener->ucp, status, "listener", "watch the descriptor of a listener",
                                            error);
}

static afd_status listen_at(afd__listener *listener, const afd__listener_options *options, afd__address *address,
                            afd_error *error)
{
    const afd__address *wanted = options->address;
    const ucp_listener_params_t params = {
        .field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER,
        .sockaddr = { .addr = (const struct sockaddr *)&wanted->socket, .addrlen = wanted->socket_bytes },
        .conn_handler = { .cb = options->knock, .arg = options->arg },
    };
    ucp_listener_attr_t found = { .field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR };
    ucs_status_t status = listener->ucp->listener_create(options->worker, &params, &listener->listener);
    if (status == UCS_OK) {
        status = listener->ucp->listener_query(listener->listener, &found);
    }
    if (status == UCS_ERR_BUSY) {
        return afd__fail(error, AFD_ERR_EXISTS, "listen", afd__address_port(wanted), 0,
                         "another process listens at %s", wanted->text);
    }
    if (status != UCS_OK) {
        char what[AFD__ADDRESS_TEXT_BYTES + 16];
        (void)snprintf(what, sizeof(what), "listen at %s", wanted->text);
        return afd__ucx_fail(listener->ucp, status, "listen", what, error);
    }
    const afd__address at = { .socket = found.sockaddr, .socket_bytes = wanted->socket_bytes };
    *address = *wanted;
    afd__address_set_port(address, afd__address_port(&at));
    return AFD_OK;
}

void afd__listener_end(afd__listener *listener)
{
    hold(listener);
    if (listener->listener != NULL) {
        listener->ucp->listener_destroy(listener->listener);
    }
    if (listener->worker != NULL) {
        listener->ucp->worker_destroy(listener->worker);
    }
    let_go(listener);
    /* Waits until the handler has returned. */
    (void)listener->ucp->async_remove_handler(listener->fd, 1);
    free_listener(listener);
}

afd_status afd__listener_open(const afd__ucp *ucp, const afd__listener_options *options, afd__listener **listener,
                              afd__address *address, afd_error *error)
{
    afd__listener *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return afd__fail_system(error, ENOMEM, "listener", "make a listener");
    }
    made->ucp = ucp;
    (void)sem_init(&made->is_wanted, 0, 0);
    (void)sem_init(&made->stands, 0, 0);
    (void)sem_init(&made->may_go_on, 0, 0);
    made->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    afd_status status = watch(made, error);
    if (status != AFD_OK) {
        free_listener(made);
        return status;
    }
    status = listen_at(made, options, address, error);
    if (status != AFD_OK) {
        afd__listener_end(made); /* without the worker, which is the caller's still */
        return status;
    }
    made->worker = options->worker;
    *listener = made;
    return AFD_OK;
}

void afd__listener_reject(afd__listener *listener, ucp_conn_request_h request)
{
    hold(listener);
    (void)listener->ucp->listener_reject(listener->listener, request);
    let_go(listener);
}
