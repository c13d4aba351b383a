/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/floor.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SENTINEL_BYTE = 0x7F, AHEAD_BYTES = 1024 };

void bench_floor_take_libc(void *to, void *from, size_t bytes)
{
    memcpy(to, from, bytes);
    memset(from, SENTINEL_BYTE, bytes);
}

void bench_floor_refill(void *to, size_t bytes)
{
    memset(to, SENTINEL_BYTE, bytes);
}

typedef struct stream {
    char *to;
    char *from;
    size_t bytes;
} stream;

static inline void step(stream *s, size_t bytes)
{
    s->to += bytes;
    s->from += bytes;
    s->bytes -= bytes;
}

/* Fetches the line that comes up into the cache to be written, because the refill will. It may lie behind the end. */
static inline __attribute__((always_inline)) void prefetch_ahead(const stream *s)
{
    __builtin_prefetch(s->from + AHEAD_BYTES, 1);
}

/* What every machine of a kind has: SSE2, NEON. */
typedef int32_t vector128 __attribute__((vector_size(16), aligned(4), may_alias));

static void take_128(stream s, bool ahead)
{
    const vector128 sentinel = { 0x7F7F7F7F, 0x7F7F7F7F, 0x7F7F7F7F, 0x7F7F7F7F };
    for (; s.bytes >= 64; step(&s, 64)) {
        vector128 *from = (vector128 *)(void *)s.from;
        vector128 *to = (vector128 *)(void *)s.to;
        vector128 a = from[0], b = from[1], c = from[2], d = from[3];
        if (ahead) {
            prefetch_ahead(&s);
        }
        to[0] = a, to[1] = b, to[2] = c, to[3] = d;
        from[0] = sentinel, from[1] = sentinel, from[2] = sentinel, from[3] = sentinel;
    }
    for (; s.bytes > 0; step(&s, 4)) {
        memcpy(s.to, s.from, 4);
        memset(s.from, SENTINEL_BYTE, 4);
    }
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static void take_256(stream s, bool ahead)
{
    const __m256i sentinel = _mm256_set1_epi8(SENTINEL_BYTE);
    for (; s.bytes >= 64; step(&s, 64)) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)s.from);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(s.from + 32));
        if (ahead) {
            prefetch_ahead(&s);
        }
        _mm256_storeu_si256((__m256i *)(void *)s.to, a);
        _mm256_storeu_si256((__m256i *)(void *)(s.to + 32), b);
        _mm256_storeu_si256((__m256i *)(void *)s.from, sentinel);
        _mm256_storeu_si256((__m256i *)(void *)(s.from + 32), sentinel);
    }
    take_128(s, false);
}

__attribute__((target("avx512f"))) static void take_512(stream s, bool ahead)
{
    const __m512i sentinel = _mm512_set1_epi32(0x7F7F7F7F);
    for (; s.bytes >= 64; step(&s, 64)) {
        __m512i a = _mm512_loadu_si512(s.from);
        if (ahead) {
            prefetch_ahead(&s);
        }
        _mm512_storeu_si512(s.to, a);
        _mm512_storeu_si512(s.from, sentinel);
    }
    if (s.bytes > 0) {
        __mmask16 rest = (__mmask16)((1U << (s.bytes / 4)) - 1);
        _mm512_mask_storeu_epi32(s.to, rest, _mm512_maskz_loadu_epi32(rest, s.from));
        _mm512_mask_storeu_epi32(s.from, rest, sentinel);
    }
}

#endif

static inline __attribute__((always_inline)) void take(void *to, void *from, size_t bytes, bool ahead)
{
    stream s = { to, from, bytes };
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        take_512(s, ahead);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        take_256(s, ahead);
        return;
    }
#endif
    take_128(s, ahead);
}

void bench_floor_take_fused(void *to, void *from, size_t bytes)
{
    take(to, from, bytes, false);
}

void bench_floor_take_ahead(void *to, void *from, size_t bytes)
{
    take(to, from, bytes, true);
}

void bench_floor_spin(const int32_t *flag)
{
    while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) != 1) {
    }
}

bool bench_floor_scan(const char *first, size_t num, size_t stride_bytes)
{
    bool found = false;
    for (size_t i = 0; i < num; i++) {
        found |= __atomic_load_n((const int32_t *)(const void *)(first + i * stride_bytes), __ATOMIC_RELAXED) == 1;
    }
    return found;
}

const char *bench_floor_vectors(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return "avx512";
    }
    if (__builtin_cpu_supports("avx2")) {
        return "avx2";
    }
#endif
    return "128-bit";
}
