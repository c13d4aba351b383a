/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/flush.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { LINE_BYTES = 64 };

/* The instruction itself and no fence of C11: this orders nothing between threads, it empties this core's buffers. */
void bench_settle(void)
{
#if defined(__x86_64__)
    _mm_mfence();
#elif defined(__aarch64__)
    __asm__ volatile("dsb sy" ::: "memory");
#endif
}

#if defined(__x86_64__)

/* Leaf 7, EBX bit 23: the variant whose lines do not wait for each other. */
static bool has_clflushopt(void)
{
    unsigned int eax = 0;
    unsigned int ebx = 0;
    unsigned int ecx = 0;
    unsigned int edx = 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & (1U << 23)) != 0;
}

__attribute__((target("clflushopt"))) static void flush_fast(uintptr_t line, uintptr_t end)
{
    for (; line < end; line += LINE_BYTES) {
        _mm_clflushopt((void *)line);
    }
}

static void flush_lines(uintptr_t line, uintptr_t end)
{
    /* Asked once: in a virtual machine cpuid leaves the guest, which takes tens of us. */
    static int fast = -1;
    if (fast < 0) {
        fast = has_clflushopt() ? 1 : 0;
    }
    if (fast == 1) {
        flush_fast(line, end);
        return;
    }
    for (; line < end; line += LINE_BYTES) {
        _mm_clflush((void *)line);
    }
}

#elif defined(__aarch64__)

static void flush_lines(uintptr_t line, uintptr_t end)
{
    for (; line < end; line += LINE_BYTES) {
        __asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
    }
    __asm__ volatile("dsb sy" ::: "memory");
}

#else
#error "there is no way known to flush a cache line on this machine"
#endif

void bench_flush(const void *memory, size_t bytes)
{
    uintptr_t first = (uintptr_t)memory & ~(uintptr_t)(LINE_BYTES - 1);
    bench_settle();
    flush_lines(first, (uintptr_t)memory + bytes);
    bench_settle();
}
