/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void print_prefix(const char *verb)
{
    (void)fprintf(stderr, verb == NULL ? "afd: " : "afd %s: ", verb);
}

void afd_cli_error(const char *verb, const afd_error *error)
{
    afd_cli_note(verb, "%s", error->message);
}

void afd_cli_error_about(const char *verb, const char *subject, const afd_error *error)
{
    if (strstr(error->message, subject) != NULL) {
        afd_cli_error(verb, error);
    } else {
        afd_cli_note(verb, "%s: %s", subject, error->message);
    }
}

int afd_cli_exit_code(afd_status status)
{
    if (status >= 0) {
        return AFD_EXIT_DONE;
    }
    return status == AFD_ERR_INVALID || status == AFD_ERR_OVERFLOW ? AFD_EXIT_USAGE : AFD_EXIT_REFUSED;
}

__attribute__((format(printf, 2, 0))) static void print_sentence(const char *verb, const char *format,
                                                                 va_list arguments)
{
    print_prefix(verb);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
}

void afd_cli_note(const char *verb, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_sentence(verb, format, arguments);
    va_end(arguments);
}

int afd_cli_usage(const char *verb, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_sentence(verb, format, arguments);
    va_end(arguments);
    print_prefix(verb);
    (void)fprintf(stderr, "`afd help%s%s` says how it is used\n", verb == NULL ? "" : " ", verb == NULL ? "" : verb);
    return AFD_EXIT_USAGE;
}

/* Whether getopt_long stands in the middle of "-xyz", at optopt: then it has not gone past that word. */
static bool is_inside_bundle(const char *next_word)
{
    return next_word != NULL && next_word[0] == '-' && next_word[1] != '-' && optopt > 0 && optopt < 0x100 &&
           strchr(next_word, optopt) != NULL;
}

int afd_cli_usage_option(const char *verb, int result, char **argv)
{
    const char *word = argv[optind - 1];
    bool is_long = optopt == 0 || (strncmp(word, "--", 2) == 0 && !is_inside_bundle(argv[optind]));
    if (!is_long) {
        return result == ':' ? afd_cli_usage(verb, "option -%c needs a value", optopt)
                             : afd_cli_usage(verb, "there is no option -%c", optopt);
    }
    if (result == ':') {
        return afd_cli_usage(verb, "option %s needs a value", word);
    }
    if (optopt != 0) { /* it is known, but not with a value */
        return afd_cli_usage(verb, "option %.*s takes no value", (int)strcspn(word, "="), word);
    }
    return afd_cli_usage(verb, "there is no option %s", word);
}

int afd_cli_parse_json_option(const char *verb, const char *help, int argc, char **argv, bool *json)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":jh", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            *json = true;
            break;
        case 'h':
            (void)fputs(help, stdout);
            return AFD_EXIT_DONE;
        default:
            return afd_cli_usage_option(verb, option, argv);
        }
    }
    return AFD_CLI_GO_ON;
}

bool afd_cli_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    if (!isdigit((unsigned char)text[0])) { /* strtoull would take spaces and signs */
        return false;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long parsed = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || parsed < min || parsed > max) {
        return false;
    }
    *value = parsed;
    return true;
}

int afd_cli_print_json(json_t *value)
{
    int result = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    (void)fputc('\n', stdout);
    json_decref(value);
    /* That it could not be written is main()'s to say; what can fail besides is memory. */
    if (result != 0 && !ferror(stdout)) {
        afd_cli_note(NULL, "cannot make the JSON text: out of memory");
        return AFD_EXIT_REFUSED;
    }
    return AFD_EXIT_DONE;
}

static void insist_on_json(bool made)
{
    if (!made) {
        afd_cli_note(NULL, "cannot make the JSON: out of memory");
        exit(AFD_EXIT_REFUSED);
    }
}

void afd_cli_json_set(json_t *object, const char *key, json_t *value)
{
    insist_on_json(json_object_set_new(object, key, value) == 0);
}

void afd_cli_json_append(json_t *array, json_t *value)
{
    insist_on_json(json_array_append_new(array, value) == 0);
}

json_t *afd_cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string != NULL) {
        return string;
    }
    /* Without the look at the encoding, only memory can be what is missing. */
    json_t *unchecked = json_string_nocheck(text);
    insist_on_json(unchecked != NULL);
    json_decref(unchecked);
    return json_null();
}

json_t *afd_cli_json_u64(uint64_t value)
{
    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return json_string(text);
}

bool afd_cli_has_colour(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if ((no_colour != NULL && no_colour[0] != '\0') || terminal == NULL || strcmp(terminal, "dumb") == 0) {
        return false;
    }
    return isatty(fileno(stream)) == 1;
}

void afd_cli_human_bytes(uint64_t bytes, char *text, size_t text_bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes < 1024) {
        (void)snprintf(text, text_bytes, "%" PRIu64 " B", bytes);
        return;
    }
    /* What is left of the value is kept in 1/1024 of the unit, so that nothing is rounded up. */
    size_t unit = 0;
    while (bytes >> 20 != 0) {
        bytes >>= 10;
        unit++;
    }
    (void)snprintf(text, text_bytes, "%" PRIu64 ".%" PRIu64 " %s", bytes >> 10, (bytes & 1023) * 10 >> 10, units[unit]);
}

void afd_cli_human_age(int64_t age_ns, char *text, size_t text_bytes)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = { { "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 } };
    if (age_ns < 0) {
        (void)snprintf(text, text_bytes, "in the future");
        return;
    }
    int64_t seconds = age_ns / 1000000000;
    size_t unit = 0;
    while (units[unit].seconds > 1 && seconds < units[unit].seconds) {
        unit++;
    }
    (void)snprintf(text, text_bytes, "%" PRId64 " %s", seconds / units[unit].seconds, units[unit].name);
}

int64_t afd_cli_age_ns(int64_t now_unix_ns, int64_t then_unix_ns)
{
    int64_t age_ns = 0;
    if (__builtin_sub_overflow(now_unix_ns, then_unix_ns, &age_ns)) {
        return then_unix_ns < 0 ? INT64_MAX : INT64_MIN;
    }
    return age_ns;
}

int64_t afd_cli_unix_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *insist(void *memory, size_t num, size_t bytes)
{
    if (memory == NULL) {
        afd_cli_note(NULL, "out of memory: wanted %zu times %zu bytes", num, bytes);
        exit(AFD_EXIT_REFUSED);
    }
    return memory;
}

void *afd_cli_alloc(size_t num, size_t bytes)
{
    /* One at least, so that NULL always means that there is none. */
    return insist(calloc(num > 0 ? num : 1, bytes), num, bytes);
}

void *afd_cli_realloc(void *memory, size_t num, size_t bytes)
{
    return insist(reallocarray(memory, num > 0 ? num : 1, bytes), num, bytes);
}

int afd_cli_finish(int code)
{
    bool was_bad = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0 || was_bad) {
        afd_cli_note(NULL, "cannot write the results: %s", errno != 0 ? strerror(errno) : "stdout failed");
        return AFD_EXIT_REFUSED;
    }
    return code;
}
