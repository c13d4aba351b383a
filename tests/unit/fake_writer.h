/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport for tests: it counts what it is asked, remembers the last of it, and fails when it is told to. It keeps
 * no rows; what it stages is one buffer of its own.
 */
#ifndef FAKE_WRITER_H
#define FAKE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/writer.h"

typedef struct fake_writer {
    afd_writer base;
    uint32_t is_free_num;
    uint32_t put_num; /* puts and stages that succeeded and were neither published nor discarded */
    uint32_t publish_num;
    uint32_t discard_num;
    uint32_t progress_num;
    uint32_t idle_after; /* not idle until it was progressed so often after a publish; 0: idle at once */
    uint32_t unsent_num; /* progresses that are still missing */
    uint32_t close_num;
    uint32_t free_after; /* is_free says no so many times */
    uint32_t fail_put;   /* the put or stage of this number fails, counted from 1; 0: none */
    bool fail_publish;
    bool is_silent;      /* fails without a word */
    afd_peer_state state;
    afd_place place;     /* of the last put */
    afd_round round;     /* of the last publish */
    uint8_t staged[512];
} fake_writer;

/* A writer into a window of this kind and shape that nobody has. */
fake_writer fake_writer_of(afd_window_kind kind, const afd_shape *shape);

#endif
