/* SPDX-License-Identifier: Apache-2.0 */
#include "plane_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"
#include "cmocka_headers.h"

static afd_status open_host(const plane_world *world, afd__plane **plane, afd_error *error)
{
    afd__address address;
    afd_status status = afd__address_parse("127.0.0.1:0", true, &address, error);
    if (status != AFD_OK) {
        return status;
    }
    const afd__plane_options options = {
        .listen = &address,
        .half_open_max = world->half_open_max,
        .patience_ns = world->patience_ns,
    };
    return afd__plane_open(&options, plane, error);
}

void plane_world_require_ucx(void)
{
    const plane_world world = { .half_open_max = 1, .patience_ns = 1 };
    afd__plane *plane = NULL;
    afd_error error;
    afd_status status = open_host(&world, &plane, &error);
    if (status == AFD_ERR_NOT_FOUND) {
        (void)fprintf(stderr, "SKIPPED: %s\n", error.message);
        exit(77);
    }
    assert_int_equal(status, AFD_OK);
    afd__plane_close(plane);
}

static void open_guest(plane_world *world, uint32_t number)
{
    plane_guest *guest = &world->guests[number];
    const afd__plane_options options = { .connect = afd__plane_address(world->plane) };
    assert_int_equal(afd__plane_open(&options, &guest->plane, NULL), AFD_OK);
    assert_int_equal(afd_attention_window_create_private(&world->shape, &guest->window, NULL), AFD_OK);
}

void plane_world_open(plane_world *world, const plane_sizes *sizes, uint32_t guest_num)
{
    if (world->half_open_max == 0) {
        world->half_open_max = PLANE_GUEST_MAX;
        world->patience_ns = UINT64_C(60000000000);
    }
    world->guest_num = guest_num;
    world->shape = (afd_shape){
        .session_num = PLANE_GUEST_MAX,
        .micro_batch_num = sizes->micro_batch_num,
        .micro_batch_size = sizes->micro_batch_size,
        .selected_expert_num = sizes->selected_expert_num,
        .attn_to_ffn_token_size = sizes->to_ffn_bytes,
        .ffn_to_attn_token_size = sizes->to_attention_bytes,
    };
    assert_int_equal(open_host(world, &world->plane, NULL), AFD_OK);
    assert_int_equal(afd_ffn_window_create_private(&world->shape, &world->window, NULL), AFD_OK);
    for (uint32_t i = 0; i < guest_num; i++) {
        open_guest(world, i);
    }
}

void plane_world_close(plane_world *world)
{
    for (uint32_t i = 0; i < world->guest_num; i++) {
        plane_guest *guest = &world->guests[i];
        afd__link_close(guest->at_host);
        afd__link_close(guest->link);
        afd__plane_close(guest->plane);
        afd_window_close(guest->window);
    }
    afd__plane_close(world->plane);
    afd_window_close(world->window);
    *world = (plane_world){ 0 };
}

afd__link_options plane_world_options(const plane_world *world, uint32_t guest, bool of_ffn_worker)
{
    const afd_shape *shape = &world->shape;
    return (afd__link_options){
        .key = world->guests[guest].key,
        .session = guest,
        .kind = of_ffn_worker ? AFD_WINDOW_ATTENTION : AFD_WINDOW_FFN,
        .shape = *shape,
        .sent_bytes = of_ffn_worker ? shape->ffn_to_attn_token_size : shape->attn_to_ffn_token_size,
        .received_bytes = of_ffn_worker ? shape->attn_to_ffn_token_size : shape->ffn_to_attn_token_size,
        .window = of_ffn_worker ? world->window : world->guests[guest].window,
    };
}

void plane_world_link(plane_world *world, uint32_t number)
{
    static uint64_t last_key = 0x1234567;
    plane_guest *guest = &world->guests[number];
    guest->key = ++last_key;
    afd__link_options options = plane_world_options(world, number, true);
    assert_int_equal(afd__link_expect(world->plane, &options, &guest->at_host, NULL), AFD_OK);
    options = plane_world_options(world, number, false);
    assert_int_equal(afd__link_connect(guest->plane, afd__plane_address(world->plane), &options, &guest->link, NULL),
                     AFD_OK);
}

void plane_world_attach(plane_world *world, uint32_t number)
{
    plane_guest *guest = &world->guests[number];
    plane_world_link(world, number);
    assert_int_equal(afd__link_state_of(guest->link), AFD__LINK_PENDING);
    PROGRESS_UNTIL(world, afd__link_state_of(guest->link) != AFD__LINK_PENDING);
    assert_int_equal(afd__link_state_of(guest->link), AFD__LINK_ATTACHED);
    assert_int_equal(afd__link_state_of(guest->at_host), AFD__LINK_ATTACHED);
}

void plane_world_progress(plane_world *world)
{
    if (world->plane != NULL) {
        afd__plane_progress(world->plane);
    }
    for (uint32_t i = 0; i < world->guest_num; i++) {
        if (world->guests[i].plane != NULL) {
            afd__plane_progress(world->guests[i].plane);
        }
    }
}

uint8_t plane_byte(uint64_t salt, uint32_t slot, size_t index)
{
    random_numbers numbers = { salt * 1000003 + slot };
    return (uint8_t)(random_u64(&numbers) + index * 7 + (index >> 8));
}

void plane_put(afd__link *link, uint32_t session, uint32_t micro_batch, uint32_t slot, size_t row_bytes,
               uint64_t salt)
{
    afd_writer *writer = afd__link_writer(link);
    const uint32_t slots_per_token = writer->shape.selected_expert_num;
    const afd_place place = { session, micro_batch, slot / slots_per_token, slot % slots_per_token, (int32_t)slot };
    uint8_t *row = malloc(row_bytes);
    afd_error error;
    assert_non_null(row);
    const uint8_t first = plane_byte(salt, slot, 0);
    for (size_t i = 0; i < row_bytes; i++) {
        row[i] = (uint8_t)(first + i * 7 + (i >> 8));
    }
    if (afd_writer_put(writer, &place, row, row_bytes, &error) != AFD_OK) {
        fail_msg("put: %s", error.message);
    }
    memset(row, 0xEE, row_bytes); /* it was copied */
    free(row);
}

void plane_publish(afd__link *link, uint32_t session, uint32_t micro_batch, int32_t layer_id)
{
    const afd_round round = { .session = session, .micro_batch = micro_batch, .layer_id = layer_id };
    afd_error error;
    if (afd_writer_publish(afd__link_writer(link), &round, &error) != AFD_OK) {
        fail_msg("publish: %s", error.message);
    }
}

void plane_expect_row(const afd_window *window, uint32_t session, uint32_t micro_batch, uint32_t slot,
                      size_t row_bytes, size_t sent_bytes, uint64_t salt)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    const bool is_ffn = info.kind == AFD_WINDOW_FFN;
    const size_t slot_bytes = is_ffn ? info.shape.attn_to_ffn_token_size : info.shape.ffn_to_attn_token_size;
    const uint8_t *row = afd_window_token_data(window, is_ffn ? session : 0, micro_batch);
    const uint8_t first = plane_byte(salt, slot, 0);
    assert_non_null(row);
    row += slot * slot_bytes;
    for (size_t i = 0; i < sent_bytes; i++) {
        const uint8_t expected = i < row_bytes ? (uint8_t)(first + i * 7 + (i >> 8)) : 0;
        if (row[i] != expected) {
            fail_msg("session %u, micro-batch %u, slot %u: byte %zu is %u, must be %u", session, micro_batch, slot, i,
                     row[i], expected);
        }
    }
}

void plane_take(plane_world *world, uint32_t session, uint32_t micro_batch)
{
    afd_ffn_desc *desc = afd_window_desc(world->window, session, micro_batch);
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    assert_false(afd_ffn_desc_is_free(desc));
    for (size_t i = 0; i < (size_t)world->shape.micro_batch_size * world->shape.selected_expert_num; i++) {
        ids[i] = AFD_EXPERT_ID_REFILL;
    }
    desc->flag = AFD_FLAG_FREE; /* one thread has it all */
}

bool plane_desc_is_ready(const plane_world *world, uint32_t session, uint32_t micro_batch)
{
    return !afd_ffn_desc_is_free(afd_window_desc(world->window, session, micro_batch));
}

uint32_t plane_ready_num(const plane_world *world, uint32_t guest, uint32_t micro_batch)
{
    const int32_t *flags = afd_window_slot_flags(world->guests[guest].window, micro_batch);
    uint32_t ready_num = 0;
    for (size_t i = 0; i < (size_t)world->shape.micro_batch_size * world->shape.selected_expert_num; i++) {
        ready_num += afd_slot_peek_flag(&flags[i]) == AFD_FLAG_READY;
    }
    return ready_num;
}

void plane_clear_flags(const plane_world *world, uint32_t guest, uint32_t micro_batch)
{
    int32_t *flags = afd_window_slot_flags(world->guests[guest].window, micro_batch);
    memset(flags, 0, (size_t)world->shape.micro_batch_size * world->shape.selected_expert_num * sizeof(*flags));
}
