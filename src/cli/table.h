/* SPDX-License-Identifier: Apache-2.0 */
/* A table of words with aligned columns: two spaces between them, none at the end of a line. */
#ifndef AFD_CLI_TABLE_H
#define AFD_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

typedef struct afd_cli_table {
    size_t column_num; /* > 0 */
    size_t cell_num;
    size_t cell_capacity;
    char **cells; /* row after row */
} afd_cli_table;

/* The colour of a cell, as the number of a terminal's SGR sequence ("31"); NULL for none. */
typedef const char *(*afd_cli_cell_colour)(const char *cell);

void afd_cli_table_begin(afd_cli_table *table, size_t column_num);

/* Adds the next cell, a copy of `text`; after column_num of them a new row begins. */
void afd_cli_table_add(afd_cli_table *table, const char *text);

/* Prints the full rows; `colour` may be NULL. */
void afd_cli_table_print(const afd_cli_table *table, FILE *stream, afd_cli_cell_colour colour);

void afd_cli_table_end(afd_cli_table *table);

#endif
