/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/events.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "out.h"

typedef struct kind_words {
    const char *did;  /* what the peer did, or what was done to it; NULL: the event's own sentence says everything */
    const char *name; /* in the summary; NULL: that side has none of the kind */
} kind_words;

static const kind_words of_ffn[SERVE_EVENT_NUM] = {
    [AFD_EVENT_JOINED] = { "joined", "joined" },
    [AFD_EVENT_LEFT] = { "left", "left" },
    [AFD_EVENT_DROPPED] = { "was dropped", "dropped" },
    [AFD_EVENT_REJOINED] = { "joined again", "rejoined" },
    [AFD_EVENT_REFUSED] = { NULL, "refused" },
    [AFD_EVENT_WILD_ID] = { NULL, "wild" },
    [AFD_EVENT_LATE] = { "is late", "late" },
};

static const kind_words of_attention[SERVE_EVENT_NUM] = {
    [AFD_EVENT_JOINED] = { NULL, "joined" },
    [AFD_EVENT_DROPPED] = { "dropped this session", "dropped" },
    [AFD_EVENT_REJOINED] = { NULL, "rejoined" },
    [AFD_EVENT_LOST] = { "is lost", "lost" },
    [AFD_EVENT_DRAINING] = { "is about to end", "draining" },
    [AFD_EVENT_RETURNED] = { "is there again", "returned" },
};

static const kind_words *words_of(serve_side side)
{
    return side == SERVE_FFN ? of_ffn : of_attention;
}

/* A line that grows; what does not fit is cut off. */
typedef struct line {
    char text[512];
    size_t length;
} line;

__attribute__((format(printf, 2, 3))) static void append(line *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to->text + to->length, sizeof(to->text) - to->length, format, arguments);
    va_end(arguments);
    to->length += length > 0 ? (size_t)length : 0;
    to->length = to->length < sizeof(to->text) ? to->length : sizeof(to->text) - 1;
}

/* Who it was about, and what it was at: of somebody who is late or gone. */
static void append_circumstances(line *to, const afd_event *event)
{
    if (event->reason != AFD_DROP_NONE) {
        append(to, ": %s", afd_drop_reason_text(event->reason));
    }
    if (event->micro_batch != AFD_MICRO_BATCH_ANY) {
        append(to, ", micro-batch %" PRIu32, event->micro_batch);
        if (event->layer_id >= 0) {
            append(to, " of layer %" PRId32, event->layer_id);
        }
    }
    append(to, ", silent for %.1f s", (double)event->silent_ns / 1e9);
}

static bool is_trouble(const afd_event *event)
{
    return event->kind == AFD_EVENT_DROPPED || event->kind == AFD_EVENT_LOST || event->kind == AFD_EVENT_LATE;
}

static void append_peer(line *to, const serve_events *events, const afd_event *event)
{
    if (events->side == SERVE_FFN) {
        append(to, "session %" PRIu32, event->peer);
    } else {
        append(to, "FFN worker %" PRIu32 " %s", event->peer, events->names[event->peer]);
    }
    if (event->pid != 0) {
        append(to, " (process %" PRIu32, event->pid);
        if (event->host != NULL) {
            append(to, " of %s", event->host);
        }
        append(to, ")");
    }
}

void serve_events_observe(void *arg, const afd_event *event)
{
    serve_events *events = arg;
    line to = { .length = 0 };
    if ((unsigned)event->kind >= SERVE_EVENT_NUM) {
        return;
    }
    const char *did = words_of(events->side)[event->kind].did;
    events->nums[event->kind]++;
    if (did == NULL) {
        afd_cli_note(serve_verb(events->side), "%s", event->text);
        return;
    }
    append_peer(&to, events, event);
    append(&to, " %s", did);
    if (is_trouble(event)) {
        append_circumstances(&to, event);
    }
    afd_cli_note(serve_verb(events->side), "%s", to.text);
}

void serve_events_print(const serve_events *events)
{
    const kind_words *words = words_of(events->side);
    const char *before = "";
    for (int kind = 0; kind < SERVE_EVENT_NUM; kind++) {
        if (words[kind].name != NULL) {
            (void)printf("%s%" PRIu64 " %s", before, events->nums[kind], words[kind].name);
            before = ", ";
        }
    }
    (void)printf("\n");
}

json_t *serve_events_json(const serve_events *events)
{
    const kind_words *words = words_of(events->side);
    json_t *object = json_object();
    for (int kind = 0; kind < SERVE_EVENT_NUM; kind++) {
        if (words[kind].name != NULL) {
            afd_cli_json_set(object, words[kind].name, afd_cli_json_u64(events->nums[kind]));
        }
    }
    return object;
}
