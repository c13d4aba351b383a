/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: what the front calls device memory is memory of the process.
 *
 * Every allocation is in one hash table, so that freeing what was never allocated, or twice, is an error that reads no
 * memory but our own, and so that what a program never frees stays reachable.
 *
 * From a page on, an allocation is a mapping of its own, which comes zeroed and page by page. Such a block can become
 * one that other processes map too, in place.
 */
#include "runtime/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "acl/acl_rt.h"
#include "base/checked.h"
#include "runtime/check.h"
#include "runtime/memfd.h"
#include "runtime/message.h"

enum {
    /*
     * Programs allocate two bytes an element for a tensor that they use as INT32, and operators then read four: up to
     * here an allocation has twice its size. Above, where that would be a good part of the memory, it has not.
     */
    DOUBLED_BYTES_MAX = 64 << 20,
    EXTRA_BYTES = 64, /* behind that; at least the next multiple of 32 and 32 more, as the original has */
    ALIGN_BYTES = 64,
    BUCKET_NUM = 1024
};

typedef struct block {
    struct block *next;    /* in its bucket */
    void *memory;          /* what the program was given, ALIGN_BYTES aligned */
    uint64_t mapped_bytes; /* of the mapping at `memory`; 0 = the memory is behind this header, in one piece */
    int fd;                /* of a mapping that is shared; -1 */
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block *buckets[BUCKET_NUM];

static block **bucket_of(const void *memory)
{
    /* Multiplying by the golden ratio spreads addresses that differ in few bits. */
    const uint64_t mixed = (uint64_t)(uintptr_t)memory / ALIGN_BYTES * UINT64_C(0x9E3779B97F4A7C15);
    return &buckets[mixed >> 54];
}

static uint64_t page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The bytes that are there for a size that was asked for; false if they do not fit. */
static bool measure(uint64_t size, uint64_t *bytes)
{
    return afd__add_u64(size <= DOUBLED_BYTES_MAX ? 2 * size : size, EXTRA_BYTES, bytes);
}

/* In one piece with its header: small ones are many. */
static block *make_small(uint64_t bytes)
{
    block *made = calloc(1, sizeof(*made) + ALIGN_BYTES + bytes);
    if (made == NULL) {
        return NULL;
    }
    const uintptr_t behind = (uintptr_t)(made + 1);
    const uintptr_t pad = (ALIGN_BYTES - behind % ALIGN_BYTES) % ALIGN_BYTES;
    made->memory = (char *)(made + 1) + pad;
    made->fd = -1;
    return made;
}

static block *make_mapped(uint64_t bytes)
{
    uint64_t mapped_bytes = 0;
    if (!afd__round_up_u64(bytes, page_bytes(), &mapped_bytes)) {
        return NULL;
    }
    block *made = calloc(1, sizeof(*made));
    void *memory = made == NULL ? MAP_FAILED
                                : mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(made);
        return NULL;
    }
    *made = (block){ .memory = memory, .mapped_bytes = mapped_bytes, .fd = -1 };
    return made;
}

static void *allocate(size_t size)
{
    uint64_t bytes = 0;
    if (!measure(size, &bytes)) {
        return NULL;
    }
    block *made = size < page_bytes() ? make_small(bytes) : make_mapped(bytes);
    if (made == NULL) {
        return NULL;
    }
    void *memory = made->memory; /* from the lock on, another thread may guess the address and free the block */
    block **bucket = bucket_of(memory);
    (void)pthread_mutex_lock(&lock);
    made->next = *bucket;
    *bucket = made;
    (void)pthread_mutex_unlock(&lock);
    return memory;
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

static void release(block *taken)
{
    if (taken->mapped_bytes != 0) {
        (void)munmap(taken->memory, taken->mapped_bytes);
    }
    if (taken->fd >= 0) {
        (void)close(taken->fd);
    }
    free(taken);
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
    release(taken);
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
    *free_ = (size_t)sysconf(_SC_AVPHYS_PAGES) * page_bytes();
    *total = (size_t)sysconf(_SC_PHYS_PAGES) * page_bytes();
    return ACL_SUCCESS;
}

/* ---- sharing ---- */

/* Copies what is not zero, so that pages which were never touched stay so. */
static void copy_touched(char *to, const char *from, uint64_t bytes)
{
    static const char zeros[4096];
    for (uint64_t done = 0; done < bytes; done += sizeof(zeros)) {
        if (memcmp(from + done, zeros, sizeof(zeros)) != 0) {
            memcpy(to + done, from + done, sizeof(zeros));
        }
    }
}

/* Under the lock. Puts memory with a descriptor where the block is; the block is as it was if that fails. */
static bool make_shareable(block *found)
{
    const uint64_t bytes = found->mapped_bytes;
    const int fd = afd__acl_memfd_new("memory of aclrtMalloc", bytes);
    if (fd < 0) {
        return false;
    }
    void *filled = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (filled != MAP_FAILED) {
        copy_touched(filled, found->memory, bytes);
        /* Moves the new pages over the old ones in one step: nobody who reads the block finds a hole. */
        if (mremap(filled, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, found->memory) != MAP_FAILED) {
            found->fd = fd;
            return true;
        }
        (void)munmap(filled, bytes);
    }
    afd__acl_say("cannot share %" PRIu64 " bytes of memory: %s", bytes, afd__acl_errno_text());
    (void)close(fd);
    return false;
}

/* Under the lock. The block that has the address; small ones as far as they are known, which is their start. */
static block *find_around(const void *address)
{
    const uintptr_t wanted = (uintptr_t)address;
    for (uint32_t i = 0; i < BUCKET_NUM; i++) {
        for (block *b = buckets[i]; b != NULL; b = b->next) {
            const uintptr_t start = (uintptr_t)b->memory;
            if (wanted == start || (wanted > start && wanted - start < b->mapped_bytes)) {
                return b;
            }
        }
    }
    return NULL;
}

/* Under the lock. */
static aclError share(const void *address, uint64_t bytes, afd__acl_shared_memory *shared)
{
    block *found = find_around(address);
    const uint64_t offset = found != NULL ? (uint64_t)((uintptr_t)address - (uintptr_t)found->memory) : 0;
    if (found == NULL || found->mapped_bytes == 0) {
        return afd__acl_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT,
                             "%p is not in an allocation of aclrtMalloc() of at least a page (%" PRIu64
                             " bytes): other processes cannot map it", address, page_bytes());
    }
    if (bytes > found->mapped_bytes - offset) {
        return afd__acl_fail(ACL_ERROR_RT_FEATURE_NOT_SUPPORT,
                             "%" PRIu64 " bytes at %p go past the end of their allocation, which has %" PRIu64
                             " from there", bytes, address, found->mapped_bytes - offset);
    }
    if (found->fd < 0 && !make_shareable(found)) {
        return ACL_ERROR_RT_MEMORY_ALLOCATION;
    }
    const int fd = fcntl(found->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return afd__acl_fail(ACL_ERROR_RT_MEMORY_ALLOCATION, "cannot share memory: %s", afd__acl_errno_text());
    }
    *shared = (afd__acl_shared_memory){ .fd = fd, .offset = offset };
    return ACL_SUCCESS;
}

aclError afd__acl_memory_share(const void *address, uint64_t bytes, afd__acl_shared_memory *shared)
{
    (void)pthread_mutex_lock(&lock);
    const aclError code = share(address, bytes, shared);
    (void)pthread_mutex_unlock(&lock);
    return code;
}
