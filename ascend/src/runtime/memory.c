/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: what the front calls device memory is memory of the process.
 *
 * Every allocation is in one hash table, so that freeing what was never allocated, or twice, is an error that reads no
 * memory but our own, and so that what a program never frees stays reachable.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "acl/acl_rt.h"
#include "base/checked.h"
#include "runtime/check.h"
#include "runtime/message.h"

enum {
    ROUND_BYTES = 32,
    EXTRA_BYTES = 32, /* programs rely on them: two bytes an element for a tensor they use as INT32 */
    ALIGN_BYTES = 64,
    BUCKET_NUM = 1024
};

typedef struct block {
    struct block *next; /* in its bucket */
    void *memory;       /* what the program was given, ALIGN_BYTES aligned, behind this header */
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *buckets[BUCKET_NUM];

static block **bucket_of(const void *memory)
{
    /* Multiplying by the golden ratio spreads addresses that differ in few bits. */
    const uint64_t mixed = (uint64_t)(uintptr_t)memory / ALIGN_BYTES * UINT64_C(0x9E3779B97F4A7C15);
    return &buckets[mixed >> 54];
}

/* The bytes behind a pointer for a size that was asked for, and what must be allocated for header and alignment. */
static bool measure(size_t size, uint64_t *all_bytes)
{
    uint64_t bytes = 0;
    return afd__round_up_u64(size, ROUND_BYTES, &bytes) && afd__add_u64(bytes, EXTRA_BYTES, &bytes) &&
           afd__add_u64(bytes, sizeof(block) + ALIGN_BYTES, all_bytes);
}

/* calloc, so that large memory comes zeroed from the system, and only when it is touched. */
static void *allocate(size_t size)
{
    uint64_t all_bytes = 0;
    block *made = measure(size, &all_bytes) ? calloc(1, all_bytes) : NULL;
    if (made == NULL) {
        return NULL;
    }
    const uintptr_t behind = (uintptr_t)(made + 1);
    const uintptr_t pad = (ALIGN_BYTES - behind % ALIGN_BYTES) % ALIGN_BYTES;
    made->memory = (char *)(made + 1) + pad;
    block **bucket = bucket_of(made->memory);
    (void)pthread_mutex_lock(&lock);
    made->next = *bucket;
    *bucket = made;
    (void)pthread_mutex_unlock(&lock);
    return made->memory;
}

/* Takes the block of a pointer out of the table; NULL if it was never allocated or is free already. */
static block *take(const void *memory)
{
    (void)pthread_mutex_lock(&lock);
    block **link = bucket_of(memory);
    while (*link != NULL && (*link)->memory != memory) {
        link = &(*link)->next;
    }
    block *taken = *link;
    if (taken != NULL) {
        *link = taken->next;
    }
    (void)pthread_mutex_unlock(&lock);
    return taken;
}

static aclError allocate_for(void **pointer, const char *name, size_t size)
{
    aclError code = afd__acl_check_given(pointer, name);
    if (code != ACL_SUCCESS) {
        return code;
    }
    if (size == 0) {
        return afd__acl_fail(ACL_ERROR_INVALID_PARAM, "size is 0, must be at least 1");
    }
    void *memory = allocate(size);
    if (memory == NULL) {
        return afd__acl_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "no memory for %zu bytes", size);
    }
    *pointer = memory;
    return ACL_SUCCESS;
}

static aclError free_taken(void *memory, const char *name)
{
    aclError code = afd__acl_check_given(memory, name);
    if (code != ACL_SUCCESS) {
        return code;
    }
    block *taken = take(memory);
    if (taken == NULL) {
        return afd__acl_fail(ACL_ERROR_RT_PARAM_INVALID, "%s is %p, which is not allocated", name, memory);
    }
    free(taken);
    return ACL_SUCCESS;
}

aclError aclrtMalloc(void **devPtr, size_t size, aclrtMemMallocPolicy policy)
{
    const int number = (int)policy;
    if (number < ACL_MEM_MALLOC_HUGE_FIRST || number > ACL_MEM_MALLOC_HUGE1G_ONLY_P2P) {
        return afd__acl_fail(ACL_ERROR_INVALID_PARAM, "policy is %d, must be in [0, %d]", number,
                             ACL_MEM_MALLOC_HUGE1G_ONLY_P2P);
    }
    return allocate_for(devPtr, "devPtr", size);
}

aclError aclrtMallocHost(void **hostPtr, size_t size)
{
    return allocate_for(hostPtr, "hostPtr", size);
}

aclError aclrtFree(void *devPtr)
{
    return free_taken(devPtr, "devPtr");
}

aclError aclrtFreeHost(void *hostPtr)
{
    return free_taken(hostPtr, "hostPtr");
}

aclError aclrtGetMemInfo(aclrtMemAttr attr, size_t *free_, size_t *total)
{
    const int number = (int)attr;
    aclError code = afd__acl_check_given(free_, "free");
    if (code == ACL_SUCCESS) {
        code = afd__acl_check_given(total, "total");
    }
    if (code == ACL_SUCCESS && (number < ACL_DDR_MEM || number > ACL_HBM_MEM_NORMAL)) {
        code = afd__acl_fail(ACL_ERROR_INVALID_PARAM, "attr is %d, must be in [0, %d]", number, ACL_HBM_MEM_NORMAL);
    }
    if (code != ACL_SUCCESS) {
        return code;
    }
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    *free_ = (size_t)sysconf(_SC_AVPHYS_PAGES) * page_bytes;
    *total = (size_t)sysconf(_SC_PHYS_PAGES) * page_bytes;
    return ACL_SUCCESS;
}
