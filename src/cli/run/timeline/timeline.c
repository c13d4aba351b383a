/* SPDX-License-Identifier: Apache-2.0 */
#include "run/timeline/timeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <jansson.h>

/* Of one worker, which alone writes it. */
typedef struct track {
    alignas(64) atomic_uint_least64_t event_num;
    atomic_uint_least64_t dropped_num;
    run_event events[];
} track;

static track *track_of(const run_timeline *timeline, uint32_t worker)
{
    return (track *)(void *)((char *)timeline->mapping + worker * timeline->track_bytes);
}

bool run_timeline_create(run_timeline *timeline, uint32_t worker_num, uint64_t event_max, run_failure *failure)
{
    size_t event_bytes = 0;
    size_t track_bytes = 0;
    size_t bytes = 0;
    if (worker_num == 0 || __builtin_mul_overflow(event_max, sizeof(run_event), &event_bytes) ||
        __builtin_add_overflow(event_bytes, sizeof(track) + alignof(track) - 1, &track_bytes) ||
        __builtin_mul_overflow(track_bytes / alignof(track) * alignof(track), worker_num, &bytes)) {
        return run_fail(failure, "a timeline of %" PRIu32 " workers and %" PRIu64 " events each cannot be",
                        worker_num, event_max);
    }
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) {
        return run_fail(failure, "cannot map %zu bytes for the timeline: %s", bytes, strerror(errno));
    }
    *timeline = (run_timeline){
        .mapping = mapping,
        .mapping_bytes = bytes,
        .track_bytes = track_bytes / alignof(track) * alignof(track),
        .worker_num = worker_num,
        .event_max = event_max,
    };
    return true;
}

void run_timeline_destroy(run_timeline *timeline)
{
    if (timeline->mapping != NULL) {
        (void)munmap(timeline->mapping, timeline->mapping_bytes);
        timeline->mapping = NULL;
    }
}

void run_timeline_add(run_timeline *timeline, uint32_t worker, const run_event *event)
{
    track *own = track_of(timeline, worker);
    /* Relaxed: this worker alone writes both numbers. */
    uint64_t num = atomic_load_explicit(&own->event_num, memory_order_relaxed);
    if (num >= timeline->event_max) {
        uint64_t dropped = atomic_load_explicit(&own->dropped_num, memory_order_relaxed);
        atomic_store_explicit(&own->dropped_num, dropped + 1, memory_order_relaxed);
        return;
    }
    own->events[num] = *event;
    /* R, meets events_of(): the event is there when it is counted. */
    atomic_store_explicit(&own->event_num, num + 1, memory_order_release);
}

uint64_t run_timeline_dropped(const run_timeline *timeline, uint32_t worker)
{
    return atomic_load_explicit(&track_of(timeline, worker)->dropped_num, memory_order_relaxed);
}

static uint64_t events_of(const run_timeline *timeline, uint32_t worker)
{
    /* A, meets run_timeline_add(): what is counted may be read, also of a worker that runs or was killed. */
    return atomic_load_explicit(&track_of(timeline, worker)->event_num, memory_order_acquire);
}

const char *run_stage_name(uint32_t stage)
{
    static const char *const names[AFD_STAGE_NUM] = {
        [AFD_STAGE_DISPATCH] = "dispatch", [AFD_STAGE_SCHEDULE] = "schedule", [AFD_STAGE_BATCH] = "batch",
        [AFD_STAGE_EXPERTS] = "experts",   [AFD_STAGE_REPLY] = "reply",       [AFD_STAGE_WAIT] = "wait",
        [AFD_STAGE_COMBINE] = "combine",
    };
    return stage < AFD_STAGE_NUM ? names[stage] : "unknown";
}

/* The first event of all: a viewer shows microseconds, and those since boot would be hard to read. */
static uint64_t first_ns(const run_timeline *timeline)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t worker = 0; worker < timeline->worker_num; worker++) {
        const run_event *events = track_of(timeline, worker)->events;
        uint64_t num = events_of(timeline, worker);
        for (uint64_t i = 0; i < num; i++) {
            first = events[i].begin_ns < first ? events[i].begin_ns : first;
        }
    }
    return first;
}

static void write_microseconds(uint64_t ns, FILE *stream)
{
    (void)fprintf(stream, "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
}

static bool write_track_name(const run_timeline *timeline, uint32_t worker, const char *name, FILE *stream)
{
    json_t *string = json_string(name); /* NULL, too, for what is not UTF-8 */
    char *quoted = json_dumps(string, JSON_ENCODE_ANY);
    if (quoted != NULL) {
        (void)fprintf(stream,
                      "%s\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":%" PRIu32
                      ",\"args\":{\"name\":%s}},"
                      "\n{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":1,\"tid\":%" PRIu32
                      ",\"args\":{\"sort_index\":%" PRIu32 ",\"dropped\":%" PRIu64 "}}",
                      worker == 0 ? "" : ",", worker, quoted, worker, worker, run_timeline_dropped(timeline, worker));
    }
    free(quoted);
    json_decref(string);
    return quoted != NULL;
}

static void write_event(const run_event *event, uint32_t worker, uint64_t origin_ns, FILE *stream)
{
    (void)fprintf(stream, ",\n{\"ph\":\"X\",\"name\":\"%s\",\"pid\":1,\"tid\":%" PRIu32 ",\"ts\":",
                  run_stage_name(event->stage), worker);
    write_microseconds(event->begin_ns - origin_ns, stream);
    (void)fputs(",\"dur\":", stream);
    write_microseconds(event->end_ns > event->begin_ns ? event->end_ns - event->begin_ns : 0, stream);
    (void)fputs(",\"args\":{", stream);
    if (event->micro_batch != AFD_MICRO_BATCH_ANY) {
        (void)fprintf(stream, "\"micro_batch\":%" PRIu32 "%s", event->micro_batch, event->layer >= 0 ? "," : "");
    }
    if (event->layer >= 0) {
        (void)fprintf(stream, "\"layer\":%" PRId32, event->layer);
    }
    (void)fputs("}}", stream);
}

bool run_timeline_write(const run_timeline *timeline, const char *const *names, FILE *stream)
{
    uint64_t origin_ns = first_ns(timeline);
    (void)fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", stream);
    for (uint32_t worker = 0; worker < timeline->worker_num; worker++) {
        if (!write_track_name(timeline, worker, names[worker], stream)) {
            return false;
        }
    }
    for (uint32_t worker = 0; worker < timeline->worker_num; worker++) {
        const run_event *events = track_of(timeline, worker)->events;
        uint64_t num = events_of(timeline, worker);
        for (uint64_t i = 0; i < num; i++) {
            /* One that was added since the origin was looked for has begun after it, on this worker's clock. */
            write_event(&events[i], worker, events[i].begin_ns < origin_ns ? events[i].begin_ns : origin_ns, stream);
        }
    }
    (void)fputs("\n]}\n", stream);
    return true;
}
