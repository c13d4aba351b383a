/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good the way to another host is: rounds over the very transport that workers use between hosts (member.h), from
 * a window here into one there, and back, with nothing in between that computes.
 *
 *     the one host                          the other
 *     ────────────                          ─────────
 *     afd_probe_listen                      afd_probe_connect
 *     afd_probe_serve: sends back           afd_probe_round_trip ...
 *       what comes, until it is stopped     afd_probe_close
 *     afd_probe_close
 *
 * A round is a message of row_num rows, which the other end has written into its window, read, and sent back when it is
 * over; so it is two crossings of the link and four copies of each row, as in the loop, and its time is what a
 * micro-batch spends on its way. There is no membership, and none is disturbed: a listener is a process of its own, at
 * a port of its own, that serves one caller at a time.
 *
 * Threads: a probe belongs to one thread at a time. fork: the child does not use it.
 */
#ifndef AFD_PROBE_H
#define AFD_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "afd/status.h"
#include "afd/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* The rows of a round; and their bytes, of a hidden size of 2048 or of 7168 in 16 bits. */
enum { AFD_PROBE_ROWS_MAX = 256, AFD_PROBE_ROW_SMALL = 4096, AFD_PROBE_ROW_LARGE = 14336 };

typedef struct afd_probe afd_probe;

typedef struct afd_probe_options {
    size_t size;         /* sizeof(afd_probe_options), so that it can grow */
    const char *address; /* "HOST:PORT"; to listen as in afd_member_options.listen, port 0 for any free one */
    const void *secret;  /* what both ends must be given alike, at most AFD_SECRET_BYTES_MAX bytes; NULL: none */
    size_t secret_bytes;
} afd_probe_options;

#define AFD_PROBE_OPTIONS_INIT { sizeof(afd_probe_options), NULL, NULL, 0 }

/*
 * Listens. AFD_ERR_INVALID for an address that is none, or one beyond the loopback without a secret; AFD_ERR_EXISTS if
 * the port is taken; AFD_ERR_NOT_FOUND where UCX is not here, naming the package; AFD_ERR_SYSTEM, AFD_ERR_NO_MEMORY.
 */
afd_status afd_probe_listen(const afd_probe_options *options, afd_probe **probe, afd_error *error);

/* Where, with the port that it got; as long as the probe lives. */
const char *afd_probe_address(const afd_probe *probe);

/*
 * Sends back what the next caller sends, until it goes: AFD_OK, and *round_num (may be NULL) rounds were sent back;
 * AFD_STOPPED; AFD_DEADLINE if nobody came. While nobody is there it sleeps between the looks, whatever `wait` says.
 * A caller that sends nothing for ten seconds has gone. Breaking the rules ends a caller, too.
 */
afd_status afd_probe_serve(afd_probe *probe, afd_wait *wait, uint64_t *round_num, afd_error *error);

/*
 * Connects to one that listens: AFD_OK; AFD_STOPPED; AFD_DEADLINE if it does not answer; AFD_ERR_PEER if nobody is
 * there, somebody else is being served, or the secrets differ, which the other end does not tell apart for a stranger.
 */
afd_status afd_probe_connect(const afd_probe_options *options, afd_wait *wait, afd_probe **probe, afd_error *error);

/*
 * One round of row_num rows, in [0, AFD_PROBE_ROWS_MAX], of AFD_PROBE_ROW_SMALL or AFD_PROBE_ROW_LARGE bytes: *ns
 * becomes how long it took. What came back is held against what was sent, after the clock was read. AFD_OK;
 * AFD_ERR_INVALID for a round of another size; AFD_ERR_PEER if the other end is gone or something else came back;
 * AFD_STOPPED and AFD_DEADLINE, after which the probe is good for nothing but closing.
 */
afd_status afd_probe_round_trip(afd_probe *probe, uint32_t row_num, uint32_t row_bytes, afd_wait *wait, uint64_t *ns,
                                afd_error *error);

/* NULL is allowed. */
void afd_probe_close(afd_probe *probe);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
