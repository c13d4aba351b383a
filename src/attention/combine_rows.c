/* SPDX-License-Identifier: Apache-2.0 */
#include "attention/combine_body.h"

void afd__combine_rows(const afd__combine_work *work)
{
    combine_work(work);
}
