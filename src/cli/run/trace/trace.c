/* SPDX-License-Identifier: Apache-2.0 */
#include "run/trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "out.h"

/* One line that counts; `number` says where its ids and weights stand among those read. */
typedef struct record {
    uint32_t layer;
    uint32_t token;
    uint64_t line;
    size_t number;
} record;

typedef struct reader {
    const char *path;
    const run_model *model;
    uint32_t layer_num;
    run_failure *failure;
    uint64_t line;
    record *records;
    int32_t *experts; /* [capacity][top_k], in the order of lines */
    float *weights;
    size_t record_num;
    size_t capacity;
} reader;

__attribute__((format(printf, 2, 3))) static bool fail_at(reader *read, const char *format, ...)
{
    char what[RUN_FAILURE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    return run_fail(read->failure, "%.140s:%" PRIu64 ": %s", read->path, read->line, what);
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = { "an object", "an array", "a string", "an integer",
                                         "a real number", "true", "false", "null" };
    return value == NULL ? "missing" : names[json_typeof(value)];
}

static bool take_number(reader *read, const json_t *value, const char *name, uint32_t limit, uint32_t *number)
{
    if (!json_is_integer(value)) {
        return fail_at(read, "%s is %s, must be an integer in [0, %" PRIu32 ")", name, type_name(value), limit);
    }
    json_int_t wide = json_integer_value(value);
    if (wide < 0 || wide >= (json_int_t)limit) {
        return fail_at(read, "%s is %" JSON_INTEGER_FORMAT ", must be in [0, %" PRIu32 ")", name, wide, limit);
    }
    *number = (uint32_t)wide;
    return true;
}

static bool take_array(reader *read, const json_t *object, const char *name, const json_t **array)
{
    *array = json_object_get(object, name);
    if (!json_is_array(*array)) {
        return fail_at(read, "%s is %s, must be an array of %" PRIu32, name, type_name(*array), read->model->top_k);
    }
    if (json_array_size(*array) != read->model->top_k) {
        return fail_at(read, "%s has %zu entries, must have the model's top-k of %" PRIu32, name,
                       json_array_size(*array), read->model->top_k);
    }
    return true;
}

static bool take_experts(reader *read, const json_t *object, int32_t *experts)
{
    const json_t *array = NULL;
    if (!take_array(read, object, "experts", &array)) {
        return false;
    }
    for (uint32_t k = 0; k < read->model->top_k; k++) {
        char name[32];
        uint32_t expert = 0;
        (void)snprintf(name, sizeof(name), "experts[%" PRIu32 "]", k);
        if (!take_number(read, json_array_get(array, k), name, read->model->routed_expert_num, &expert)) {
            return false;
        }
        for (uint32_t earlier = 0; earlier < k; earlier++) {
            if (experts[earlier] == (int32_t)expert) {
                return fail_at(read, "%s is %" PRIu32 " as experts[%" PRIu32 "] is, must be another", name, expert,
                               earlier);
            }
        }
        experts[k] = (int32_t)expert;
    }
    return true;
}

static bool take_weights(reader *read, const json_t *object, float *weights)
{
    const json_t *array = NULL;
    if (!take_array(read, object, "weights", &array)) {
        return false;
    }
    for (uint32_t k = 0; k < read->model->top_k; k++) {
        const json_t *entry = json_array_get(array, k);
        double weight = json_number_value(entry);
        if (!json_is_number(entry)) {
            return fail_at(read, "weights[%" PRIu32 "] is %s, must be a number in [0, %d]", k, type_name(entry),
                           RUN_TRACE_WEIGHT_MAX);
        }
        if (!(weight >= 0.0 && weight <= RUN_TRACE_WEIGHT_MAX)) {
            return fail_at(read, "weights[%" PRIu32 "] is %g, must be in [0, %d]", k, weight, RUN_TRACE_WEIGHT_MAX);
        }
        weights[k] = (float)weight;
    }
    return true;
}

static void make_room(reader *read)
{
    size_t top_k = read->model->top_k;
    if (read->record_num < read->capacity) {
        return;
    }
    read->capacity = read->capacity == 0 ? 1024 : read->capacity * 2;
    read->records = afd_cli_realloc(read->records, read->capacity, sizeof(*read->records));
    read->experts = afd_cli_realloc(read->experts, read->capacity, top_k * sizeof(*read->experts));
    read->weights = afd_cli_realloc(read->weights, read->capacity, top_k * sizeof(*read->weights));
}

static bool take_object(reader *read, const json_t *object)
{
    record taken = { .line = read->line, .number = read->record_num };
    if (!json_is_object(object)) {
        return fail_at(read, "the line is %s, must be an object", type_name(object));
    }
    make_room(read);
    size_t at = read->record_num * read->model->top_k;
    bool good = take_number(read, json_object_get(object, "layer"), "layer", read->model->moe_layers, &taken.layer) &&
                take_number(read, json_object_get(object, "token"), "token", RUN_TRACE_TOKEN_MAX, &taken.token) &&
                take_experts(read, object, &read->experts[at]) && take_weights(read, object, &read->weights[at]);
    /* Layers that this run leaves out are checked all the same. */
    if (good && taken.layer < read->layer_num) {
        read->records[read->record_num++] = taken;
    }
    return good;
}

static bool take_line(reader *read, const char *text, size_t length)
{
    if (strspn(text, " \t\r\n") == length) {
        return true;
    }
    json_error_t error;
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (object == NULL) {
        return fail_at(read, "is no JSON: %s at column %d", error.text, error.column);
    }
    bool good = take_object(read, object);
    json_decref(object);
    return good;
}

static bool take_lines(reader *read, FILE *file)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length = 0;
    bool good = true;
    errno = 0;
    while (good && (length = getline(&text, &room, file)) >= 0) {
        read->line++;
        good = take_line(read, text, (size_t)length);
    }
    if (good && !feof(file)) {
        good = run_fail(read->failure, "cannot read %s: %s", read->path, strerror(errno));
    }
    free(text);
    return good;
}

static int compare_records(const void *a, const void *b)
{
    const record *left = a;
    const record *right = b;
    if (left->layer != right->layer) {
        return left->layer < right->layer ? -1 : 1;
    }
    if (left->token != right->token) {
        return left->token < right->token ? -1 : 1;
    }
    return left->line < right->line ? -1 : left->line > right->line;
}

/* In order, the records are a table without gaps: layer by layer, token by token. */
static bool check_complete(reader *read, uint32_t *token_num)
{
    uint32_t last_token = 0;
    if (read->record_num == 0) {
        return run_fail(read->failure, "%s has no tokens for the layers [0, %" PRIu32 ")", read->path,
                        read->layer_num);
    }
    qsort(read->records, read->record_num, sizeof(*read->records), compare_records);
    for (size_t i = 0; i < read->record_num; i++) {
        const record *here = &read->records[i];
        last_token = here->token > last_token ? here->token : last_token;
        if (i > 0 && here->layer == here[-1].layer && here->token == here[-1].token) {
            read->line = here->line;
            return fail_at(read, "layer %" PRIu32 " token %" PRIu32 " stands at line %" PRIu64 " already",
                           here->layer, here->token, here[-1].line);
        }
    }
    *token_num = last_token + 1;
    for (size_t i = 0; i < (size_t)read->layer_num * *token_num; i++) {
        uint32_t layer = (uint32_t)(i / *token_num);
        uint32_t token = (uint32_t)(i % *token_num);
        if (i >= read->record_num || read->records[i].layer != layer || read->records[i].token != token) {
            return run_fail(read->failure, "%s has no line for layer %" PRIu32 " token %" PRIu32 "; it needs %" PRIu32
                            " tokens in each of %" PRIu32 " layers", read->path, layer, token, *token_num,
                            read->layer_num);
        }
    }
    return true;
}

static void lay_out(const reader *read, uint32_t token_num, run_trace *trace)
{
    size_t top_k = read->model->top_k;
    *trace = (run_trace){
        .layer_num = read->layer_num,
        .token_num = token_num,
        .top_k = read->model->top_k,
        .experts = afd_cli_alloc(read->record_num * top_k, sizeof(int32_t)),
        .weights = afd_cli_alloc(read->record_num * top_k, sizeof(float)),
    };
    for (size_t i = 0; i < read->record_num; i++) {
        size_t from = read->records[i].number * top_k;
        memcpy(&trace->experts[i * top_k], &read->experts[from], top_k * sizeof(int32_t));
        memcpy(&trace->weights[i * top_k], &read->weights[from], top_k * sizeof(float));
    }
}

bool run_trace_read(run_trace *trace, const char *path, const run_model *model, uint32_t layer_num,
                    run_failure *failure)
{
    reader read = { .path = path, .model = model, .layer_num = layer_num, .failure = failure };
    uint32_t token_num = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return run_fail(failure, "cannot open %s: %s", path, strerror(errno));
    }
    bool good = take_lines(&read, file) && check_complete(&read, &token_num);
    if (good) {
        lay_out(&read, token_num, trace);
    }
    (void)fclose(file);
    free(read.records);
    free(read.experts);
    free(read.weights);
    return good;
}

void run_trace_destroy(run_trace *trace)
{
    free(trace->experts);
    free(trace->weights);
    trace->experts = NULL;
    trace->weights = NULL;
}

void run_trace_route(const run_trace *trace, uint32_t layer, uint64_t token, int32_t *experts, float *weights)
{
    size_t row = (size_t)layer * trace->token_num + (size_t)(token % trace->token_num);
    memcpy(experts, &trace->experts[row * trace->top_k], trace->top_k * sizeof(*experts));
    memcpy(weights, &trace->weights[row * trace->top_k], trace->top_k * sizeof(*weights));
}
