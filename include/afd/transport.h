/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transports that libafd brings: they make afd_writers (writer.h).
 *
 *   local   the peer's window is memory of this process: threads, tests, guests with windows of their own
 *   shm     the peer's window is shared memory of this host, found by name
 *
 * Both write into the window itself, so a row is copied once, publish() is at once, progress() has nothing to do and
 * the writer is always idle. Creating allocates; writing never does. A writer is ended with afd_writer_close().
 *
 * Threads and fork: as in writer.h.
 */
#ifndef AFD_TRANSPORT_H
#define AFD_TRANSPORT_H

#include "afd/context.h"
#include "afd/status.h"
#include "afd/window.h"
#include "afd/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/*
 * A writer into `window`, made or joined by this process (to write), which must stay open until the writer is closed.
 * The peer is alive as long as the window's owner is.
 */
afd_status afd_writer_local_create(afd_window *window, afd_writer **writer, afd_error *error);

/*
 * A writer into a window that somebody else laid out: `fields` says where its token info and token data are and how
 * large, which is checked against what `shape` measures. The peer counts as alive.
 */
afd_status afd_writer_memory_create(afd_window_kind kind, const afd_shape *shape, const afd_window_fields *fields,
                                    afd_writer **writer, afd_error *error);

/* Joins the shared window `name` as afd_window_join() does, with its errors, and writes into it. */
afd_status afd_writer_shm_open(const char *name, afd_writer **writer, afd_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
