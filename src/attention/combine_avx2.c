/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled with -mavx2 -mf16c (src/CMakeLists.txt) and called only where the CPU has both. */
#include "attention/combine_body.h"

void afd__combine_rows_avx2(const afd__combine_work *work)
{
    combine_work(work);
}
