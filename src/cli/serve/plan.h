/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker makes of its options before it meets anybody: the traffic, where the experts are, their weights. Two
 * workers that were told the same make the same. */
#ifndef AFD_CLI_SERVE_PLAN_H
#define AFD_CLI_SERVE_PLAN_H

#include <jansson.h>

#include "afd/context.h"

#include "run/placement.h"
#include "run/stages/stages.h"
#include "run/traffic.h"
#include "run/weights/weights.h"
#include "secret.h"
#include "serve/options.h"

typedef struct serve_plan {
    serve_options options;
    afd_shape shape;
    run_router router;
    run_traffic traffic;
    run_placement placement;
    run_weights weights;    /* without a pool where the experts are cheap ones */
    run_stage_table *stages;
    run_stage_watch watch;  /* for afd_stage_observer */
    afd_cli_secret secret;    /* of no bytes where no file was given */
} serve_plan;

/* plan->options are there, the rest is zeroed. False, with a sentence on stderr, if the token cannot be read or there
 * is no memory. Ends with
 * serve_plan_destroy(), whatever it returned, which does not free the options. */
bool serve_plan_create(serve_plan *plan);
void serve_plan_destroy(serve_plan *plan);

/* What its windows are, on stdout: model, weights, workers, scheduling. */
void serve_plan_print(const serve_plan *plan);

/* The same as JSON. */
json_t *serve_plan_json(const serve_plan *plan);

/* What the library is to be told of meeting others, on either side; the caller fills in the rest. */
afd_member_options serve_plan_member_options(const serve_plan *plan);

/* Says on stderr if a dead owner had left a window of that name. */
void serve_plan_note_window(const serve_plan *plan, const afd_window *window);

#endif
