/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline: events of several processes, and the file, read back with a JSON reader. */
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "cmocka_headers.h"
#include "run/timeline/timeline.h"
#include "small_model.h"

static const char *const names[] = { "attention \"0\"", "FFN\\1", "idle" };

static run_timeline made(uint64_t event_max)
{
    run_timeline timeline;
    run_failure failure;
    assert_true(run_timeline_create(&timeline, 3, event_max, &failure));
    return timeline;
}

static json_t *written(const run_timeline *timeline)
{
    char *text = NULL;
    size_t bytes = 0;
    json_error_t error;
    FILE *stream = open_memstream(&text, &bytes);
    assert_non_null(stream);
    assert_true(run_timeline_write(timeline, names, stream));
    assert_int_equal(fclose(stream), 0);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        fail_msg("%s in:\n%s", error.text, text);
    }
    free(text);
    return root;
}

static const json_t *event_at(const json_t *root, size_t number)
{
    return json_array_get(json_object_get(root, "traceEvents"), number);
}

static void check_slice(const json_t *event, const char *name, json_int_t worker, double begin, double duration)
{
    assert_string_equal(json_string_value(json_object_get(event, "ph")), "X");
    assert_string_equal(json_string_value(json_object_get(event, "name")), name);
    assert_int_equal(json_integer_value(json_object_get(event, "tid")), worker);
    assert_true(json_real_value(json_object_get(event, "ts")) == begin);
    assert_true(json_real_value(json_object_get(event, "dur")) == duration);
}

static void events_of_processes_come_out_as_slices(void **state)
{
    run_timeline timeline = made(10);
    int status = -1;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const run_event event = { 5000007, 5002512, AFD_STAGE_EXPERTS, AFD_MICRO_BATCH_ANY, -1, 0 };
        run_timeline_add(&timeline, 1, &event);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    const run_event first = { 5000000, 5000001, AFD_STAGE_DISPATCH, 2, 17, 0 };
    const run_event second = { 5001000, 5000900, AFD_STAGE_WAIT, AFD_MICRO_BATCH_ANY, 3, 0 }; /* a clock went back */
    run_timeline_add(&timeline, 0, &first);
    run_timeline_add(&timeline, 0, &second);
    json_t *root = written(&timeline);
    assert_int_equal(json_array_size(json_object_get(root, "traceEvents")), 2 * 3 + 3);
    for (size_t worker = 0; worker < 3; worker++) {
        const json_t *name = event_at(root, 2 * worker);
        assert_string_equal(json_string_value(json_object_get(name, "ph")), "M");
        assert_int_equal(json_integer_value(json_object_get(name, "tid")), worker);
        assert_string_equal(json_string_value(json_object_get(json_object_get(name, "args"), "name")), names[worker]);
    }
    check_slice(event_at(root, 6), "dispatch", 0, 0.0, 0.001);
    const json_t *arguments = json_object_get(event_at(root, 6), "args");
    assert_int_equal(json_integer_value(json_object_get(arguments, "micro_batch")), 2);
    assert_int_equal(json_integer_value(json_object_get(arguments, "layer")), 17);
    check_slice(event_at(root, 7), "wait", 0, 1.0, 0.0);
    arguments = json_object_get(event_at(root, 7), "args");
    assert_null(json_object_get(arguments, "micro_batch"));
    assert_int_equal(json_integer_value(json_object_get(arguments, "layer")), 3);
    check_slice(event_at(root, 8), "experts", 1, 0.007, 2.505);
    assert_int_equal(json_object_size(json_object_get(event_at(root, 8), "args")), 0);
    json_decref(root);
    run_timeline_destroy(&timeline);
}

static void a_full_track_counts_what_it_drops(void **state)
{
    run_timeline timeline = made(4);
    const run_event event = { 1, 2, AFD_STAGE_REPLY, 0, 0, 0 };
    (void)state;
    for (int i = 0; i < 7; i++) {
        run_timeline_add(&timeline, 1, &event);
    }
    assert_int_equal(run_timeline_dropped(&timeline, 0), 0);
    assert_int_equal(run_timeline_dropped(&timeline, 1), 3);
    assert_int_equal(run_timeline_dropped(&timeline, 2), 0); /* the neighbour's track is as it was */
    json_t *root = written(&timeline);
    assert_int_equal(json_array_size(json_object_get(root, "traceEvents")), 2 * 3 + 4);
    const json_t *note = json_object_get(event_at(root, 3), "args");
    assert_int_equal(json_integer_value(json_object_get(note, "dropped")), 3);
    json_decref(root);
    run_timeline_destroy(&timeline);
}

static void a_timeline_without_events_is_a_file_too(void **state)
{
    run_timeline timeline = made(0);
    (void)state;
    json_t *root = written(&timeline);
    assert_int_equal(json_array_size(json_object_get(root, "traceEvents")), 2 * 3);
    json_decref(root);
    run_timeline_destroy(&timeline);
    run_timeline_destroy(&timeline);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    run_timeline timeline;
    run_failure failure;
    (void)state;
    assert_false(run_timeline_create(&timeline, 0, 5, &failure));
    assert_string_equal(failure.text, "a timeline of 0 workers and 5 events each cannot be");
    assert_false(run_timeline_create(&timeline, 1, UINT64_MAX / 8, &failure));
    assert_string_equal(failure.text, "a timeline of 1 workers and 2305843009213693951 events each cannot be");
    assert_false(run_timeline_create(&timeline, UINT32_MAX, UINT64_C(1) << 34, &failure));
    assert_false(run_timeline_create(&timeline, 1, UINT64_C(1) << 50, &failure));
    assert_string_equal(failure.text, "cannot map 36028797018964032 bytes for the timeline: Cannot allocate memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_processes_come_out_as_slices),
        cmocka_unit_test(a_full_track_counts_what_it_drops),
        cmocka_unit_test(a_timeline_without_events_is_a_file_too),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
