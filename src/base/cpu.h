/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFD_BASE_CPU_H
#define AFD_BASE_CPU_H

#include <stdbool.h>

/* Whether this CPU has AVX2 and F16C and the system saves their registers. Costs a load and a test. */
bool afd__cpu_has_avx2(void);

#endif
