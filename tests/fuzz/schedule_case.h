/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of an input to one scheduling call: a context with arbitrary fields whose buffers are exactly as large
 * as it claims, so that AddressSanitizer sees the first byte past any of them, and a copy of all of it from before the
 * call.
 *
 *     input   schedule_input, 1024 bytes of context, then what the token info holds; what is missing is 0
 */
#ifndef AFD_TEST_SCHEDULE_CASE_H
#define AFD_TEST_SCHEDULE_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/ffn.h"
#include "afd/wait.h"

/* Bits of schedule_input.options. */
enum {
    INPUT_TAME = 1,          /* the fields are bent into a context that is accepted, so that the window gets its turn */
    INPUT_OBJECT = 2,        /* with a scheduler object */
    INPUT_FAIR = 4,
    INPUT_WAIT = 8,          /* afd_ffn_schedule() with a deadline that has passed; else afd_ffn_schedule_poll() */
    INPUT_STOP_WORD = 16,    /* raised */
    INPUT_OTHER_OBJECT = 32  /* the object is for one micro-batch more */
};

typedef struct schedule_input {
    uint8_t options;
    uint8_t strategy;
    uint8_t late_capacity;
    uint8_t call_num;        /* calls on the same memory, 1 more than this % 4 */
    int32_t sync_group_size;
    int32_t execute_mode;
    uint32_t members;        /* 2 bits a session: 1 = dropped, 2 = dropped and admitted again, else live */
    uint64_t flags;          /* tame, 2 bits a desc: 1 = ready, 2 = free, 3 = corrupt, 0 = as its bytes say */
} schedule_input;

/* No buffer is larger: what claims to need more has to be refused. */
enum { CASE_BUFFER_BYTES_MAX = 1 << 16 };

enum { TOKEN_INFO, TOKEN_DATA, LAYER_IDS, SESSION_IDS, MICRO_BATCH_IDS, EXPERT_IDS, CASE_BUFFER_NUM };

typedef struct case_buffer {
    uint8_t *block;  /* of the allocation; NULL if the context has a null here */
    uint8_t *start;  /* what the context says */
    uint64_t bytes;  /* from start to the end of the allocation, exactly */
    uint8_t *before; /* copy of [start, start + bytes) */
} case_buffer;

typedef struct schedule_case {
    schedule_input input;
    afd_schedule_context *context;
    afd_schedule_context context_before;
    case_buffer buffers[CASE_BUFFER_NUM];
    void *scheduler_memory;
    afd_ffn_scheduler *scheduler; /* NULL without INPUT_OBJECT */
    afd_ffn_schedule_args args;
} schedule_case;

void case_make(schedule_case *fuzzed, const uint8_t *data, size_t size);
void case_free(schedule_case *fuzzed);

/* Makes the copies what everything is now. */
void case_copy(schedule_case *fuzzed);

/* Whether everything is what the copies say. */
bool case_equals_copy(const schedule_case *fuzzed);

#endif
