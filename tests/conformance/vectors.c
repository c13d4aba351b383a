/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t vector_number(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t vector_hash(const void *bytes, size_t byte_num)
{
    const uint8_t *at = bytes;
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < byte_num; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001B3);
    }
    return hash;
}

/* A field of the context: where it is and how many bytes it has. */
typedef struct field_place {
    const char *field;
    size_t offset;
    size_t bytes;
    bool is_address;
} field_place;

static const field_place places[] = {
    { "common.session_num", 0, 4, false },
    { "common.micro_batch_num", 4, 4, false },
    { "common.micro_batch_size", 8, 4, false },
    { "common.selected_expert_num", 12, 4, false },
    { "common.expert_num", 16, 4, false },
    { "common.attn_to_ffn_token_size", 20, 4, false },
    { "common.ffn_to_attn_token_size", 24, 4, false },
    { "common.schedule_mode", 28, 4, false },
    { "control.run_flag", 128, 4, false },
    { "attention.token_info_buf", 256, 8, true },
    { "attention.token_info_buf_size", 264, 8, false },
    { "attention.token_data_buf", 272, 8, true },
    { "attention.token_data_buf_size", 280, 8, false },
    { "attention.micro_batch_id", 288, 4, false },
    { "ffn.token_info_buf", 384, 8, true },
    { "ffn.token_info_buf_size", 392, 8, false },
    { "ffn.token_data_buf", 400, 8, true },
    { "ffn.token_data_buf_size", 408, 8, false },
    { "ffn.polling_index", 416, 8, false },
    { "ffn.layer_ids_buf", 512, 8, true },
    { "ffn.layer_ids_buf_size", 520, 8, false },
    { "ffn.session_ids_buf", 528, 8, true },
    { "ffn.session_ids_buf_size", 536, 8, false },
    { "ffn.micro_batch_ids_buf", 544, 8, true },
    { "ffn.micro_batch_ids_buf_size", 552, 8, false },
    { "ffn.expert_ids_buf", 560, 8, true },
    { "ffn.expert_ids_buf_size", 568, 8, false },
    { "ffn.out_num", 576, 4, false },
};

enum { PLACE_NUM = sizeof(places) / sizeof(places[0]) };

uint64_t vector_context_hash(const uint8_t context[1024])
{
    uint8_t copy[1024];
    memcpy(copy, context, sizeof(copy));
    for (size_t i = 0; i < PLACE_NUM; i++) {
        if (places[i].is_address) {
            memset(copy + places[i].offset, 0, places[i].bytes);
        }
    }
    return vector_hash(copy, sizeof(copy));
}

void vector_fill_context(uint8_t context[1024], uint64_t seed)
{
    for (uint64_t i = 0; i < 128; i++) {
        uint64_t number = vector_number(seed, i);
        memcpy(context + 8 * i, &number, sizeof(number));
    }
}

int32_t vector_not_ready(uint64_t number)
{
    static const int32_t flags[8] = { 0, 0, 0, 2, -1, 256, 0x7F7F7F7F, INT32_MIN + 1 };
    return flags[number % 8];
}

bool vector_set_field(uint8_t context[1024], const char *field, uint64_t value)
{
    for (size_t i = 0; i < PLACE_NUM; i++) {
        if (strcmp(places[i].field, field) == 0) {
            memcpy(context + places[i].offset, &value, places[i].bytes); /* little-endian: the low bytes */
            return true;
        }
    }
    return false;
}

_Noreturn static void end_because(const char *what, const char *which)
{
    (void)fprintf(stderr, "broken vectors: %s %s\n", what, which);
    exit(2);
}

int64_t vector_int(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    if (json_is_boolean(value)) {
        return json_is_true(value);
    }
    if (!json_is_integer(value)) {
        end_because("no integer", key);
    }
    return json_integer_value(value);
}

const char *vector_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    if (text == NULL) {
        end_because("no string", key);
    }
    return text;
}

uint64_t vector_u64(const json_t *json, const char *key)
{
    const char *text = vector_text(json, key);
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != '\0') {
        end_because("no number", key);
    }
    return value;
}

const json_t *vector_list(const json_t *json, const char *key)
{
    const json_t *list = json_object_get(json, key);
    if (!json_is_array(list)) {
        end_because("no list", key);
    }
    return list;
}

size_t vector_each_line(const char *path, void (*each)(const json_t *json, void *arg), void *arg)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    size_t line_num = 0;
    if (file == NULL) {
        end_because("cannot open", path);
    }
    while (getline(&line, &room, file) > 0) {
        json_error_t error;
        json_t *json = json_loads(line, 0, &error);
        if (json == NULL) {
            end_because("a line that is not JSON:", error.text);
        }
        each(json, arg);
        json_decref(json);
        line_num++;
    }
    free(line);
    (void)fclose(file);
    return line_num;
}
