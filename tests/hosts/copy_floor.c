/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to copy so many bytes there and as many back, with nothing else: the floor of a round between workers.
 *
 *     copy_floor BYTES    prints the p50 in us, of memory that is as cold as windows are: 64 MiB are gone through
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"

enum { TIMES = 400 };

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const size_t byte_num = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    const size_t area_bytes = (size_t)64 << 20;
    if (byte_num == 0 || byte_num > area_bytes) {
        fprintf(stderr, "usage: copy_floor BYTES\n");
        return 2;
    }
    char *here = malloc(area_bytes);
    char *there = malloc(area_bytes);
    static double us[TIMES];
    if (here == NULL || there == NULL) {
        return 1;
    }
    memset(here, 1, area_bytes);
    memset(there, 2, area_bytes);
    const size_t place_num = area_bytes / byte_num;
    for (int i = 0; i < TIMES; i++) {
        const size_t at = (size_t)i % place_num * byte_num;
        const uint64_t began_ns = afd_clock_ns();
        memcpy(there + at, here + at, byte_num);
        __asm__ volatile("" : : "r"(there) : "memory");
        memcpy(here + at, there + at, byte_num);
        __asm__ volatile("" : : "r"(here) : "memory");
        us[i] = (double)(afd_clock_ns() - began_ns) / 1e3;
    }
    qsort(us, TIMES, sizeof(us[0]), compare);
    printf("%.1f\n", us[TIMES / 2]);
    free(here);
    free(there);
    return 0;
}
