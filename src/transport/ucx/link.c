/* SPDX-License-Identifier: Apache-2.0 */
/* Links: made by one side for a key, by the other for a connection; broken; ended; and freed when UCX has let go. */
#include "transport/ucx/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "afd/transport.h"
#include "base/check.h"
#include "base/checked.h"
#include "base/error.h"

/* ---- memory ---- */

/* What a micro-batch needs, and where in it. */
typedef struct lane_layout {
    uint64_t sent_bytes;     /* the send buffer; it is first */
    uint64_t received_bytes;
    uint64_t entries_bytes;
    uint64_t numbers_bytes;
    uint64_t lane_bytes;     /* of all of them */
    uint64_t link_bytes;     /* of every lane, and a bit for each slot */
} lane_layout;

enum { PART_ALIGN_BYTES = 64 };

static bool add_part(uint64_t *sum, uint64_t count, uint64_t each, uint64_t *part_bytes)
{
    return afd__mul_u64(count, each, part_bytes) && afd__round_up_u64(*part_bytes, PART_ALIGN_BYTES, part_bytes) &&
           afd__add_u64(*sum, *part_bytes, sum);
}

static bool lay_out(const afd__link *link, lane_layout *layout)
{
    const uint64_t slot_num = link->rules.slot_num;
    uint64_t seen_bytes = 0;
    *layout = (lane_layout){ 0 };
    /* The sums of a row and an entry fit: afd__wire_fits(). */
    return add_part(&layout->lane_bytes, slot_num, link->row_bytes + sizeof(afd__wire_entry), &layout->sent_bytes) &&
           add_part(&layout->lane_bytes, slot_num, link->rules.row_bytes + sizeof(afd__wire_entry),
                    &layout->received_bytes) &&
           add_part(&layout->lane_bytes, slot_num, sizeof(afd__wire_entry), &layout->entries_bytes) &&
           add_part(&layout->lane_bytes, slot_num, sizeof(uint32_t), &layout->numbers_bytes) &&
           afd__mul_u64(layout->lane_bytes, link->rules.micro_batch_num, &layout->link_bytes) &&
           add_part(&layout->link_bytes, slot_num / 64 + 1, sizeof(uint64_t), &seen_bytes);
}

/* Address space that reads as zeros, of which only what is written becomes resident: most rounds are far from full. */
static afd_status reserve(afd__link *link, uint64_t bytes, afd_error *error)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        int system_error = errno;
        char text[96];
        (void)snprintf(text, sizeof(text), "reserve %" PRIu64 " bytes for a link", bytes);
        return afd__fail_system(error, system_error, "link", text);
    }
    link->memory = memory;
    link->memory_bytes = bytes;
    return AFD_OK;
}

static void set_lanes(afd__link *link, const lane_layout *layout)
{
    char *part = link->memory;
    for (uint32_t m = 0; m < link->rules.micro_batch_num; m++) {
        afd__lane *lane = &link->lanes[m];
        lane->link = link;
        lane->sent_payload = part;
        lane->received = lane->sent_payload + layout->sent_bytes;
        lane->entries = (afd__wire_entry *)(void *)(lane->received + layout->received_bytes);
        lane->row_numbers = (uint32_t *)(void *)((char *)lane->entries + layout->entries_bytes);
        part += layout->lane_bytes;
    }
    link->seen = (uint64_t *)(void *)part;
}

static afd_status make_memory(afd__link *link, afd_error *error)
{
    lane_layout layout;
    if (!lay_out(link, &layout)) {
        return afd__fail(error, AFD_ERR_OVERFLOW, "link", 0, UINT64_MAX, "the memory of a link does not fit 64 bits");
    }
    const size_t lane_num = link->rules.micro_batch_num;
    link->lanes = calloc(lane_num, sizeof(*link->lanes));
    if (link->lanes == NULL) {
        return afd__fail(error, AFD_ERR_NO_MEMORY, "link", lane_num, 0, "no memory for %zu micro-batches of a link",
                         lane_num);
    }
    afd_status status = reserve(link, layout.link_bytes, error);
    if (status == AFD_OK) {
        set_lanes(link, &layout);
    }
    return status;
}

static void free_link(afd__link *link)
{
    if (link->memory != NULL) {
        (void)munmap(link->memory, link->memory_bytes);
    }
    free(link->lanes);
    free(link);
}

/* ---- checks ---- */

static afd_status check_shape(const afd_shape *shape, const afd_shape *own, afd_error *error)
{
    const struct {
        const char *field;
        uint32_t value;
        uint32_t own;
    } counts[] = {
        { "options.shape.session_num", shape->session_num, own->session_num },
        { "options.shape.micro_batch_num", shape->micro_batch_num, own->micro_batch_num },
        { "options.shape.micro_batch_size", shape->micro_batch_size, own->micro_batch_size },
        { "options.shape.selected_expert_num", shape->selected_expert_num, own->selected_expert_num },
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i].value != counts[i].own) {
            return afd__fail(error, AFD_ERR_INVALID, counts[i].field, counts[i].value, counts[i].own,
                             "%s is %" PRIu32 ", and %" PRIu32 " in the own window", counts[i].field, counts[i].value,
                             counts[i].own);
        }
    }
    return AFD_OK;
}

static afd_status check_options(const afd__link_options *options, afd_error *error)
{
    afd_window_info own;
    const bool sends_rounds = options->kind == AFD_WINDOW_FFN;
    const afd_shape *shape = &options->shape;
    afd_window_describe(options->window, &own);
    if (options->kind == own.kind || (!sends_rounds && options->kind != AFD_WINDOW_ATTENTION)) {
        return afd__fail(error, AFD_ERR_INVALID, "options.kind", (uint64_t)options->kind, (uint64_t)own.kind,
                         "options.kind is %d and the own window's is %d: they must be an FFN and an attention window",
                         (int)options->kind, (int)own.kind);
    }
    afd_status status = afd__check_range("options.key", options->key, 1, UINT64_MAX, error);
    if (status == AFD_OK) {
        status = check_shape(shape, &own.shape, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.session", options->session, 0, shape->session_num - UINT64_C(1), error);
    }
    const uint32_t there = sends_rounds ? shape->attn_to_ffn_token_size : shape->ffn_to_attn_token_size;
    const uint32_t here = sends_rounds ? own.shape.ffn_to_attn_token_size : own.shape.attn_to_ffn_token_size;
    if (status == AFD_OK) {
        status = afd__check_range("options.sent_bytes", options->sent_bytes, 0, there, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.received_bytes", options->received_bytes, 0, here, error);
    }
    if (status == AFD_OK) {
        status = afd__wire_fits(shape, options->sent_bytes, error);
    }
    return status == AFD_OK ? afd__wire_fits(shape, options->received_bytes, error) : status;
}

/* ---- making ---- */

static afd__link **bucket_of(afd__plane *plane, uint64_t key)
{
    return &plane->buckets[key % AFD__LINK_BUCKET_NUM]; /* keys are random numbers */
}

afd__link *afd__link_find(const afd__plane *plane, uint64_t key)
{
    afd__link *link = plane->buckets[key % AFD__LINK_BUCKET_NUM];
    while (link != NULL && link->key != key) {
        link = link->next_in_bucket;
    }
    return link;
}

static void fill_in(afd__link *link, afd__plane *plane, const afd__link_options *options)
{
    const bool sends_rounds = options->kind == AFD_WINDOW_FFN;
    link->base.ops = &afd__link_ops;
    link->base.kind = options->kind;
    link->base.shape = options->shape;
    link->base.slot_bytes = options->sent_bytes;
    link->plane = plane;
    link->key = options->key;
    link->row_bytes = options->sent_bytes;
    link->rules = (afd__wire_rules){
        .greeting = sends_rounds ? AFD__WIRE_ATTACHED : AFD__WIRE_ATTACH,
        .carrier = sends_rounds ? AFD__WIRE_ANSWER : AFD__WIRE_ROUND,
        .session = options->session,
        .micro_batch_num = options->shape.micro_batch_num,
        .slot_num = options->shape.micro_batch_size * options->shape.selected_expert_num,
        .row_bytes = options->received_bytes,
    };
}

static void enter(afd__link *link)
{
    afd__plane *plane = link->plane;
    afd__link **bucket = bucket_of(plane, link->key);
    link->next_in_bucket = *bucket;
    *bucket = link;
    link->next = plane->links;
    plane->links = link;
}

/* NULL, and why, without one. */
static afd__link *make_link(afd__plane *plane, const afd__link_options *options, afd_status *status, afd_error *error)
{
    *status = check_options(options, error);
    if (*status == AFD_OK && afd__link_find(plane, options->key) != NULL) {
        *status = afd__fail(error, AFD_ERR_EXISTS, "options.key", options->key, 0, "a link has this key already");
    }
    if (*status != AFD_OK) {
        return NULL;
    }
    afd__link *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        *status = afd__fail(error, AFD_ERR_NO_MEMORY, "link", sizeof(*made), 0, "no memory for a link of %zu bytes",
                            sizeof(*made));
        return NULL;
    }
    fill_in(made, plane, options);
    *status = make_memory(made, error);
    if (*status == AFD_OK) {
        *status = afd_writer_local_create(options->window, &made->window_writer, error);
    }
    if (*status != AFD_OK) {
        free_link(made);
        return NULL;
    }
    return made;
}

afd_status afd__link_expect(afd__plane *plane, const afd__link_options *options, afd__link **link, afd_error *error)
{
    afd_status status = AFD_OK;
    afd__link *made = make_link(plane, options, &status, error);
    if (made == NULL) {
        return status;
    }
    enter(made);
    *link = made;
    return AFD_OK;
}

afd_status afd__link_connect(afd__plane *plane, const afd__address *address, const afd__link_options *options,
                             afd__link **link, afd_error *error)
{
    afd__connection *connection = NULL;
    afd_status status = AFD_OK;
    afd__link *made = make_link(plane, options, &status, error);
    if (made == NULL) {
        return status;
    }
    status = afd__connection_make(plane, address, &connection, error);
    if (status != AFD_OK) {
        afd_writer_close(made->window_writer);
        free_link(made);
        return status;
    }
    enter(made);
    afd__connection_bind(connection, made);
    afd__link_greet(made);
    *link = made;
    return AFD_OK;
}

void afd__link_greet(afd__link *link)
{
    link->greeting = (afd__wire_header){
        .magic = AFD__WIRE_MAGIC,
        .version = AFD__WIRE_VERSION,
        .kind = (uint32_t)(link->base.kind == AFD_WINDOW_FFN ? AFD__WIRE_ATTACH : AFD__WIRE_ATTACHED),
        .key = link->key,
        .session = link->rules.session,
        .row_bytes = link->row_bytes,
    };
    afd__link_send(link, NULL);
}

/* ---- ending ---- */

/* Nobody finds it by its key any more. */
static void leave_bucket(afd__link *link)
{
    for (afd__link **place = bucket_of(link->plane, link->key); *place != NULL; place = &(*place)->next_in_bucket) {
        if (*place == link) {
            *place = link->next_in_bucket;
            return;
        }
    }
}

void afd__link_break(afd__link *link, const afd_error *cause)
{
    if (link->state == AFD__LINK_BROKEN) {
        return;
    }
    link->state = AFD__LINK_BROKEN;
    link->trouble = *cause;
    leave_bucket(link);
    if (link->connection != NULL) {
        afd__connection_end(link->connection);
    }
}

void afd__link_close(afd__link *link)
{
    if (link == NULL) {
        return;
    }
    afd__plane *plane = link->plane;
    if (link->state != AFD__LINK_BROKEN) {
        leave_bucket(link);
        link->state = AFD__LINK_BROKEN;
    }
    if (link->connection != NULL) {
        afd__connection_end(link->connection);
    }
    afd_writer_close(link->window_writer);
    link->window_writer = NULL;
    afd__link **place = &plane->links;
    while (*place != link) {
        place = &(*place)->next;
    }
    *place = link->next;
    link->next = plane->dying;
    plane->dying = link;
    plane->has_chores = true;
}

void afd__link_chores(afd__plane *plane, bool has_worker)
{
    afd__link **place = &plane->dying;
    while (*place != NULL) {
        afd__link *link = *place;
        if (has_worker && (link->connection != NULL || link->flying_num > 0)) {
            place = &link->next;
            continue;
        }
        *place = link->next;
        free_link(link);
    }
}

/* ---- what is asked of one ---- */

afd__link_state afd__link_state_of(const afd__link *link)
{
    return link->state;
}

afd_status afd__link_trouble(const afd__link *link, afd_error *error)
{
    if (link->state != AFD__LINK_BROKEN) {
        return AFD_OK;
    }
    if (error != NULL) {
        *error = link->trouble;
    }
    return link->trouble.status;
}

afd_writer *afd__link_writer(afd__link *link)
{
    return &link->base;
}
