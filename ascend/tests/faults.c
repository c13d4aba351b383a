/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_calloc(size_t count, size_t bytes);
void __real_free(void *memory);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

void *__wrap_calloc(size_t count, size_t bytes);
void __wrap_free(void *memory);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

static _Thread_local int calloc_countdown = -1;
static _Thread_local bool fail_thread;
static long live_blocks;

void faults_fail_calloc_after(int skipped)
{
    calloc_countdown = skipped;
}

void faults_fail_next_thread(void)
{
    fail_thread = true;
}

long faults_live_blocks(void)
{
    return __atomic_load_n(&live_blocks, __ATOMIC_RELAXED);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (calloc_countdown >= 0 && calloc_countdown-- == 0) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = __real_calloc(count, bytes);
    if (memory != NULL) {
        __atomic_fetch_add(&live_blocks, 1, __ATOMIC_RELAXED);
    }
    return memory;
}

void __wrap_free(void *memory)
{
    if (memory != NULL) {
        __atomic_fetch_sub(&live_blocks, 1, __ATOMIC_RELAXED);
    }
    __real_free(memory);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    if (fail_thread) {
        fail_thread = false;
        return EAGAIN;
    }
    return __real_pthread_create(thread, attributes, start, argument);
}
