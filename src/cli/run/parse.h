/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the options that verbs with workers have in common. Each of these returns false, and has said as a usage
 * error of `verb` what is wrong, where the value cannot be meant; what it would have written is not written then.
 */
#ifndef AFD_CLI_RUN_PARSE_H
#define AFD_CLI_RUN_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/wait.h"

#include "run/model.h"

/* Bounds that keep a slip of the finger from asking for terabytes; the library itself has no such bounds. */
enum { RUN_SESSIONS_MAX = 1024, RUN_FFN_MAX = 256, RUN_MICRO_BATCHES_MAX = 64, RUN_BATCH_MAX = 4096 };
#define RUN_STEPS_MAX UINT64_C(1000000000)

/* A whole number in [min, max]. */
bool run_parse_number(const char *verb, const char *option, const char *text, uint64_t min, uint64_t max,
                      uint64_t *number);
bool run_parse_u32(const char *verb, const char *option, const char *text, uint32_t min, uint32_t max,
                   uint32_t *number);

/* One of `word_num` >= 2 words; *index becomes which. */
bool run_parse_word(const char *verb, const char *option, const char *text, const char *const *words, uint32_t word_num,
                    uint32_t *index);

bool run_parse_model(const char *verb, const char *text, const run_model **model);
bool run_parse_wait(const char *verb, const char *text, afd_wait_strategy *strategy);
bool run_parse_verify(const char *verb, const char *text, bool *is_full);

/* Whole seconds, at least one and at most a day, as nanoseconds. */
bool run_parse_seconds(const char *verb, const char *option, const char *text, uint64_t *ns);

/* A number of sessions, or "all", for which 0 stands until run_settle_sync_group(). */
bool run_parse_sync_group(const char *verb, const char *text, uint32_t *group_size);

/* A whole number and a unit, "512MiB"; or "full", which is RUN_WEIGHTS_FULL. */
bool run_parse_weights(const char *verb, const char *text, uint64_t *bytes);

/* What depends on more than one option: 0 layers are all of the model's; the group divides the sessions, whose option
 * has the name `sessions`. */
bool run_settle_layers(const char *verb, const run_model *model, uint32_t *layer_num);
bool run_settle_ffn(const char *verb, const run_model *model, uint32_t ffn_num);
bool run_settle_sync_group(const char *verb, const char *sessions, uint32_t session_num, uint32_t *group_size);

#endif
