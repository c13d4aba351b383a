/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured of a link, and what it means for a layer. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "afd/status.h"
#include "doctor/link.h"
#include "out.h"
#include "table.h"

static double share_of_budget(const doctor_rounds *rounds)
{
    return rounds->p50_ns / DOCTOR_BUDGET_NS;
}

/* One way: the bytes cross twice in the time of a round. */
static double bytes_per_second(const doctor_rounds *rounds)
{
    double bytes = (double)rounds->row_num * rounds->row_bytes;
    return rounds->p50_ns > 0.0 ? 2.0 * bytes / (rounds->p50_ns / 1e9) : 0.0;
}

__attribute__((format(printf, 2, 3))) static void add(afd_cli_table *table, const char *format, ...)
{
    char text[48];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    afd_cli_table_add(table, text);
}

static void add_rounds(afd_cli_table *table, const doctor_rounds *rounds)
{
    char text[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes((uint64_t)rounds->row_num * rounds->row_bytes, text, sizeof(text));
    add(table, "  %" PRIu32, rounds->row_num);
    add(table, "%s", text);
    add(table, "%.1f us", rounds->p50_ns / 1e3);
    add(table, "%.1f us", rounds->p99_ns / 1e3);
    afd_cli_human_bytes((uint64_t)bytes_per_second(rounds), text, sizeof(text));
    add(table, rounds->row_num > 0 ? "%s/s" : "", text);
    add(table, "%.0f %%", 100.0 * share_of_budget(rounds));
}

static void print_rounds(const doctor_link *link)
{
    static const char *const heads[] = { "  rows", "bytes", "p50", "p99", "one way", "of the budget" };
    afd_cli_table table;
    afd_cli_table_begin(&table, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        afd_cli_table_add(&table, heads[i]);
    }
    for (size_t i = 0; i < DOCTOR_ROUNDS_NUM; i++) {
        add_rounds(&table, &link->rounds[i]);
    }
    afd_cli_table_print(&table, stdout, NULL);
    afd_cli_table_end(&table);
}

/* The largest round of rows of one size whose median is within the budget; and the smallest that is not. NULL: none. */
static void find_bound(const doctor_link *link, uint32_t row_bytes, const doctor_rounds **fits,
                       const doctor_rounds **exceeds)
{
    *fits = NULL;
    *exceeds = NULL;
    for (size_t i = 0; i < DOCTOR_ROUNDS_NUM && *exceeds == NULL; i++) {
        const doctor_rounds *rounds = &link->rounds[i];
        if (rounds->row_bytes == row_bytes && share_of_budget(rounds) <= 1.0) {
            *fits = rounds;
        } else if (rounds->row_bytes == row_bytes) {
            *exceeds = rounds;
        }
    }
}

static void print_bound(const doctor_link *link, uint32_t row_bytes)
{
    const doctor_rounds *fits = NULL;
    const doctor_rounds *exceeds = NULL;
    char size[AFD_CLI_BYTES_TEXT];
    find_bound(link, row_bytes, &fits, &exceeds);
    afd_cli_human_bytes(row_bytes, size, sizeof(size));
    if (exceeds == NULL) {
        (void)printf("      Every round of rows of %s that was tried fits; %" PRIu32 " take %.0f %% of the budget.\n",
                     size, fits->row_num, 100.0 * share_of_budget(fits));
    } else if (fits == NULL) {
        (void)printf("      Not even a single row of %s fits.\n", size);
    } else {
        (void)printf("      Of rows of %s, %" PRIu32 " fit, with %.0f %% of the budget; %" PRIu32 " do not.\n", size,
                     fits->row_num, 100.0 * share_of_budget(fits), exceeds->row_num);
    }
}

void doctor_link_print(const doctor_link *link)
{
    const doctor_rounds *empty = &link->rounds[0];
    (void)printf("link\n  to  %s, over UCX\n", link->address);
    (void)printf("      Rounds there and back, each row written into a window at both ends: what a micro-batch\n"
                 "      spends on its way through a layer, which is two crossings. %d us is the budget of a layer.\n\n",
                 DOCTOR_BUDGET_NS / 1000);
    print_rounds(link);
    (void)printf("\n  what fits\n");
    for (size_t i = 1; i < DOCTOR_ROUNDS_NUM; i++) {
        if (link->rounds[i].row_bytes != link->rounds[i - 1].row_bytes) {
            print_bound(link, link->rounds[i].row_bytes);
        }
    }
    (void)printf("      What a round takes is hidden where other micro-batches are computed meanwhile, but not what\n"
                 "      it takes beyond the budget.\n");
    if (share_of_budget(empty) > 0.25) {
        (void)printf("      -> A round without rows takes a quarter of the budget and more: docs/deploy.md says which\n"
                     "         devices and settings of UCX make it shorter.\n");
    }
}

static json_t *rounds_json(const doctor_rounds *rounds)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "rows", json_integer(rounds->row_num));
    afd_cli_json_set(object, "row_bytes", json_integer(rounds->row_bytes));
    afd_cli_json_set(object, "rounds", afd_cli_json_u64(rounds->round_num));
    afd_cli_json_set(object, "p50_ns", json_real(rounds->p50_ns));
    afd_cli_json_set(object, "p99_ns", json_real(rounds->p99_ns));
    afd_cli_json_set(object, "bytes_per_second", json_real(bytes_per_second(rounds)));
    afd_cli_json_set(object, "share_of_budget", json_real(share_of_budget(rounds)));
    return object;
}

int doctor_link_print_json(const doctor_link *link)
{
    json_t *object = json_object();
    json_t *rounds = json_array();
    for (size_t i = 0; i < DOCTOR_ROUNDS_NUM; i++) {
        afd_cli_json_append(rounds, rounds_json(&link->rounds[i]));
    }
    afd_cli_json_set(object, "version", afd_cli_json_text(afd_version()));
    afd_cli_json_set(object, "address", afd_cli_json_text(link->address));
    afd_cli_json_set(object, "transport", afd_cli_json_text("ucx"));
    afd_cli_json_set(object, "budget_ns", json_integer(DOCTOR_BUDGET_NS));
    afd_cli_json_set(object, "rounds", rounds);
    return afd_cli_print_json(object);
}
