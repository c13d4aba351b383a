/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our header beside a shared window: the first 4096 bytes of the shared memory. It is written by the owner before the
 * window has a name, and never again. The counters of afd/stats.h stand between it and the token info. Its offsets are
 * in docs/window-format.md.
 */
#ifndef AFD_WINDOW_HEADER_H
#define AFD_WINDOW_HEADER_H

#include <stdint.h>

#include "afd/window.h"
#include "window/owner.h"

#define AFD_WINDOW_MAGIC UINT64_C(0x314E495744464121) /* "!AFDWIN1" */

enum {
    AFD_WINDOW_VERSION = 2,
    AFD_WINDOW_HEADER_BYTES = 4096, /* a page; the counters behind it end with one, so the token info starts on one */
    AFD_WINDOW_MEMBER_MAX = 65536   /* FFN workers of an attention window: 8 MiB of counters; no cluster has as many */
};

typedef struct afd__window_header {
    uint64_t magic;             /*   0 */
    uint32_t version;           /*   8 */
    uint32_t kind;              /*  12: an afd_window_kind */
    uint64_t header_bytes;      /*  16: where the token info starts: header and counters */
    uint64_t file_bytes;        /*  24: header, counters and window */
    uint64_t generation;        /*  32 */
    int64_t created_unix_ns;    /*  40 */
    afd_shape shape;            /*  48: seven counts of 4 bytes */
    uint32_t reserved_shape;    /*  76 */
    uint64_t token_info_bytes;  /*  80 */
    uint64_t token_data_offset; /*  88: from the token info */
    uint64_t token_data_bytes;  /*  96 */
    afd__owner owner;           /* 104: 64 bytes */
    uint32_t replaced_pid;      /* 168 */
    uint32_t member_num;        /* 172: S of an FFN window */
    uint64_t stats_offset;      /* 176: of the counters, from the start of the file */
    uint8_t reserved[AFD_WINDOW_HEADER_BYTES - 184];
} afd__window_header;

/* Now on CLOCK_REALTIME, in ns: when a window was created. */
int64_t afd__header_time_ns(void);

/* Where the token info starts behind the counters of so many members. */
uint64_t afd__header_bytes(uint32_t member_num);

/* Fills a header in for a window of this process, whose kind, shape and member_num are set and fit the file. */
afd_status afd__header_init(afd__window_header *header, const afd_window_sizes *sizes, afd_error *error);

/*
 * Checks a header that somebody else wrote, in our own copy of it, against the size of the file it came from: magic,
 * version, kind, sizes as they follow from kind and shape, text terminated. After AFD_OK every field may be used, and
 * *sizes is what kind and shape measure. Whether the owner lives is another question (afd__owner_state).
 */
afd_status afd__header_check(const afd__window_header *header, uint64_t file_bytes, afd_window_sizes *sizes,
                             afd_error *error);

/* What the header says, as afd_window_info; the caller adds the name. */
void afd__header_describe(const afd__window_header *header, const afd_window_sizes *sizes, afd_window_info *info);

#endif
