/* SPDX-License-Identifier: Apache-2.0 */
/* What README.md of this folder says about making a case's input: the generator, the hash, the fields of a context. */
#ifndef VECTORS_H
#define VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* The i-th number, from 0, that splitmix64 gives when it starts at `seed`. */
uint64_t vector_number(uint64_t seed, uint64_t i);

/* FNV-1a with 64 bits. */
uint64_t vector_hash(const void *bytes, size_t byte_num);

/* The hash of a context with its eight addresses taken for 0. */
uint64_t vector_context_hash(const uint8_t context[1024]);

/* The known junk that a context holds before its fields are written: number i of `seed` in its i-th 8 bytes. */
void vector_fill_context(uint8_t context[1024], uint64_t seed);

/* The flag of something that is not ready, chosen by a random number. */
int32_t vector_not_ready(uint64_t number);

/* Writes an integer into the context field of that name; false if there is no such field. */
bool vector_set_field(uint8_t context[1024], const char *field, uint64_t value);

/* Members of a case. A missing one, or one of another type, ends the program: the file is then broken. */
int64_t vector_int(const json_t *json, const char *key);
uint64_t vector_u64(const json_t *json, const char *key); /* from a string, decimal or hexadecimal */
const char *vector_text(const json_t *json, const char *key);
const json_t *vector_list(const json_t *json, const char *key);

/* Calls each(json, arg) for every line of a file; the number of lines. */
size_t vector_each_line(const char *path, void (*each)(const json_t *json, void *arg), void *arg);

#endif
