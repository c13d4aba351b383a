/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An input of the wire target: a byte of options for the whole, then messages, each this head, its header and its
 * payload.
 */
#ifndef AFD_TEST_WIRE_INPUT_H
#define AFD_TEST_WIRE_INPUT_H

#include <stdint.h>

enum { WIRE_TO_ATTENTION = 1 }; /* of the whole: the link is an attention worker's, and gets answers */

enum {
    WIRE_FETCHED = 1,    /* UCX has it to be fetched, and not at once */
    WIRE_STRANGER = 2,   /* over another connection than the link's */
    WIRE_NAMELESS = 4,   /* without saying who sends it */
    WIRE_BEND = 8,       /* magic, version, key, session and row_bytes are made right, and the length that follows */
    WIRE_ANSWER = 16,    /* before it, the worker does what it has to do: takes and answers, or sends a round */
    WIRE_HELD = 32,      /* and what it sends does not leave until a message without this bit */
    WIRE_LATE = 64       /* what is to be fetched comes only then, too */
};

typedef struct wire_message {
    uint8_t options;
    uint8_t header_bytes;
    uint8_t payload_bytes[2]; /* little-endian; what is longer than the input is cut off */
} wire_message;

enum {
    WIRE_SESSION_NUM = 3,
    WIRE_SESSION = 1,
    WIRE_MICRO_BATCH_NUM = 2,
    WIRE_TOKEN_NUM = 3,
    WIRE_SLOTS_PER_TOKEN = 5,
    WIRE_ROW_BYTES = 12,
    WIRE_KEY = 0x4321
};

#endif
