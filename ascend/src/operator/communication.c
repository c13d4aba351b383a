/* SPDX-License-Identifier: Apache-2.0 */
#include "operator/communication.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "comm/settings.h"
#include "runtime/message.h"

/* ---- what is handed in ---- */

static aclnnStatus check_group_given(const char *op_name, const char *group)
{
    const aclnnStatus status = afd__acl_op_check_given(op_name, group, "group");
    if (status != ACL_SUCCESS || group[0] != '\0') {
        return status;
    }
    return afd__acl_fail(AFD__ACLNN_PARAM_NULL, "%s: group is empty", op_name);
}

static aclnnStatus check_group_length(const char *op_name, const char *group)
{
    if (strnlen(group, COMM_NAME_MAX_LENGTH) < COMM_NAME_MAX_LENGTH) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_PARAM_INVALID, "%s: group has %d or more characters, must have fewer", op_name,
                         COMM_NAME_MAX_LENGTH);
}

static aclnnStatus check_given(const afd__acl_handed *handed)
{
    const char *op_name = handed->required->op_name;
    aclnnStatus status = afd__acl_tiling_given(handed->required, handed->tensors);
    for (uint32_t i = 0; i < handed->array_num && status == ACL_SUCCESS; i++) {
        status = afd__acl_op_check_given(op_name, handed->arrays[i], handed->array_names[i]);
    }
    if (status == ACL_SUCCESS) {
        status = check_group_given(op_name, handed->group);
    }
    return status == ACL_SUCCESS ? check_group_length(op_name, handed->group) : status;
}

static aclnnStatus view_optional(const afd__acl_handed *handed, uint32_t number, afd__acl_view *view)
{
    *view = (afd__acl_view){ 0 };
    return handed->tensors[number] == NULL ? ACL_SUCCESS
                                           : afd__acl_op_view(handed->required->op_name, handed->tensors[number],
                                                              handed->required->names[number], view);
}

aclnnStatus afd__acl_communication_handed(const afd__acl_handed *handed, afd__acl_view *views)
{
    aclnnStatus status = check_given(handed);
    if (status == ACL_SUCCESS) {
        status = afd__acl_tiling_views(handed->required, handed->tensors, views);
    }
    for (uint32_t i = handed->required->num; i < handed->tensor_num && status == ACL_SUCCESS; i++) {
        status = view_optional(handed, i, &views[i]);
    }
    for (uint32_t i = 0; i < handed->array_num && status == ACL_SUCCESS; i++) {
        status = afd__acl_op_check_array(handed->arrays[i]);
    }
    return status;
}

/* ---- the group ---- */

/* The sentence that is pending, of whoever found the cause, behind the operator's name. */
static int fail_pending(int code, const char *op_name)
{
    return afd__acl_fail(code, "%s: %s", op_name, afd__acl_message_pending());
}

aclError afd__acl_communication_fail(const char *op_name)
{
    return fail_pending(ACL_ERROR_RT_AICORE_EXCEPTION, op_name);
}

static aclnnStatus check_size(const char *op_name, const char *group, int64_t world_size, HcclComm handle)
{
    afd__acl_comm *comm = afd__acl_comm_hold(handle);
    if (comm == NULL) {
        return fail_pending(AFD__ACLNN_TILING_FAILED, op_name);
    }
    const uint32_t rank_num = afd__acl_comm_size(comm);
    afd__acl_object_release(comm);
    if (world_size == rank_num) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: worldSize is %" PRId64 ", must be %" PRIu32
                         ", the ranks of group '%s'", op_name, world_size, rank_num, group);
}

aclnnStatus afd__acl_communication_find(const char *op_name, const char *group, int64_t world_size, HcclComm *comm)
{
    HcclComm found = afd__acl_comm_find(group);
    if (found == NULL) {
        return fail_pending(AFD__ACLNN_TILING_FAILED, op_name);
    }
    const aclnnStatus status = check_size(op_name, group, world_size, found);
    if (status == ACL_SUCCESS) {
        *comm = found;
    }
    return status;
}

/* ---- shapes ---- */

aclnnStatus afd__acl_communication_hidden(const char *op_name, int64_t hidden)
{
    const aclnnStatus status = afd__acl_tiling_range(op_name, "H of x", hidden, AFD__ACL_HIDDEN_MIN,
                                                     AFD__ACL_HIDDEN_MAX);
    return status == ACL_SUCCESS ? afd__acl_tiling_hidden(op_name, "H of x", hidden) : status;
}

aclnnStatus afd__acl_communication_shape(const char *op_name, const afd__acl_shape_array *array, int64_t *values)
{
    uint64_t found_num = 0;
    if (afd__acl_op_values(array->array, values, array->num, &found_num)) {
        return ACL_SUCCESS;
    }
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s has %" PRIu64 " values, must have %" PRIu64 " %s", op_name,
                         array->name, found_num, array->num, array->layout);
}

/* ---- windows ---- */

static aclnnStatus fail_window(const char *op_name, uint32_t rank, uint64_t bytes, uint64_t needed)
{
    const uint64_t unit = UINT64_C(1) << AFD__ACL_COMM_BUFFSIZE_SHIFT;
    return afd__acl_fail(AFD__ACLNN_TILING_FAILED,
                         "%s: the window of rank %" PRIu32 " has %" PRIu64 " bytes, this shape needs %" PRIu64
                         ": %s=%" PRIu64 " would do", op_name, rank, bytes, needed, AFD__ACL_COMM_BUFFSIZE_VARIABLE,
                         needed / unit + (needed % unit != 0));
}

/* What is known of a rank's window by now: UINT64_MAX where that is nothing. It is no failure, so the sentence that was
 * pending before stays. */
static uint64_t known_bytes(afd__acl_comm *comm, uint32_t rank)
{
    char pending[AFD__ACL_MESSAGE_BYTES];
    afd__acl_comm_window window;
    (void)snprintf(pending, sizeof(pending), "%s", afd__acl_message_pending());
    if (afd__acl_comm_window_of(comm, rank, &window)) {
        return window.bytes;
    }
    afd__acl_say("%s", pending);
    return UINT64_MAX;
}

/* The rank whose window decides: the first that is too small, or where one that fits is enough, the largest. */
static aclnnStatus check_windows(const char *op_name, afd__acl_comm *comm, const afd__acl_window_wanted *wanted,
                                 uint64_t needed)
{
    uint32_t largest = wanted->first_rank;
    uint64_t largest_bytes = 0;
    for (uint32_t rank = wanted->first_rank; rank < wanted->first_rank + wanted->rank_num; rank++) {
        const uint64_t bytes = known_bytes(comm, rank);
        if (bytes < needed && !wanted->one_is_enough) {
            return fail_window(op_name, rank, bytes, needed);
        }
        if (bytes > largest_bytes) {
            largest = rank;
            largest_bytes = bytes;
        }
    }
    return largest_bytes >= needed ? ACL_SUCCESS : fail_window(op_name, largest, largest_bytes, needed);
}

aclnnStatus afd__acl_communication_windows(const char *op_name, HcclComm handle, const afd__acl_window_wanted *wanted)
{
    afd_window_sizes sizes;
    afd_error error;
    const afd_status measured = wanted->kind == AFD_WINDOW_FFN
                                    ? afd_ffn_window_measure(&wanted->shape, &sizes, &error)
                                    : afd_attention_window_measure(&wanted->shape, &sizes, &error);
    if (measured != AFD_OK) {
        return afd__acl_fail(AFD__ACLNN_TILING_FAILED, "%s: %s", op_name, error.message);
    }
    afd__acl_comm *comm = afd__acl_comm_hold(handle);
    if (comm == NULL) {
        return fail_pending(AFD__ACLNN_TILING_FAILED, op_name);
    }
    const aclnnStatus status = check_windows(op_name, comm, wanted, sizes.window_bytes);
    afd__acl_object_release(comm);
    return status;
}
