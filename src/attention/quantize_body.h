/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a file with the passes of one width: it has defined largest_of_token() and write_token(), which are
 * inlined here for each type, with and without smooth scales, so that neither is asked in a loop.
 */
#ifndef AFD_ATTENTION_QUANTIZE_BODY_H
#define AFD_ATTENTION_QUANTIZE_BODY_H

#include "attention/quantize.h"

static int32_t find_largest(const afd__quantize_work *work)
{
    bool is_smooth = work->smooth_scales != NULL;
    if (work->type == AFD_TOKEN_F16) {
        return is_smooth ? largest_of_token(work, AFD_TOKEN_F16, true) : largest_of_token(work, AFD_TOKEN_F16, false);
    }
    return is_smooth ? largest_of_token(work, AFD_TOKEN_BF16, true) : largest_of_token(work, AFD_TOKEN_BF16, false);
}

static void write_values(uint8_t *slot, const afd__quantize_work *work, float d)
{
    bool is_smooth = work->smooth_scales != NULL;
    if (work->type == AFD_TOKEN_F16 && is_smooth) {
        write_token(slot, work, d, AFD_TOKEN_F16, true);
    } else if (work->type == AFD_TOKEN_F16) {
        write_token(slot, work, d, AFD_TOKEN_F16, false);
    } else if (is_smooth) {
        write_token(slot, work, d, AFD_TOKEN_BF16, true);
    } else {
        write_token(slot, work, d, AFD_TOKEN_BF16, false);
    }
}

#endif
