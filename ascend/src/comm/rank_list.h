/* SPDX-License-Identifier: Apache-2.0 */
/* The ranks that somebody waits for, for a sentence: "rank 2", or "ranks 1, 3, 4 and 12 more". */
#ifndef AFD_ASCEND_COMM_RANK_LIST_H
#define AFD_ASCEND_COMM_RANK_LIST_H

#include <stdint.h>

enum { AFD__ACL_RANK_LIST_SHOWN = 8, AFD__ACL_RANK_LIST_TEXT_BYTES = 128 };

typedef struct afd__acl_rank_list {
    uint32_t num;
    uint32_t ranks[AFD__ACL_RANK_LIST_SHOWN]; /* the first of them */
} afd__acl_rank_list;

void afd__acl_rank_list_add(afd__acl_rank_list *list, uint32_t rank);

/* The list as text, which is returned. */
const char *afd__acl_rank_list_print(const afd__acl_rank_list *list, char text[AFD__ACL_RANK_LIST_TEXT_BYTES]);

#endif
