/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of libafd returns, and how it explains an error.
 *
 * A *result* (zero or positive) says what happened: sessions were taken, nothing was ready yet, somebody asked to stop,
 * the deadline passed, nobody is there to wait for. None of them is a fault, and a caller handles each where it calls.
 *
 * An *error* (negative) says what the caller has lost: the call (its arguments were wrong; nothing was changed), the
 * window (it cannot be made or used), a peer (member.h), or the machine (the system refused). Every call that can fail
 * takes an `afd_error *`, which may be NULL; the function that first knows the cause fills it, with the value and the
 * bound.
 *
 * Threads: every function here may be called from any thread at any time, and in a forked child.
 */
#ifndef AFD_STATUS_H
#define AFD_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

/* One list makes the enum, the names and the sentences. Numbers are part of the ABI and never change. */
#define AFD_STATUS_MAP(X)                                                                          \
    /* Results. */                                                                                 \
    X(AFD_OK, 0, "done")                                                                           \
    X(AFD_NOT_YET, 1, "nothing is ready yet")                                                      \
    X(AFD_STOPPED, 2, "stopped by the run flag or the stop word")                                  \
    X(AFD_DEADLINE, 3, "the deadline passed")                                                      \
    X(AFD_NOBODY_LIVE, 4, "no session is live")                                                    \
    /* The call is lost: nothing was changed. */                                                   \
    X(AFD_ERR_INVALID, -1, "parameter invalid")                                                    \
    X(AFD_ERR_OVERFLOW, -2, "a size does not fit 64 bits")                                         \
    X(AFD_ERR_NO_MEMORY, -3, "out of memory")                                                      \
    /* The window is lost: it cannot be made, found or believed. */                                \
    X(AFD_ERR_NO_SPACE, -4, "not enough shared memory")                                            \
    X(AFD_ERR_EXISTS, -5, "the name is in use")                                                     \
    X(AFD_ERR_NOT_FOUND, -6, "no window of that name")                                             \
    X(AFD_ERR_BAD_WINDOW, -7, "not a window that this version can use")                            \
    X(AFD_ERR_ACCESS, -8, "access denied")                                                         \
    X(AFD_ERR_OWNER_DEAD, -9, "the owner of the window is dead")                                   \
    /* The machine refused. */                                                                     \
    X(AFD_ERR_SYSTEM, -10, "a system call failed")                                                 \
    /* The peer is lost: what was open with it cannot end. */                                      \
    X(AFD_ERR_PEER, -11, "a peer is lost")

typedef enum afd_status {
#define AFD_STATUS_ENUM(name, number, text) name = (number),
    AFD_STATUS_MAP(AFD_STATUS_ENUM)
#undef AFD_STATUS_ENUM
} afd_status;

/* The sentence for `status`; "unknown status" for a number that is none. Static memory, never NULL. */
const char *afd_status_text(afd_status status);

/* The name, "AFD_NOT_YET"; "AFD_?" for a number that is none. Static memory, never NULL. */
const char *afd_status_name(afd_status status);

enum { AFD_ERROR_MESSAGE_BYTES = 256 };

/*
 * Why a call failed. Written only when the call returns an error (a negative status); otherwise left as it was.
 * Owned by the caller; holds no pointers that need freeing.
 */
typedef struct afd_error {
    afd_status status;  /* what the call returned */
    const char *field;  /* the argument or context field at fault, "ffn.polling_index"; static memory, never NULL */
    uint64_t value;     /* what was found there; a signed field is sign-extended to 64 bits */
    uint64_t bound;     /* what it was held against; `message` says how */
    int system_error;   /* errno of the system call that failed, 0 when none did */
    char message[AFD_ERROR_MESSAGE_BYTES]; /* one sentence without a final newline, zero-terminated */
} afd_error;

/* The library's version, "0.1.0", of the binary that is loaded. Static memory. */
const char *afd_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
