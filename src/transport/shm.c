/* SPDX-License-Identifier: Apache-2.0 */
/* The transport `shm`: the peer's window is shared memory of this host, and the writer owns its mapping of it. */
#include "base/check.h"
#include "transport/mapped.h"

static const afd_writer_ops shm_ops = {
    .size = sizeof(afd_writer_ops),
    .name = "shm",
    .is_free = afd__mapped_is_free,
    .put = afd__mapped_put,
    .stage = afd__mapped_stage,
    .publish = afd__mapped_publish,
    .discard = afd__mapped_discard,
    .progress = afd__mapped_progress,
    .is_idle = afd__mapped_is_idle,
    .peer = afd__mapped_peer,
    .close = afd__mapped_close,
};

afd_status afd__writer_shm_adopt(afd_window *window, afd_writer **writer, afd_error *error)
{
    afd__mapped_target target = afd__mapped_target_of(window, &shm_ops);
    target.joined = window;
    return afd__mapped_create(&target, writer, error);
}

afd_status afd_writer_shm_open(const char *name, afd_writer **writer, afd_error *error)
{
    afd_window *window = NULL;
    afd_status status = afd__check_not_null("name", name, error);
    if (status == AFD_OK) {
        status = afd__check_not_null("writer", writer, error);
    }
    if (status == AFD_OK) {
        status = afd_window_join(name, AFD_WINDOW_WRITE, &window, error);
    }
    if (status != AFD_OK) {
        return status;
    }
    status = afd__writer_shm_adopt(window, writer, error);
    if (status != AFD_OK) {
        afd_window_close(window);
    }
    return status;
}
