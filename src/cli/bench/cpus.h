/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs that this process may run on, and the two that a measurement uses. */
#ifndef AFD_CLI_BENCH_CPUS_H
#define AFD_CLI_BENCH_CPUS_H

#include <stdbool.h>

typedef struct bench_cpus {
    int mine;    /* of the thread that is timed */
    int partner; /* of the one that produces; -1 where there is only one CPU */
} bench_cpus;

/* How many CPUs this process may run on. */
int bench_cpus_allowed_num(void);

/* The allowed CPU with the index `nth`, counted from 0; -1 if there are not so many. */
int bench_cpus_allowed(int nth);

bool bench_cpus_is_allowed(int cpu);

/* Ties the calling thread to `cpu`; false, with errno, where the system does not let it. */
bool bench_cpus_pin(int cpu);

/* Lets the calling thread run where it was allowed to at first. */
void bench_cpus_unpin(void);

#endif
