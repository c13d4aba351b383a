/* SPDX-License-Identifier: Apache-2.0 */
/* What `afd top` shows of a look, with what has changed since the one before. */
#ifndef AFD_CLI_TOP_H
#define AFD_CLI_TOP_H

#include "look.h"

void afd_cli_top_print(const afd_cli_look *before, const afd_cli_look *look, uint32_t row_max, bool colour,
                       FILE *stream);
int afd_cli_top_print_json(const afd_cli_look *before, const afd_cli_look *look);

#endif
