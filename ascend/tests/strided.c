/* SPDX-License-Identifier: Apache-2.0 */
#include "strided.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIM_MAX = 3, GAP_BYTE = 0xA5 };

static uint64_t random_state;

void strided_seed(void)
{
    const char *seed = getenv("AFD_TEST_SEED");
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    random_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_nsec;
    printf("AFD_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

uint32_t strided_pick(uint32_t low, uint32_t high)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return low + (uint32_t)(random_state >> 33) % (high - low + 1);
}

/* Strides for the dims, the elements that they reach over, and where element 0 is among those. */
typedef struct layout {
    int64_t strides[DIM_MAX];
    uint64_t reach;
    int64_t first;
} layout;

static layout pick_layout(const tensor_dims *dims, int is_plain)
{
    uint64_t order[DIM_MAX] = { 0, 1, 2 };
    layout l = { .reach = 1 };
    for (uint64_t i = dims->rank; !is_plain && i > 1; i--) {
        const uint32_t with = strided_pick(0, (uint32_t)i - 1);
        const uint64_t kept = order[i - 1];
        order[i - 1] = order[with];
        order[with] = kept;
    }
    for (uint64_t i = dims->rank; i-- > 0;) {
        const uint64_t dim = order[i];
        const int64_t stride = (int64_t)l.reach * (is_plain ? 1 : strided_pick(1, 2));
        const int is_backwards = !is_plain && strided_pick(0, 3) == 0;
        l.strides[dim] = is_backwards ? -stride : stride;
        l.first += is_backwards ? stride * (dims->dims[dim] - 1) : 0;
        l.reach = (uint64_t)(stride * dims->dims[dim]);
    }
    return l;
}

static int64_t place_of(const tensor_dims *dims, const layout *l, uint64_t element)
{
    int64_t place = l->first;
    for (uint64_t i = dims->rank; i-- > 0;) {
        place += (int64_t)(element % (uint64_t)dims->dims[i]) * l->strides[i];
        element /= (uint64_t)dims->dims[i];
    }
    return place;
}

aclTensor *strided_tensor(const tensor_dims *dims, const void *elements, void **memory)
{
    const layout l = pick_layout(dims, strided_pick(0, 2) == 0);
    const size_t bytes = aclDataTypeSize(dims->type);
    const size_t odd = strided_pick(0, 3) == 0 ? 1 : 0;
    if (aclrtMalloc(memory, l.reach * bytes + odd, ACL_MEM_MALLOC_HUGE_FIRST) != ACL_SUCCESS) {
        abort();
    }
    char *data = (char *)*memory + odd;
    memset(data, GAP_BYTE, l.reach * bytes);
    for (uint64_t i = 0; i < tensor_elements(dims); i++) {
        memcpy(data + place_of(dims, &l, i) * (int64_t)bytes, (const char *)elements + i * bytes, bytes);
    }
    return aclCreateTensor(dims->dims, dims->rank, dims->type, l.strides, l.first, ACL_FORMAT_ND, dims->dims,
                           dims->rank, data);
}
