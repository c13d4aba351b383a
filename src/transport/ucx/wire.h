/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over a plane (plane.h): a header of 64 bytes, and behind it, in ROUND and ANSWER,
 *
 *     u8 rows[row_num][row_bytes]
 *     { u32 slot; i32 expert_id; } entries[row_num]      slot = token*E + slot of the token
 *
 * Rows come first, so that a row is appended to a message without moving anything. Everything is little-endian, as the
 * machines are that this library runs on; rows of an odd length leave the entries unaligned, so they are copied out.
 *
 * What comes in is hostile until these checks have passed: afd__wire_read() for a header, which says by its key whose
 * message it is; afd__wire_check() by the rules of that link; afd__wire_check_entries() when all of it is there, before
 * the first byte goes into a window.
 */
#ifndef AFD_TRANSPORT_UCX_WIRE_H
#define AFD_TRANSPORT_UCX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/status.h"

#define AFD__WIRE_MAGIC UINT64_C(0x31454E414C444641) /* "AFDLANE1" */

enum { AFD__WIRE_VERSION = 1 };

typedef enum afd__wire_kind {
    AFD__WIRE_ATTACH = 1,   /* attention: this connection is the link of that key */
    AFD__WIRE_ATTACHED = 2, /* FFN: it is */
    AFD__WIRE_ROUND = 3,    /* attention: rows for the FFN window */
    AFD__WIRE_ANSWER = 4    /* FFN: rows for the attention window, of the round of that number */
} afd__wire_kind;

typedef struct afd__wire_header {
    uint64_t magic;       /*  0: this and the version stay where they are for ever */
    uint32_t version;     /*  8 */
    uint32_t kind;        /* 12: an afd__wire_kind */
    uint64_t key;         /* 16: of the link; not 0 */
    uint64_t round;       /* 24: ROUND, ANSWER: counted from 1 by the link, for each micro-batch; else 0 */
    uint32_t session;     /* 32: of the attention worker */
    uint32_t micro_batch; /* 36: ROUND, ANSWER; else 0 */
    int32_t layer_id;     /* 40: ROUND; else 0 */
    uint32_t row_num;     /* 44: ROUND, ANSWER; else 0 */
    uint64_t row_bytes;   /* 48: of every row that the sender sends */
    uint64_t reserved;    /* 56: 0 */
} afd__wire_header;

typedef struct afd__wire_entry {
    uint32_t slot;     /* in [0, BS*E) */
    int32_t expert_id; /* ROUND: in [0, AFD_EXPERT_ID_LIMIT), whether there is such an expert or not; ANSWER: 0 */
} afd__wire_entry;

/* What a link allows. BS*E is below 2^32, and as many rows with their entries fit 64 bits: afd__wire_fits(). */
typedef struct afd__wire_rules {
    afd__wire_kind greeting; /* ATTACH or ATTACHED */
    afd__wire_kind carrier;  /* ROUND or ANSWER */
    uint32_t session;
    uint32_t micro_batch_num;
    uint32_t slot_num;       /* BS*E */
    uint64_t row_bytes;      /* of every row that comes in */
} afd__wire_rules;

/* Whether messages of a shape can be numbered and measured; AFD_ERR_OVERFLOW. */
afd_status afd__wire_fits(const afd_shape *shape, uint64_t row_bytes, afd_error *error);

/* The bytes behind the header of a message. */
static inline uint64_t afd__wire_payload_bytes(uint64_t row_num, uint64_t row_bytes)
{
    return row_num * (row_bytes + sizeof(afd__wire_entry));
}

/*
 * Copies a header out of what came in: AFD_OK, and it is of this version, of a known kind and has a key. Else
 * AFD_ERR_INVALID naming the field, the version before any other, with value and bound.
 */
afd_status afd__wire_read(const void *bytes, size_t byte_num, afd__wire_header *header, afd_error *error);

/* Checks every field that is left against the rules of the link, and the length of what is behind the header. */
afd_status afd__wire_check(const afd__wire_header *header, size_t payload_bytes, const afd__wire_rules *rules,
                           afd_error *error);

/* The number `index` of the entries of a message that afd__wire_check() has passed. */
afd__wire_entry afd__wire_entry_at(const afd__wire_header *header, const void *payload, uint32_t index);

/*
 * Checks the entries of a message that afd__wire_check() has passed: every slot is in range and there once, every
 * expert id is one. `seen` has a bit for each slot, all 0; it is so again afterwards.
 */
afd_status afd__wire_check_entries(const afd__wire_header *header, const void *payload, const afd__wire_rules *rules,
                                   uint64_t *seen, afd_error *error);

#endif
