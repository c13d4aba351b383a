/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain model of the FFN worker scheduler: what one call must do, written down as slowly and as plainly as can be,
 * for tests to hold the real one against. It shares no code with the library: it reads the context by its byte offsets,
 * and the window by its formulas, and knows of the library only the numbers of afd_status.
 *
 * The model answers for memory in which nobody else writes during the call. It never waits: where the real call would
 * wait, the model returns AFD_NOT_YET and has changed nothing but out_num.
 *
 * It works in place on byte arrays. A test gives it copies of everything, lets the real call work on the originals, and
 * compares all of it, byte for byte. The addresses in the context are looked at (null? aligned?) and never followed.
 */
#ifndef PLAIN_SCHEDULER_H
#define PLAIN_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/status.h"

/* The memory that a call may touch. The arrays are as large as the context says; more than that is never written. */
typedef struct plain_memory {
    uint8_t *context;         /* 1024 bytes */
    uint8_t *token_info;      /* S*M descs of 8 + 4*BS*E bytes; any alignment */
    uint8_t *layer_ids;       /* 4*S */
    uint8_t *session_ids;     /* 4*S */
    uint8_t *micro_batch_ids; /* 4*S */
    uint8_t *expert_ids;      /* 4*S*BS*E */
} plain_memory;

typedef enum plain_member { PLAIN_AWAY, PLAIN_JOINING, PLAIN_LIVE } plain_member;

/* What a scheduler object remembers from call to call, as far as it changes what is taken. */
typedef struct plain_scheduler {
    uint32_t session_num;     /* S it was made for */
    uint32_t micro_batch_num; /* M it was made for */
    bool fair;
    plain_member *members;    /* [S] */
    uint32_t *cursors;        /* [S], by the number of the group: the micro-batch that a fair choice looks at first */
} plain_scheduler;

/* Allocates a model scheduler: everybody live, or nobody with start_empty; every cursor at 0. Aborts without memory. */
plain_scheduler *plain_scheduler_new(uint32_t session_num, uint32_t micro_batch_num, bool fair, bool start_empty);
void plain_scheduler_free(plain_scheduler *scheduler);

/* Membership, as afd_ffn_scheduler_admit() and _drop(). The session must be in range. */
void plain_scheduler_admit(plain_scheduler *scheduler, uint32_t session);
void plain_scheduler_drop(plain_scheduler *scheduler, uint32_t session);

/* The checks of a call alone: AFD_OK, AFD_ERR_INVALID or AFD_ERR_OVERFLOW. `scheduler` may be NULL. */
afd_status plain_check(const uint8_t context[1024], int32_t sync_group_size, int32_t execute_mode,
                       const plain_scheduler *scheduler);

/*
 * One call. *taken_num is > 0 with AFD_OK and 0 with everything else: AFD_NOT_YET, AFD_STOPPED, AFD_NOBODY_LIVE, or the
 * error of plain_check(), and then nothing at all was written. After the checks a run flag of 0 is looked at first.
 */
afd_status plain_schedule(const plain_memory *memory, int32_t sync_group_size, int32_t execute_mode,
                          plain_scheduler *scheduler, uint32_t *taken_num);

#endif
