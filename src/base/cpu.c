/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

bool afd__cpu_has_avx2(void)
{
#if defined(__x86_64__) && defined(__clang__)
    /* Has no name for F16C before clang 19. Every CPU with AVX2 has it. */
    return __builtin_cpu_supports("avx2") != 0;
#elif defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("f16c") != 0;
#else
    return false;
#endif
}
