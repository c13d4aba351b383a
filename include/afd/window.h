/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows: the memory of a worker that its peers write into.
 *
 * An FFN window holds, for S sessions with M micro-batches of BS tokens and E slots a token,
 *
 *     token info   desc[S][M],  desc = { i32 flag; i32 layer_id; i32 expert_ids[BS][E]; } = 8 + 4*BS*E bytes,
 *                  no padding between descs; the table as a whole is padded to 512 bytes
 *     token data   u8[S][M][BS][E][HS],  HS = attn_to_ffn_token_size
 *
 * An attention window holds, for its one session,
 *
 *     token info   i32 flag[M][BS][E], a flag a slot; padded as a whole to 512 bytes
 *     token data   u8[M][BS][E][HS],  HS = ffn_to_attn_token_size
 *
 * flag 1 = ready, 0 = free; anything else is "not ready". An expert id of 1,000,000 or more is an empty slot: a
 * producer writes only the slots that go to this worker, the rest keep the sentinel. docs/window-format.md has the
 * whole format, our header beside the window included, and who writes what when.
 *
 * The life of a desc, and the only four steps that touch a live flag:
 *     producer   afd_ffn_desc_is_free()   acquire: the ids are ours to write
 *     producer   writes token data, expert ids and layer_id; then afd_ffn_desc_publish(), release
 *     scheduler  takes it when the flag is exactly 1, acquire: reads the rest
 *     scheduler  refills the ids with the sentinel, then flag 0, release
 * The token data of (session, micro-batch) is free again when the round is over: when all its results are in.
 *
 * A window lives in private memory, for threads of one process, or in named shared memory, for processes of one user on
 * one host. Its creator owns it. A peer that has joined can write all of it, so nothing read from a window is trusted.
 *
 * Threads: one afd_window may be used by any number of threads at once, except for afd_window_close(), which must be
 * the last. One desc has one producer. fork: the child keeps the mapping and may use it; a child's afd_window_close()
 * unmaps and never removes the name, because the child is not the owner.
 */
#ifndef AFD_WINDOW_H
#define AFD_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/context.h"
#include "afd/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is declared here, and only that, is visible outside of the library. */
#pragma GCC visibility push(default)

enum {
    AFD_FLAG_FREE = 0,
    AFD_FLAG_READY = 1,
    AFD_EXPERT_ID_LIMIT = 1000000,       /* ids from here on are empty slots */
    AFD_EXPERT_ID_NONE = 0x7FFFFFFF,     /* what a new window holds */
    AFD_EXPERT_ID_REFILL = 0x7F7F7F7F,   /* what the scheduler leaves behind */
    AFD_TOKEN_INFO_ALIGN_BYTES = 512,
    AFD_WINDOW_NAME_MAX = 63             /* characters of a name, from [A-Za-z0-9._-], the first not '.' */
};

/* The start of a desc; expert_ids[BS][E] follow at once. A desc is only 4-byte aligned. */
typedef struct afd_ffn_desc {
    int32_t flag;     /* atomic; touched only through the functions below */
    int32_t layer_id; /* payload: written before the flag, never together with it */
} afd_ffn_desc;

/* Whose window it is: who reads it. */
typedef enum afd_window_kind {
    AFD_WINDOW_FFN = 1,
    AFD_WINDOW_ATTENTION = 2
} afd_window_kind;

/* The sizes that a shape has; every one follows from the formulas above. */
typedef struct afd_window_sizes {
    uint64_t desc_bytes;       /* FFN: 8 + 4*BS*E, of a desc; attention: 4*BS*E, the flags of a micro-batch */
    uint64_t token_info_bytes; /* FFN: S*M*desc_bytes; attention: M*desc_bytes; without padding */
    uint64_t token_data_bytes; /* FFN: S*M*BS*E*HS; attention: M*BS*E*HS */
    uint64_t token_data_offset; /* of the data behind the info: token_info_bytes rounded up to 512 */
    uint64_t window_bytes;     /* token_data_offset + token_data_bytes */
} afd_window_sizes;

/* AFD_ERR_INVALID where a count is 0, AFD_ERR_OVERFLOW where a size does not fit; *sizes is then left as it was. */
afd_status afd_ffn_window_measure(const afd_shape *shape, afd_window_sizes *sizes, afd_error *error);
afd_status afd_attention_window_measure(const afd_shape *shape, afd_window_sizes *sizes, afd_error *error);

/*
 * Makes `memory` (4-byte aligned, `bytes` of it at least window_bytes, owned by the caller) a fresh FFN window: every
 * flag free, every layer_id 0, every expert id AFD_EXPERT_ID_NONE; token data is not touched. Not for one in use.
 */
afd_status afd_ffn_window_format(const afd_shape *shape, void *memory, uint64_t bytes, afd_error *error);

/* The same for an attention window: every flag free. */
afd_status afd_attention_window_format(const afd_shape *shape, void *memory, uint64_t bytes, afd_error *error);

/* A window that this process has created, joined or opened. Opaque. */
typedef struct afd_window afd_window;

typedef enum afd_window_access {
    AFD_WINDOW_READ = 0, /* to look: `afd inspect`. Writing into it is a fault (SIGSEGV). */
    AFD_WINDOW_WRITE = 1 /* to produce into it */
} afd_window_access;

/*
 * A fresh window in private memory: it and everything in it ends with afd_window_close(). Reserves address space;
 * pages of token data come when they are first written.
 */
afd_status afd_ffn_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error);
afd_status afd_attention_window_create_private(const afd_shape *shape, afd_window **window, afd_error *error);

/*
 * A fresh window in shared memory under `name` (mode 0600), owned by this process until it closes it or dies. All
 * of it is reserved now: AFD_ERR_NO_SPACE names the bytes needed and free, and nothing is left behind. A name whose
 * owner lives is AFD_ERR_EXISTS with its pid; one whose owner is dead is replaced, and afd_window_info.replaced_pid
 * says whose it was. The name appears only when the window is complete, so a joiner never sees half of one.
 */
afd_status afd_ffn_window_create_shared(const char *name, const afd_shape *shape, afd_window **window,
                                        afd_error *error);
afd_status afd_attention_window_create_shared(const char *name, const afd_shape *shape, afd_window **window,
                                              afd_error *error);

/*
 * Joins the window `name` of another process, or of this one. Everything in its header is checked before anything else
 * is looked at: file mode and owner, magic, version, kind, shape against sizes, sizes against the file, and that its
 * owner lives (AFD_ERR_OWNER_DEAD if not, for writing; a dead owner's window can still be read).
 */
afd_status afd_window_join(const char *name, afd_window_access access, afd_window **window, afd_error *error);

/* Opens a file that afd_window_dump() wrote, to look. The same checks; the owner need not live. */
afd_status afd_window_open_file(const char *path, afd_window **window, afd_error *error);

/*
 * Ends the use of a window: unmaps it, and removes the name if this process owns it. NULL is allowed. Contexts bound to
 * it must not be used any more.
 */
void afd_window_close(afd_window *window);

/* Copies header and window, as they are at this moment, into a new file at `path` (mode 0600; never over an old one).
 * */
afd_status afd_window_dump(const afd_window *window, const char *path, afd_error *error);

typedef enum afd_owner_state {
    AFD_OWNER_ALIVE = 0,
    AFD_OWNER_DEAD = 1,
    AFD_OWNER_UNKNOWN = 2 /* it lives in another pid namespace; it cannot be seen from here */
} afd_owner_state;

/* What a window says of itself. */
typedef struct afd_window_info {
    char name[AFD_WINDOW_NAME_MAX + 1]; /* "" for private memory */
    bool valid;                /* the header passed every check of afd_window_join(); only listing shows others */
    char problem[AFD_ERROR_MESSAGE_BYTES]; /* why it is not valid, else "" */
    afd_window_kind kind;
    afd_shape shape;
    afd_window_sizes sizes;
    uint64_t generation;       /* grows with every window made under this name */
    int64_t created_unix_ns;   /* on CLOCK_REALTIME */
    uint32_t owner_pid;
    uint32_t replaced_pid;     /* of the dead owner whose window this one replaced, else 0 */
    afd_owner_state owner;
    uint64_t file_bytes;       /* of the shared memory, header included; 0 for private memory */
} afd_window_info;

/* As of now: the owner's state is looked up at each call, so this is also how a joiner asks whether the owner lives. */
void afd_window_describe(const afd_window *window, afd_window_info *info);

/*
 * Calls each(arg, info) for every window in this host's shared memory that this user may read, in the order of names.
 * Windows of dead owners and files that are not valid windows are shown too, with info->valid and info->owner.
 * *info lives until each() returns.
 */
afd_status afd_window_list(void (*each)(void *arg, const afd_window_info *info), void *arg, afd_error *error);

/*
 * Removes the name `name`. Unless `force`: AFD_ERR_EXISTS with the owner's pid if the owner lives or cannot be seen,
 * AFD_ERR_BAD_WINDOW if the name stands for something else than a window.
 * Processes that have the window open keep their mapping.
 */
afd_status afd_window_remove(const char *name, bool force, afd_error *error);

/*
 * Fills the ffn.window or the attention.window fields of `context` in, by the window's kind. AFD_ERR_INVALID where a
 * count of the context differs from the window's, or where the window was opened to look.
 */
afd_status afd_window_bind(afd_window *window, afd_schedule_context *context, afd_error *error);

/* The desc of (session, micro_batch) of an FFN window, NULL if one of them is out of range or it is an attention
 * window. Valid until afd_window_close(). */
afd_ffn_desc *afd_window_desc(const afd_window *window, uint32_t session, uint32_t micro_batch);

/* The flags of micro_batch of an attention window, i32[BS][E]; NULL if out of range or it is an FFN window. */
int32_t *afd_window_slot_flags(const afd_window *window, uint32_t micro_batch);

/* The token data of (session, micro_batch), u8[BS][E][HS]; NULL if out of range or the window carries none. An
 * attention window has one session, 0. */
void *afd_window_token_data(const afd_window *window, uint32_t session, uint32_t micro_batch);

/* expert_ids[BS][E] of a desc: payload, to be written only between is_free and publish. */
int32_t *afd_ffn_desc_expert_ids(afd_ffn_desc *desc);

/*
 * Whether the producer may write the desc: its flag is not 1. Acquire: it meets the scheduler's give-back, after which
 * the scheduler reads and writes nothing of the desc. Wait-free. Called by the desc's one producer.
 */
bool afd_ffn_desc_is_free(const afd_ffn_desc *desc);

/*
 * Hands the desc to the scheduler: flag = 1 with release, one 4-byte store. Token data, ids and layer_id must have been
 * written; nothing of them may be written again before the desc is free. Wait-free. Called by the desc's one producer.
 */
void afd_ffn_desc_publish(afd_ffn_desc *desc);

/* The flag as it is now, for looking (relaxed: it gives no right to read anything else). */
int32_t afd_ffn_desc_peek_flag(const afd_ffn_desc *desc);

/*
 * The layer_id as it is now, for looking; it may belong to a later round than the flag that was looked at. Its producer
 * writes it with a plain store, so this and the next are for another process's window, or for a producer at rest.
 */
int32_t afd_ffn_desc_peek_layer_id(const afd_ffn_desc *desc);

/* One expert id as it is now, index in [0, BS*E), for looking, as above. */
int32_t afd_ffn_desc_peek_expert_id(const afd_ffn_desc *desc, size_t index);

/*
 * The same for one slot of an attention window, whose reader is the attention worker: publish is for the FFN worker
 * that computed the slot, after it wrote the slot's token data; release, it meets the acquire of
 * afd_attention_schedule(). There is no is_free: a slot is free from its micro-batch's dispatch on.
 */
void afd_slot_publish(int32_t *flag);
int32_t afd_slot_peek_flag(const int32_t *flag);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
