/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the afd program talks: results alone on stdout, notes and errors on stderr as "afd VERB: sentence", and the same
 * exit codes for all verbs.
 */
#ifndef AFD_CLI_OUT_H
#define AFD_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "afd/status.h"

enum {
    AFD_EXIT_DONE = 0,
    AFD_EXIT_NO = 1,          /* the answer is no, or a check failed */
    AFD_EXIT_USAGE = 2,       /* what was typed cannot be meant */
    AFD_EXIT_REFUSED = 3,     /* the system or the window refused */
    AFD_EXIT_DIED = 4,        /* a worker died */
    AFD_EXIT_INTERRUPTED = 130
};

/* Prints the error's sentence. `verb` may be NULL, for the program itself: "afd: sentence". */
void afd_cli_error(const char *verb, const afd_error *error);

/* The same about something that has a name, which is put before a sentence that does not say it. */
void afd_cli_error_about(const char *verb, const char *subject, const afd_error *error);

/* The exit code for an error of the library: AFD_EXIT_USAGE where an argument was wrong, else AFD_EXIT_REFUSED. */
int afd_cli_exit_code(afd_status status);

/* Prints a sentence on stderr. */
__attribute__((format(printf, 2, 3))) void afd_cli_note(const char *verb, const char *format, ...);

/* The same about what was typed, with a pointer to the verb's help; returns AFD_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int afd_cli_usage(const char *verb, const char *format, ...);

/*
 * The usage error for an option that getopt_long() refused, with its result '?' or ':'. Parse with opterr = 0 and an
 * option string that begins with ':'; `val` of an option is its short letter, or a number from 0x100 on.
 */
int afd_cli_usage_option(const char *verb, int result, char **argv);

enum { AFD_CLI_GO_ON = -1 };

/*
 * The options of a verb that has --json and --help and no others: AFD_CLI_GO_ON with *json set where it was given and
 * optind at what follows; else the exit code, for a help that was printed or an option that there is not.
 */
int afd_cli_parse_json_option(const char *verb, const char *help, int argc, char **argv, bool *json);

/* The number in `text`, decimal digits alone, in [min, max]; false, and *value left as it was, if it is none. */
bool afd_cli_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Prints a value on stdout, indented, keys in the order in which they were added, and drops the reference. */
int afd_cli_print_json(json_t *value);

/*
 * Put a new value into an object or an array, which takes the reference. As with afd_cli_alloc(), they return only when
 * it is there. Container and value may be NULL for want of memory, so what makes them needs no check of its own.
 */
void afd_cli_json_set(json_t *object, const char *key, json_t *value);
void afd_cli_json_append(json_t *array, json_t *value);

/* A string value; null where the text is not UTF-8, as a file's path may be. */
json_t *afd_cli_json_text(const char *text);

/* An integer value; a string where it does not fit the signed 64 bits of JSON readers. */
json_t *afd_cli_json_u64(uint64_t value);

/* Whether colours may be used on the stream: a terminal, TERM is not "dumb", and NO_COLOR is unset or empty. */
bool afd_cli_has_colour(FILE *stream);

enum { AFD_CLI_BYTES_TEXT = 24, AFD_CLI_AGE_TEXT = 24 };

/* "512 B", "3.6 KiB", "1.5 GiB": at most one digit after the point, rounded down. */
void afd_cli_human_bytes(uint64_t bytes, char *text, size_t text_bytes);

/* "12 s", "5 min", "3 h", "2 d": the largest unit that fits, rounded down; "in the future" when negative. */
void afd_cli_human_age(int64_t age_ns, char *text, size_t text_bytes);

/* From `then` to `now`, whatever a file claims as a time: where 64 bits do not hold it, as far as they reach. */
int64_t afd_cli_age_ns(int64_t now_unix_ns, int64_t then_unix_ns);

/* Now on CLOCK_REALTIME, as afd_window_info.created_unix_ns counts. */
int64_t afd_cli_unix_ns(void);

/* Zeroed memory that is always there: without it the program ends with AFD_EXIT_REFUSED and says how much it wanted. */
void *afd_cli_alloc(size_t num, size_t bytes);

/* The same for memory that grows; what is new is not zeroed. */
void *afd_cli_realloc(void *memory, size_t num, size_t bytes);

/* The last thing that main() does: `code`, or AFD_EXIT_REFUSED and a sentence when stdout could not be written. */
int afd_cli_finish(int code);

#endif
