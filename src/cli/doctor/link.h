/* SPDX-License-Identifier: Apache-2.0 */
/* `afd doctor --listen` and `--connect`: how good the way between two hosts is, measured over the transport itself. */
#ifndef AFD_CLI_DOCTOR_LINK_H
#define AFD_CLI_DOCTOR_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a layer may take in the decode that this library is measured by, in ns. */
#define DOCTOR_BUDGET_NS 272000

typedef struct doctor_link_options {
    const char *listen;  /* one of the two */
    const char *connect;
    const char *token_file; /* NULL: none */
    bool json;
} doctor_link_options;

/* Rounds of one size, there and back. */
typedef struct doctor_rounds {
    uint32_t row_num;
    uint32_t row_bytes; /* 0 of the round without rows */
    size_t round_num;
    double p50_ns;
    double p99_ns;
} doctor_rounds;

enum { DOCTOR_ROUNDS_NUM = 9 };

typedef struct doctor_link {
    const char *address;
    doctor_rounds rounds[DOCTOR_ROUNDS_NUM]; /* without rows; then for each size of a row, in growing numbers */
} doctor_link;

/* The exit code. */
int doctor_link_examine(const doctor_link_options *options);

/* ---- link_report.c ---- */

void doctor_link_print(const doctor_link *link);

/* AFD_EXIT_DONE, or another exit code if it could not be printed. */
int doctor_link_print_json(const doctor_link *link);

#endif
