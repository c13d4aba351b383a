/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cpus.h"

#include <sched.h>

/* What was allowed before anything was pinned; looked up once, by the first who asks. */
static const cpu_set_t *allowed(void)
{
    static cpu_set_t set;
    static bool known;
    if (!known) {
        CPU_ZERO(&set);
        if (sched_getaffinity(0, sizeof(set), &set) != 0) {
            CPU_SET(0, &set); /* more CPUs than a set holds: the first is there in any case */
        }
        known = true;
    }
    return &set;
}

int bench_cpus_allowed_num(void)
{
    return CPU_COUNT(allowed());
}

int bench_cpus_allowed(int nth)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, allowed()) && nth-- == 0) {
            return cpu;
        }
    }
    return -1;
}

bool bench_cpus_is_allowed(int cpu)
{
    return cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET((size_t)cpu, allowed());
}

bool bench_cpus_pin(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0;
}

void bench_cpus_unpin(void)
{
    (void)sched_setaffinity(0, sizeof(cpu_set_t), allowed());
}
