/* SPDX-License-Identifier: Apache-2.0 */
#include "sites.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/atomic.h"

enum { SITE_CAPACITY = 64 };

/* An array, not a container: relacy counts what is allocated during a run, and this outlives the run. */
static model_site sites[SITE_CAPACITY];
static int site_num;
static int weakened = MODEL_SITE_NONE;

void model_weaken_site(int number)
{
    weakened = number;
}

int model_site_num(void)
{
    return site_num;
}

const model_site *model_site_at(int number)
{
    return &sites[number];
}

static int find_or_add(const char *function, int line, const char *order)
{
    for (int i = 0; i < site_num; i++) {
        if (sites[i].line == line && std::strcmp(sites[i].function, function) == 0) {
            return i;
        }
    }
    if (site_num == SITE_CAPACITY) {
        std::fprintf(stderr, "model: more than %d ordered sites\n", SITE_CAPACITY);
        std::abort();
    }
    sites[site_num] = model_site{ function, line, order };
    return site_num++;
}

rl::memory_order model_site_order(const char *function, int line, rl::memory_order order)
{
    int number = find_or_add(function, line, order == rl::mo_acquire ? "acquire" : "release");
    return number == weakened ? rl::mo_relaxed : order;
}
