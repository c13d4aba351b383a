/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/rank_list.h"

#include <inttypes.h>
#include <stdio.h>

void afd__acl_rank_list_add(afd__acl_rank_list *list, uint32_t rank)
{
    if (list->num < AFD__ACL_RANK_LIST_SHOWN) {
        list->ranks[list->num] = rank;
    }
    list->num++;
}

const char *afd__acl_rank_list_print(const afd__acl_rank_list *list, char text[AFD__ACL_RANK_LIST_TEXT_BYTES])
{
    const uint32_t shown = list->num < AFD__ACL_RANK_LIST_SHOWN ? list->num : AFD__ACL_RANK_LIST_SHOWN;
    /* Eight ranks of ten digits and what is around them fit. */
    int length = snprintf(text, AFD__ACL_RANK_LIST_TEXT_BYTES, list->num == 1 ? "rank" : "ranks");
    for (uint32_t i = 0; i < shown; i++) {
        length += snprintf(text + length, (size_t)(AFD__ACL_RANK_LIST_TEXT_BYTES - length), "%s %" PRIu32,
                           i == 0 ? "" : ",", list->ranks[i]);
    }
    if (list->num > shown) {
        (void)snprintf(text + length, (size_t)(AFD__ACL_RANK_LIST_TEXT_BYTES - length), " and %" PRIu32 " more",
                       list->num - shown);
    }
    return text;
}
