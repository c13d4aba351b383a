/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of one case of the whole loop, each to be run in a thread or in a process of its own. */
#ifndef AFD_TEST_LAYER_PARTIES_H
#define AFD_TEST_LAYER_PARTIES_H

#include <stdint.h>

#include "afd/worker.h"
#include "layer_case.h"

typedef struct ffn_party {
    const layer_case *c;
    uint32_t rank;
    const int32_t *left; /* [A]: sessions that have left, atomic: to be dropped */
    afd_ffn_worker *worker;
} ffn_party;

typedef struct attention_party {
    const layer_case *c;
    uint32_t session;
    int32_t *left; /* [A]: its own entry becomes 1 */
    afd_attention_worker *worker;
} attention_party;

/* Make the worker, with a shared window if there is a name. What fails fails the test; so in all that follows. */
void ffn_party_make(ffn_party *party, const char *window_name);
void attention_party_make(attention_party *party, const char *window_name);

/* Answers until every session has left. The party must stay where it is since ffn_party_make(). */
void ffn_party_run(ffn_party *party);

/* Sends all rounds of its session through all layers, compares every row that comes back with the model, and leaves. */
void attention_party_run(attention_party *party);

/* Random shape and traffic; the numbers of workers, the size of sync groups and the token type stay. */
void layer_case_draw(layer_case *c);

/* One line that says which case it is. */
void layer_case_print(const layer_case *c);

#endif
