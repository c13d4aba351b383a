/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker is told of its peers: a line each on stderr, and counted for the summary. */
#ifndef AFD_CLI_SERVE_EVENTS_H
#define AFD_CLI_SERVE_EVENTS_H

#include <jansson.h>

#include "afd/member.h"

#include "serve/options.h"

enum { SERVE_EVENT_NUM = AFD_EVENT_RETURNED + 1 };

typedef struct serve_events {
    serve_side side;
    const char *const *names;       /* attention: of the FFN workers, by rank */
    uint64_t nums[SERVE_EVENT_NUM]; /* by afd_event_kind */
} serve_events;

/* An afd_event_observer with a serve_events as its argument. */
void serve_events_observe(void *events, const afd_event *event);

/* "joined 2, left 1, dropped 1": those of a side that matter; on stdout, with a final newline. */
void serve_events_print(const serve_events *events);

/* An object with a number for each of them. */
json_t *serve_events_json(const serve_events *events);

#endif
