/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets, the replay program and the corpus generator share. */
#ifndef AFD_TEST_FUZZ_H
#define AFD_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry: one input. Its name and type are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant of the library: a violation is a crash, which libFuzzer keeps and the replay program dies of. */
static inline void fuzz_expect(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "FAILED: %s\n", what);
        abort();
    }
}

#endif
