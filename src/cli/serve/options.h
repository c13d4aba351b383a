/* SPDX-License-Identifier: Apache-2.0 */
/* What the person who types `afd ffn` or `afd attention` asked for. */
#ifndef AFD_CLI_SERVE_OPTIONS_H
#define AFD_CLI_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/member.h"

#include "run/model.h"

enum { SERVE_COMMON_BYTES = 256 };

typedef enum serve_side {
    SERVE_FFN = 1,
    SERVE_ATTENTION = 2
} serve_side;

/* What an attention worker does when its results are late. */
typedef enum serve_on_deadline {
    SERVE_ON_DEADLINE_WAIT,   /* says so, and goes on waiting */
    SERVE_ON_DEADLINE_REJOIN, /* gives its rounds up, joins anew, sends again */
    SERVE_ON_DEADLINE_STOP
} serve_on_deadline;

typedef struct serve_options {
    serve_side side;
    /* Both sides must say the same of these. */
    const run_model *model;
    uint32_t layer_num;         /* <= model->moe_layers */
    uint32_t session_num;       /* S: places that an FFN worker has */
    uint32_t micro_batch_num;   /* M */
    uint32_t batch_size;        /* BS, tokens */
    uint32_t sync_group_size;   /* G; session_num = all-sync */
    uint32_t ffn_num;           /* F, at most the model's routed experts */
    uint32_t copy_num;          /* FFN workers that have a routed expert, in [1, F] */
    bool quantize;              /* tokens travel as int8 */
    bool checks_experts;        /* cheap experts instead of weights, whose results are known to the bit */
    uint64_t weights_bytes;     /* of the pool, or RUN_WEIGHTS_FULL */
    uint64_t seed;
    /* What each side has of its own. */
    const char *name;           /* of its window; NULL: an attention worker's, which is made up */
    uint32_t rank;              /* FFN: in [0, F) */
    const char *listen;         /* FFN: the address for sessions of other hosts; NULL: none */
    const char *token_file;     /* NULL: none */
    const char *allow;          /* FFN: networks that sessions may come from; NULL: all */
    bool fair;                  /* FFN */
    afd_on_deadline ffn_on_deadline;
    const char **connect;       /* attention: [ffn_num] windows or addresses of FFN workers, by rank */
    uint32_t session;           /* attention: in [0, S), or AFD_SESSION_ANY */
    uint64_t step_num;          /* attention: decode steps, each through all layers; 0: until the minutes are over */
    uint64_t minute_num;        /* attention */
    bool verify_full;           /* attention: every row is computed again, not a sample */
    serve_on_deadline on_deadline; /* attention */
    afd_wait_strategy strategy;
    uint64_t dead_ns;           /* how long a peer may be silent */
    uint64_t deadline_ns;
    bool json;
    char common[SERVE_COMMON_BYTES]; /* " --layers 2 --quantize": what was given of what both sides must say alike */
} serve_options;

/* AFD_CLI_GO_ON, or the exit code: help or a list was printed, or it said what was wrong. Ends with
 * serve_options_free(), whatever it returned. */
int serve_options_parse(serve_options *options, serve_side side, int argc, char **argv);
void serve_options_free(serve_options *options);

/* "ffn" or "attention": the verb. */
const char *serve_verb(serve_side side);

#endif
