/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the counts of a context, in checked arithmetic. */
#ifndef AFD_CONTEXT_SHAPE_H
#define AFD_CONTEXT_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/context.h"

/* The context is there, and aligned as its type is. */
afd_status afd__context_check(const afd_schedule_context *context, afd_error *error);

/* The first of S, M, BS, E that is 0 fails, under its name in `field_names`; AFD_OK if none is. */
afd_status afd__shape_check_counts(const afd_shape *shape, const char *const field_names[4], afd_error *error);

/* The field names of afd__shape_check_counts() for an afd_shape and for a context. */
extern const char *const afd__shape_fields[4];
extern const char *const afd__context_fields[4];

/* The sizes of the token info and of the id outputs. */
typedef struct afd__ffn_sizes {
    uint64_t id_num;           /* BS*E, ids in a desc */
    uint64_t desc_bytes;       /* 8 + 4*BS*E */
    uint64_t desc_num;         /* S*M */
    uint64_t token_info_bytes; /* S*M*desc */
    uint64_t row_ids_bytes;    /* 4*S */
    uint64_t expert_ids_bytes; /* 4*S*BS*E */
} afd__ffn_sizes;

/* False if one of them does not fit 64 bits; *sizes is then unspecified. */
bool afd__ffn_sizes_of(const afd_shape *shape, afd__ffn_sizes *sizes);

/* The sizes of the token info of an attention window. */
typedef struct afd__attention_sizes {
    uint64_t slot_num;         /* BS*E, flags of a micro-batch */
    uint64_t flags_bytes;      /* 4*BS*E */
    uint64_t token_info_bytes; /* 4*M*BS*E */
} afd__attention_sizes;

/* False if one of them does not fit 64 bits; *sizes is then unspecified. */
bool afd__attention_sizes_of(const afd_shape *shape, afd__attention_sizes *sizes);

/* The status, with its sentence, for sizes that do not fit. */
afd_status afd__shape_fail_overflow(const afd_shape *shape, const char *field, afd_error *error);

/* The counts of a context as a shape: each field is read once. */
afd_shape afd__context_shape(const afd_schedule_context *context);

#endif
