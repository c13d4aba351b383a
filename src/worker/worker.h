/* SPDX-License-Identifier: Apache-2.0 */
/* What the two workers have in common: checks of their options, reserved memory, the stages that they tell of. */
#ifndef AFD_WORKER_WORKER_H
#define AFD_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/status.h"
#include "afd/token.h"
#include "afd/worker.h"
#include "afd/writer.h"
#include "base/check.h"

/* ---- checks beside those of base/check.h; each names the field (static memory), the value and the bound ---- */

/* options.size is what this version has. */
afd_status afd__check_options_size(uint64_t size, uint64_t expected, afd_error *error);

/* S, M, BS and E are there, and G is one of S's divisors. */
afd_status afd__check_sessions(const afd_shape *shape, uint32_t sync_group_size, afd_error *error);

/* HS is a multiple of 4 and holds `needed` bytes. */
afd_status afd__check_slot_bytes(const char *field, uint32_t slot_bytes, uint64_t needed, afd_error *error);

/* A writer into a window of this kind with the shape's S, M, BS and E, which takes rows of row_bytes. */
afd_status afd__check_writer(const afd_writer *writer, afd_window_kind kind, const afd_shape *shape,
                             uint64_t row_bytes, afd_error *error);

/* ---- memory ---- */

/* A worker object, all zeros, for free(); NULL without memory. */
void *afd__worker_new(size_t bytes, afd_error *error);

/*
 * Everything of a worker that is as large as its shape says comes out of one reservation of address space, which reads
 * as zeros and of which only what is written becomes resident: a batch is as large as the worst case, and most never
 * are. A part is carved twice, first to measure, with base NULL, then to have it.
 */
typedef struct afd__memory {
    char *base;
    uint64_t reserved_bytes; /* from base */
    uint64_t carved_bytes;
    bool overflows;
} afd__memory;

/* The next count * each bytes, at a multiple of 64; NULL while base is. */
void *afd__memory_carve(afd__memory *memory, uint64_t count, uint64_t each);

/* Reserves what was carved and starts over; `what` names it in an error: AFD_ERR_OVERFLOW, AFD_ERR_NO_MEMORY. */
afd_status afd__memory_reserve(afd__memory *memory, const char *what, afd_error *error);
void afd__memory_release(afd__memory *memory);

/* ---- stages ---- */

typedef struct afd__observer {
    afd_stage_observer *function; /* or NULL */
    void *arg;
} afd__observer;

/* What a stage is about: AFD_MICRO_BATCH_ANY and -1 where that is several. */
typedef struct afd__subject {
    uint32_t micro_batch;
    int32_t layer_id;
} afd__subject;

static inline void afd__stage_begins(const afd__observer *observer, afd_stage stage, afd__subject about)
{
    if (observer->function != NULL) {
        observer->function(observer->arg, stage, true, about.micro_batch, about.layer_id);
    }
}

static inline void afd__stage_ends(const afd__observer *observer, afd_stage stage, afd__subject about)
{
    if (observer->function != NULL) {
        observer->function(observer->arg, stage, false, about.micro_batch, about.layer_id);
    }
}

#endif
