/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An FFN worker's plane and those of some attention workers, in one process and progressed by one thread: windows in
 * private memory, links between them, and a plain copy of what each micro-batch must hold.
 */
#ifndef PLANE_WORLD_H
#define PLANE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/window.h"
#include "random_numbers.h"
#include "transport/ucx/plane.h"

enum { PLANE_GUEST_MAX = 4 };

/* One attention worker: its session has the number that it has. */
typedef struct plane_guest {
    afd__plane *plane;
    afd_window *window;
    afd__link *link;    /* its own, to the FFN worker */
    afd__link *at_host; /* the FFN worker's, to it */
    uint64_t key;
} plane_guest;

typedef struct plane_world {
    afd_shape shape;
    afd__plane *plane; /* the FFN worker's */
    afd_window *window;
    uint32_t guest_num;
    plane_guest guests[PLANE_GUEST_MAX];
    uint32_t half_open_max;
    uint64_t patience_ns;
} plane_world;

/* Shape with the two sizes of a row; guests have sessions [0, guest_num), S is PLANE_GUEST_MAX. */
typedef struct plane_sizes {
    uint32_t micro_batch_num;
    uint32_t micro_batch_size;
    uint32_t selected_expert_num;
    uint32_t to_ffn_bytes;
    uint32_t to_attention_bytes;
} plane_sizes;

/* Where there is no UCX, says so and ends the program as skipped. */
void plane_world_require_ucx(void);

/* Planes and windows, and no link yet. */
void plane_world_open(plane_world *world, const plane_sizes *sizes, uint32_t guest_num);
void plane_world_close(plane_world *world);

/* The options of the two ends of a guest's links, which may be changed before they are used. */
afd__link_options plane_world_options(const plane_world *world, uint32_t guest, bool of_ffn_worker);

/* Makes both ends; they are pending. The key is one that no guest had before. */
void plane_world_link(plane_world *world, uint32_t guest);

/* Makes both ends and waits until both are attached. */
void plane_world_attach(plane_world *world, uint32_t guest);

/* Progresses every plane that there is. */
void plane_world_progress(plane_world *world);

/* Progresses until it holds; a world in which that takes twenty seconds hangs. */
#define PROGRESS_UNTIL(world, condition)                                                                              \
    do {                                                                                                              \
        const uint64_t began_ns_ = afd_clock_ns();                                                                    \
        while (!(condition)) {                                                                                        \
            plane_world_progress(world);                                                                              \
            if (afd_clock_ns() - began_ns_ > UINT64_C(20000000000)) {                                                 \
                fail_msg("hangs: %s", #condition);                                                                    \
            }                                                                                                         \
        }                                                                                                             \
    } while (0)

/* A byte of a row, different in every row, round and direction. */
uint8_t plane_byte(uint64_t salt, uint32_t slot, size_t index);

/* Puts a row of row_bytes into a slot of a link's micro-batch; asserts. */
void plane_put(afd__link *link, uint32_t session, uint32_t micro_batch, uint32_t slot, size_t row_bytes,
               uint64_t salt);

void plane_publish(afd__link *link, uint32_t session, uint32_t micro_batch, int32_t layer_id);

/* Whether a row lies in a window as plane_put() made it, and zeros behind it up to sent_bytes. */
void plane_expect_row(const afd_window *window, uint32_t session, uint32_t micro_batch, uint32_t slot,
                      size_t row_bytes, size_t sent_bytes, uint64_t salt);

/* What a scheduler does with a desc that is ready: gives it back, its ids refilled; asserts that it was ready. */
void plane_take(plane_world *world, uint32_t session, uint32_t micro_batch);

bool plane_desc_is_ready(const plane_world *world, uint32_t session, uint32_t micro_batch);

/* The ready flags of a micro-batch of a guest's window; plane_clear_flags() sets them to 0. */
uint32_t plane_ready_num(const plane_world *world, uint32_t guest, uint32_t micro_batch);
void plane_clear_flags(const plane_world *world, uint32_t guest, uint32_t micro_batch);

#endif
