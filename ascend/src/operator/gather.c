/* SPDX-License-Identifier: Apache-2.0 */
#include "operator/gather.h"

#include <string.h>

#include "base/checked.h"

/* ---- planning ---- */

bool afd__acl_input_plan(const afd__acl_view *view, afd__acl_input *input, uint64_t *workspace_bytes)
{
    const size_t element_bytes = aclDataTypeSize(view->data_type);
    const bool in_place = view->data == NULL || (view->contiguous && (uintptr_t)view->data % element_bytes == 0);
    uint64_t bytes = 0;
    if (!in_place && (!afd__mul_u64(view->element_num, element_bytes, &bytes) ||
                      !afd__round_up_u64(bytes, AFD__ACL_WORKSPACE_ALIGN, &bytes))) {
        return false;
    }
    *input = (afd__acl_input){ .view = *view, .in_place = in_place, .workspace_offset = *workspace_bytes };
    return afd__add_u64(*workspace_bytes, bytes, workspace_bytes);
}

/* ---- gathering ---- */

typedef struct copying {
    const afd__acl_view *view;
    size_t element_bytes;
    uint64_t run_dim; /* from here on, the dims of the view are one run of memory */
    size_t run_bytes;
    char *to;
} copying;

/* The longest run that the last dims make, so that a row of many elements is one copy. */
static void find_run(copying *c)
{
    const afd__acl_view *view = c->view;
    uint64_t run_num = 1;
    c->run_dim = view->rank;
    while (c->run_dim > 0) {
        const uint64_t dim = (uint64_t)view->dims[c->run_dim - 1];
        if (dim != 1 && (uint64_t)view->strides[c->run_dim - 1] != run_num) {
            break;
        }
        run_num *= dim; /* at most the elements of the view, which were counted */
        c->run_dim--;
    }
    c->run_bytes = run_num * c->element_bytes;
}

/* As a number, because a stride may be negative or anything else, and a pointer must not pass through elsewhere. */
static void copy_from(copying *c, uint64_t dim, uintptr_t from)
{
    if (dim == c->run_dim) {
        memcpy(c->to, (const void *)from, c->run_bytes);
        c->to += c->run_bytes;
        return;
    }
    const uint64_t stride_bytes = (uint64_t)c->view->strides[dim] * c->element_bytes;
    for (int64_t i = 0; i < c->view->dims[dim]; i++) {
        copy_from(c, dim + 1, from + (uint64_t)i * stride_bytes);
    }
}

const void *afd__acl_input_gather(const afd__acl_input *input, void *workspace)
{
    if (input->in_place) {
        return input->view.data;
    }
    char *copy = (char *)workspace + input->workspace_offset;
    copying c = { .view = &input->view, .element_bytes = aclDataTypeSize(input->view.data_type), .to = copy };
    find_run(&c);
    copy_from(&c, 0, (uintptr_t)input->view.data);
    return copy;
}
