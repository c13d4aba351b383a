/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "out.h"

void afd_cli_table_begin(afd_cli_table *table, size_t column_num)
{
    *table = (afd_cli_table){ .column_num = column_num };
}

void afd_cli_table_add(afd_cli_table *table, const char *text)
{
    if (table->cell_num == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity * 2 + table->column_num;
        table->cells = afd_cli_realloc(table->cells, table->cell_capacity, sizeof(*table->cells));
    }
    size_t bytes = strlen(text) + 1;
    table->cells[table->cell_num++] = memcpy(afd_cli_alloc(1, bytes), text, bytes);
}

static void print_cell(FILE *stream, const char *cell, const char *colour)
{
    if (colour != NULL) {
        (void)fprintf(stream, "\033[%sm%s\033[0m", colour, cell);
    } else {
        (void)fputs(cell, stream);
    }
}

static void print_row(const afd_cli_table *table, size_t row, const size_t *widths, FILE *stream,
                      afd_cli_cell_colour colour)
{
    char **cells = &table->cells[row * table->column_num];
    size_t end = table->column_num;
    while (end > 0 && cells[end - 1][0] == '\0') {
        end--;
    }
    for (size_t column = 0; column < end; column++) {
        print_cell(stream, cells[column], colour != NULL ? colour(cells[column]) : NULL);
        if (column + 1 < end) {
            int padding = (int)(widths[column] - strlen(cells[column]) + 2);
            (void)fprintf(stream, "%*s", padding, "");
        }
    }
    (void)fputc('\n', stream);
}

void afd_cli_table_print(const afd_cli_table *table, FILE *stream, afd_cli_cell_colour colour)
{
    size_t *widths = afd_cli_alloc(table->column_num, sizeof(*widths));
    for (size_t i = 0; i < table->cell_num; i++) {
        size_t *width = &widths[i % table->column_num];
        size_t length = strlen(table->cells[i]);
        *width = length > *width ? length : *width;
    }
    for (size_t row = 0; row < table->cell_num / table->column_num; row++) {
        print_row(table, row, widths, stream, colour);
    }
    free(widths);
}

void afd_cli_table_end(afd_cli_table *table)
{
    for (size_t i = 0; i < table->cell_num; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
}
