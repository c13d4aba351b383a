/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

void doctor_add(doctor_facts *facts, const char *section, const char *name, const char *note, const char *advice,
                const char *format, ...)
{
    if (facts->num == facts->capacity) {
        facts->capacity = facts->capacity * 2 + 16;
        facts->facts = afd_cli_realloc(facts->facts, facts->capacity, sizeof(*facts->facts));
    }
    char *value = afd_cli_alloc(1, DOCTOR_TEXT_MAX);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value, DOCTOR_TEXT_MAX, format, arguments);
    va_end(arguments);
    facts->facts[facts->num++] = (doctor_fact){ section, name, value, note, advice };
}

void doctor_facts_free(doctor_facts *facts)
{
    for (size_t i = 0; i < facts->num; i++) {
        free(facts->facts[i].value);
    }
    free(facts->facts);
}

bool doctor_read_line(const char *path, char text[DOCTOR_TEXT_MAX])
{
    FILE *file = fopen(path, "re");
    text[0] = '\0';
    if (file == NULL) {
        return false;
    }
    bool good = fgets(text, DOCTOR_TEXT_MAX, file) != NULL;
    (void)fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return good;
}

/* The value in "key<blanks>: value" if the line begins with this very key. */
static const char *value_of(const char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0) {
        return NULL;
    }
    const char *rest = line + length + strspn(line + length, " \t");
    return *rest == ':' ? rest + 1 + strspn(rest + 1, " ") : NULL;
}

bool doctor_read_cpuinfo(const char *key, const char *other_key, char *text, size_t text_bytes)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL;
    size_t line_bytes = 0;
    bool found = false;
    text[0] = '\0';
    while (file != NULL && !found && getline(&line, &line_bytes, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        const char *value = value_of(line, key);
        value = value != NULL ? value : value_of(line, other_key);
        found = value != NULL;
        if (found) {
            (void)snprintf(text, text_bytes, "%s", value);
        }
    }
    free(line);
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}
