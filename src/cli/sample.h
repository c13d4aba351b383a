/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a window: every flag once, with the relaxed peeks of afd/window.h. Each is true of its own moment, and no
 * two of the same one, so a sample is exact where a window has come to rest, and only hints at what a moving one does.
 */
#ifndef AFD_CLI_SAMPLE_H
#define AFD_CLI_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/window.h"

typedef struct afd_cli_desc {
    int32_t flag;
    int32_t layer_id; /* of a ready desc; of another one it is an old round's, or half written */
} afd_cli_desc;

/* How far all sessions are with one micro-batch. */
typedef struct afd_cli_column {
    uint32_t ready_num;
    uint32_t corrupt_num;
    int32_t layer_min; /* of the ready; valid when ready_num > 0 */
    int32_t layer_max;
} afd_cli_column;

typedef struct afd_cli_sample {
    uint32_t session_num;
    uint32_t micro_batch_num;
    uint64_t corrupt_num;
    int64_t taken_unix_ns;
    afd_cli_desc *descs;     /* [S][M] */
    afd_cli_column *columns; /* [M] */
} afd_cli_sample;

/*
 * Far more than any deployment has; a damaged or hostile file can claim thousands of times more, with next to nothing
 * on the disk. The text and the JSON of this much take some hundred megabytes.
 */
enum { AFD_CLI_DESC_NUM_MAX = 1 << 20, AFD_CLI_ID_NUM_MAX = 1 << 22 };

/* Descs of the window, and expert ids of one of its sessions. */
uint64_t afd_cli_sample_desc_num(const afd_shape *shape);
uint64_t afd_cli_sample_id_num(const afd_shape *shape);

/* At most AFD_CLI_DESC_NUM_MAX of them. */
void afd_cli_sample_take(const afd_window *window, const afd_shape *shape, afd_cli_sample *sample);
void afd_cli_sample_drop(afd_cli_sample *sample);

const afd_cli_desc *afd_cli_sample_desc(const afd_cli_sample *sample, uint32_t session, uint32_t micro_batch);

/* Ready, free, or neither: then it is corrupt, and nobody will ever take it. */
bool afd_cli_desc_is_ready(const afd_cli_desc *desc);
bool afd_cli_desc_is_corrupt(const afd_cli_desc *desc);

/* The slots of one desc by what their expert id says. */
typedef struct afd_cli_ids {
    uint64_t id_num;       /* BS*E */
    uint64_t real_num;     /* in [0, AFD_EXPERT_ID_LIMIT) */
    uint64_t empty_num;    /* sentinels */
    uint64_t negative_num; /* nothing that a producer should have written */
    int32_t *ids;          /* all of them, in slot order */
} afd_cli_ids;

/* Of a session with at most AFD_CLI_ID_NUM_MAX of them. */
void afd_cli_ids_take(const afd_window *window, const afd_shape *shape, uint32_t session, uint32_t micro_batch,
                      afd_cli_ids *ids);
void afd_cli_ids_drop(afd_cli_ids *ids);

#endif
