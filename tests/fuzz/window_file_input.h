/* SPDX-License-Identifier: Apache-2.0 */
/* How an input of window_file_fuzz begins. */
#ifndef AFD_TEST_WINDOW_FILE_INPUT_H
#define AFD_TEST_WINDOW_FILE_INPUT_H

#include <stdint.h>

/* Bits of window_file_input.options. */
enum {
    WINDOW_FILE_RAW = 1, /* what follows is the file, whole; else the starts of header and counters, then the window */
    WINDOW_FILE_BEND = 2 /* the header is bent into a good one, so that the accessors get their turn */
};

/* The header's fields, and the counters of the worker and two members. Behind them are only reserved bytes and more of
 * the same, which would make every input 8192 bytes longer. */
enum { WINDOW_FILE_HEADER_START_BYTES = 184, WINDOW_FILE_STATS_START_BYTES = 512 };

typedef struct window_file_input {
    uint64_t options;
    uint64_t file_bytes; /* of the file, unless it is raw or bent */
} window_file_input;

#endif
