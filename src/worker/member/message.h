/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members say to each other. Every message is one structure of one size, whatever it says, sent as one packet; the
 * fields that its kind has no use for are zero. What comes in is hostile until afd__message_check() has made a copy of
 * it of which every field may be used.
 *
 *     attention worker                                  FFN worker's door
 *       HELLO      who it is, and what it expects; between hosts with credentials
 *                                                         TURN      the place is kept; which all-sync step comes next
 *       START      from which step on it takes part
 *                                                         WELCOME   admitted; or LATE: that step is over already
 *       WITHDRAW   takes START back, and asks for a TURN
 *       GOODBYE    this incarnation writes no more
 *                                                         GONE      nor will anybody here write for it any more
 *                                                         REFUSED   with a status and a sentence
 *                                                         DROPPED   it has lost its place
 *                                                         DRAIN     the FFN worker wants to end
 *       BEAT                                              BEAT
 */
#ifndef AFD_WORKER_MEMBER_MESSAGE_H
#define AFD_WORKER_MEMBER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/member.h"
#include "afd/status.h"
#include "afd/window.h"

#define AFD__MESSAGE_MAGIC UINT64_C(0x31424D454D444641) /* "AFDMEMB1" */

/* Micro-batches are numbered by 32 bits, and no worker makes so many steps: so that a turn and a margin never wrap. */
#define AFD__TURN_MAX (UINT64_C(1) << 56)

/* Version 2 has a way between hosts: data_port and credentials. */
enum { AFD__MESSAGE_VERSION = 2 };

typedef enum afd__message_kind {
    AFD__MESSAGE_HELLO = 1,
    AFD__MESSAGE_TURN = 2,
    AFD__MESSAGE_START = 3,
    AFD__MESSAGE_WELCOME = 4,
    AFD__MESSAGE_LATE = 5,
    AFD__MESSAGE_WITHDRAW = 6,
    AFD__MESSAGE_GOODBYE = 7,
    AFD__MESSAGE_GONE = 8,
    AFD__MESSAGE_REFUSED = 9,
    AFD__MESSAGE_DROPPED = 10,
    AFD__MESSAGE_DRAIN = 11,
    AFD__MESSAGE_BEAT = 12
} afd__message_kind;

typedef struct afd__message {
    uint64_t magic;             /*   0: this, the version and the size of a message stay what they are for ever */
    uint32_t version;           /*   8 */
    uint32_t kind;              /*  12: an afd__message_kind */
    uint64_t epoch;             /*  16: of the incarnation that it is about; never 0, but in BEAT and DRAIN */
    uint64_t previous_epoch;    /*  24: HELLO: of the incarnation that it succeeds, which writes no more; 0: none */
    uint64_t turn;              /*  32: TURN, LATE: the next step; START: the first step of the session */
    uint64_t generation;        /*  40: HELLO, TURN: of the sender's window */
    uint64_t window_key;        /*  48: HELLO, TURN: of a window in private memory (window/registry.h); 0: shared. TURN
                                        between hosts: the key of the link for tokens (transport/ucx/plane.h) */
    uint32_t pid;               /*  56: HELLO, TURN: the sender */
    uint32_t session;           /*  60: HELLO: the place, or AFD_SESSION_ANY; TURN: the place that it has */
    uint32_t anchored;          /*  64: TURN: 1 where somebody takes part, whom the turn is fixed by */
                                /*      HELLO: 1 where the sender had joined before */
    int32_t status;             /*  68: REFUSED: an error */
    uint32_t reason;            /*  72: DROPPED: an afd_drop_reason */
    uint32_t hidden;            /*  76: HELLO; so the next four */
    uint32_t sent_type;         /*  80: an afd_token_type */
    uint32_t result_type;       /*  84 */
    uint32_t sync_group_size;   /*  88 */
    uint32_t first_session;     /*  92: with AFD_SESSION_ANY: where to begin to look */
    afd_shape shape;            /*  96: HELLO */
    uint32_t data_port;         /* 124: TURN between hosts: where the link for tokens is made to; else 0 */
    char window_name[AFD_WINDOW_NAME_MAX + 1]; /* 128: HELLO: of the sender's shared window, else "" */
    char text[AFD_ERROR_MESSAGE_BYTES];        /* 192: REFUSED, DROPPED: the sentence */
} afd__message;

/* What both ends must know to meet between hosts. */
typedef struct afd__credentials {
    uint32_t secret_bytes;      /*   0: at most AFD_SECRET_BYTES_MAX; 0: there is no secret */
    uint32_t reserved;          /*   4: 0 */
    uint8_t secret[AFD_SECRET_BYTES_MAX]; /* 8: zeros behind it */
} afd__credentials;

/* The first packet of a guest between hosts: all of it, or nothing, is believed. */
typedef struct afd__knock {
    afd__message hello;
    afd__credentials credentials;
} afd__knock;

/* An empty one of a kind, about an incarnation. */
afd__message afd__message_make(afd__message_kind kind, uint64_t epoch);

/* Puts a sentence into it, as much of it as there is room for, and nothing that a terminal would act on. */
void afd__message_set_text(afd__message *message, const char *text);

/*
 * Checks what came in and copies it: AFD_OK, and every field of *message is in its range, every text terminated and
 * printable. Else AFD_ERR_INVALID naming the field; "message.version" where the peer is of another version, which
 * `value` is.
 */
afd_status afd__message_check(const void *bytes, size_t byte_num, afd__message *message, afd_error *error);

/*
 * The same for a knock. In this order, so that nobody without the secret makes us look at anything else that he sent:
 * the version, the secret, and only then HELLO itself, which between hosts offers no window to open. AFD_ERR_ACCESS for
 * a wrong secret, with a sentence that says no more than that.
 */
afd_status afd__knock_check(const void *bytes, size_t byte_num, const afd__credentials *asked, afd__message *hello,
                            afd_error *error);

/* secret_bytes <= AFD_SECRET_BYTES_MAX; NULL with 0. */
void afd__credentials_set(afd__credentials *credentials, const void *secret, size_t secret_bytes);

/* Whether two are the same, in a time that does not depend on where they differ or how long they are. */
bool afd__credentials_match(const afd__credentials *theirs, const afd__credentials *ours);

/* Overwrites a secret that is not needed any more. */
void afd__credentials_wipe(afd__credentials *credentials);

/* A number that no other incarnation has; never 0. */
uint64_t afd__epoch_new(void);

#endif
