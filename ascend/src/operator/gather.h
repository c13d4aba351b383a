/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs whose strides are honoured. One whose elements lie one behind the other, aligned as their type needs, is used
 * where it is; any other is copied into the workspace by the task, for which the first phase plans the bytes.
 */
#ifndef AFD_ASCEND_OPERATOR_GATHER_H
#define AFD_ASCEND_OPERATOR_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "operator/operator.h"

typedef struct afd__acl_input {
    afd__acl_view view;        /* all zeros for an optional one that is not given */
    bool in_place;
    uint64_t workspace_offset; /* of the copy, where it is not in place */
} afd__acl_input;

/*
 * Plans the input of a view of at most AFD__ACL_VIEW_RANK_MAX dims, and adds what it needs to *workspace_bytes, which
 * stays a multiple of AFD__ACL_WORKSPACE_ALIGN. False, and nothing is changed, where that does not fit 64 bits.
 */
bool afd__acl_input_plan(const afd__acl_view *view, afd__acl_input *input, uint64_t *workspace_bytes);

/* In the task, once: where the elements are, one behind the other. NULL for an input that is not given. */
const void *afd__acl_input_gather(const afd__acl_input *input, void *workspace);

#endif
