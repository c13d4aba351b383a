/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending writers into mapped windows, and asking after the peer: what may allocate and call the system. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "transport/mapped.h"

afd__mapped_target afd__mapped_target_of(const afd_window *window, const afd_writer_ops *ops)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    bool is_ffn = info.kind == AFD_WINDOW_FFN;
    return (afd__mapped_target){
        .ops = ops,
        .kind = info.kind,
        .shape = info.shape,
        .sizes = info.sizes,
        .token_info = is_ffn ? (void *)afd_window_desc(window, 0, 0) : (void *)afd_window_slot_flags(window, 0),
        .token_data = afd_window_token_data(window, 0, 0),
        .window = window,
    };
}

static afd_status fail_memory(uint64_t bytes, afd_error *error)
{
    return afd__fail(error, AFD_ERR_NO_MEMORY, "writer", bytes, 0, "no memory for %" PRIu64 " bytes of a writer",
                     bytes);
}

/* The writer's own memory of its rounds. What does not fit 64 bits is more than there is, too. */
static afd_status make_rounds(afd__mapped_writer *writer, afd_error *error)
{
    const afd_shape *shape = &writer->base.shape;
    bool is_ffn = writer->base.kind == AFD_WINDOW_FFN;
    /* Fits: the token info of as many rounds was measured. */
    uint64_t round_num = (is_ffn ? shape->session_num : UINT64_C(1)) * shape->micro_batch_num;
    writer->rounds = calloc(round_num, sizeof(*writer->rounds));
    if (writer->rounds == NULL) {
        return fail_memory(round_num, error);
    }
    if (is_ffn) {
        return AFD_OK;
    }
    /* Fits for the same reason: a mask has a bit where the token info has four bytes. */
    writer->mask_words = writer->slot_num / 64 + (writer->slot_num % 64 != 0);
    writer->put_masks = calloc(round_num * writer->mask_words, sizeof(*writer->put_masks));
    return writer->put_masks != NULL ? AFD_OK : fail_memory(round_num * writer->mask_words * sizeof(uint64_t), error);
}

static void free_writer(afd__mapped_writer *writer)
{
    free(writer->rounds);
    free(writer->put_masks);
    free(writer);
}

afd_status afd__mapped_create(const afd__mapped_target *target, afd_writer **writer, afd_error *error)
{
    bool is_ffn = target->kind == AFD_WINDOW_FFN;
    afd__mapped_writer *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return fail_memory(sizeof(*made), error);
    }
    made->base.ops = target->ops;
    made->base.kind = target->kind;
    made->base.shape = target->shape;
    made->base.slot_bytes = is_ffn ? target->shape.attn_to_ffn_token_size : target->shape.ffn_to_attn_token_size;
    made->token_info = target->token_info;
    made->token_data = target->token_data;
    made->info_bytes = target->sizes.desc_bytes;
    made->slot_num = (size_t)target->shape.micro_batch_size * target->shape.selected_expert_num;
    made->window = target->window;
    made->joined = target->joined;
    afd_status status = make_rounds(made, error);
    if (status != AFD_OK) {
        free_writer(made);
        return status;
    }
    *writer = &made->base;
    return AFD_OK;
}

afd_peer_state afd__mapped_peer(const afd_writer *base)
{
    const afd__mapped_writer *writer = (const afd__mapped_writer *)(const void *)base;
    if (writer->window == NULL) {
        return AFD_PEER_ALIVE;
    }
    afd_window_info info;
    afd_window_describe(writer->window, &info);
    switch (info.owner) {
    case AFD_OWNER_ALIVE:
        return AFD_PEER_ALIVE;
    case AFD_OWNER_DEAD:
        return AFD_PEER_DEAD;
    default:
        return AFD_PEER_UNKNOWN;
    }
}

void afd__mapped_close(afd_writer *base)
{
    afd__mapped_writer *writer = (afd__mapped_writer *)(void *)base;
    afd__mapped_discard_all(writer); /* or the session's next producer would find it in the desc */
    afd_window_close(writer->joined);
    free_writer(writer);
}
