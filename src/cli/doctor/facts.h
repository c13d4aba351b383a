/* SPDX-License-Identifier: Apache-2.0 */
/* What `afd doctor` finds: facts in sections, each with a sentence, and with advice where something is unfavourable. */
#ifndef AFD_CLI_DOCTOR_FACTS_H
#define AFD_CLI_DOCTOR_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct doctor_fact {
    const char *section; /* static memory, as name, note and advice */
    const char *name;
    char *value;
    const char *note;    /* what it means */
    const char *advice;  /* what to do; NULL where all is well */
} doctor_fact;

typedef struct doctor_facts {
    doctor_fact *facts;
    size_t num;
    size_t capacity;
} doctor_facts;

/* Adds one; the value is printed as printf would, the rest is kept as it is. */
__attribute__((format(printf, 6, 7))) void doctor_add(doctor_facts *facts, const char *section, const char *name,
                                                      const char *note, const char *advice, const char *format, ...);

void doctor_facts_free(doctor_facts *facts);

enum { DOCTOR_TEXT_MAX = 256 };

/* The first line of a small file, without its end; false, and an empty text, where it cannot be read. */
bool doctor_read_line(const char *path, char text[DOCTOR_TEXT_MAX]);

/* The value of the first "KEY : value" line of /proc/cpuinfo with one of two keys (machines name them differently). */
bool doctor_read_cpuinfo(const char *key, const char *other_key, char *text, size_t text_bytes);

/* The probes, one a section or two. */
void doctor_probe_cpu(doctor_facts *facts);
void doctor_probe_memory(doctor_facts *facts);
void doctor_probe_time(doctor_facts *facts);
void doctor_probe_settings(doctor_facts *facts);

#endif
