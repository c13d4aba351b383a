/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that keep no rules: rounds out of turn, slots that are not theirs, garbage of every kind, and one that does not
 * read. Whoever else is there goes on. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"
#include "cmocka_headers.h"
#include "plane_rogue.h"
#include "plane_world.h"
#include "transport/ucx/link.h"

enum { ROW_BYTES = 32, GOOD = 1 }; /* guest 0's place is the rogue's, guest 1 is good */

static const plane_sizes small = { 2, 2, 2, ROW_BYTES, ROW_BYTES };

static uint64_t seed;
static plane_world world;
static plane_rogue rogue;
static afd__link_options rogue_options; /* as a guest would have them */

static void start_with(const plane_sizes *sizes)
{
    world = (plane_world){ 0 };
    plane_world_open(&world, sizes, 2);
    plane_world_attach(&world, GOOD);
    world.guests[0].key = 9999;
    const afd__link_options options = plane_world_options(&world, 0, true);
    assert_int_equal(afd__link_expect(world.plane, &options, &world.guests[0].at_host, NULL), AFD_OK);
    rogue_options = plane_world_options(&world, 0, false);
    plane_rogue_open(&rogue);
    plane_rogue_connect(&rogue, afd__plane_address(world.plane));
}

static int set_up(void **state)
{
    (void)state;
    start_with(&small);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plane_rogue_close(&rogue);
    plane_world_close(&world);
    return 0;
}

#define PROGRESS_ROGUE_UNTIL(condition) PROGRESS_UNTIL(&world, (plane_rogue_progress(&rogue), (condition)))

static void attach_rogue(void)
{
    static afd__wire_header attach;
    attach = plane_rogue_header(&rogue_options, AFD__WIRE_ATTACH);
    plane_rogue_send(&rogue, &attach, sizeof(attach), NULL, 0, UCP_AM_SEND_FLAG_REPLY);
    PROGRESS_ROGUE_UNTIL(afd__link_state_of(world.guests[0].at_host) == AFD__LINK_ATTACHED);
}

/* Sends a round with `row_num` rows of zeros for slots from 0 on. */
static void send_round(uint32_t micro_batch, uint64_t number, uint32_t row_num)
{
    static struct {
        afd__wire_header header;
        char payload[1024];
    } messages[64];
    static uint32_t message_num;
    afd__wire_header *header = &messages[message_num % 64].header;
    char *payload = messages[message_num++ % 64].payload;
    *header = plane_rogue_header(&rogue_options, AFD__WIRE_ROUND);
    header->micro_batch = micro_batch;
    header->round = number;
    header->row_num = row_num;
    memset(payload, 0, sizeof(messages[0].payload));
    for (uint32_t i = 0; i < row_num; i++) {
        const afd__wire_entry entry = { .slot = i, .expert_id = 3 };
        memcpy(payload + row_num * header->row_bytes + i * sizeof(entry), &entry, sizeof(entry));
    }
    plane_rogue_send(&rogue, header, sizeof(*header), payload, row_num * (header->row_bytes + 8),
                     UCP_AM_SEND_FLAG_REPLY);
}

static void run_good_round(void)
{
    afd__link *link = world.guests[GOOD].link;
    plane_clear_flags(&world, GOOD, 0);
    PROGRESS_UNTIL(&world, afd_writer_is_free(afd__link_writer(link), GOOD, 0));
    plane_put(link, GOOD, 0, 2, 8, 5);
    plane_publish(link, GOOD, 0, 3);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, GOOD, 0));
    plane_expect_row(world.window, GOOD, 0, 2, 8, 8, 5);
    plane_take(&world, GOOD, 0);
    plane_put(world.guests[GOOD].at_host, GOOD, 0, 2, 8, 6);
    plane_publish(world.guests[GOOD].at_host, GOOD, 0, 0);
    PROGRESS_UNTIL(&world, plane_ready_num(&world, GOOD, 0) == 1);
    plane_expect_row(world.guests[GOOD].window, GOOD, 0, 2, 8, 8, 6);
}

static void expect_rogue_broken(const char *field)
{
    afd_error error;
    PROGRESS_ROGUE_UNTIL(afd__link_state_of(world.guests[0].at_host) == AFD__LINK_BROKEN);
    assert_int_equal(afd__link_trouble(world.guests[0].at_host, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, field);
    PROGRESS_ROGUE_UNTIL(rogue.has_failed);
    run_good_round();
}

static void a_round_before_the_last_one_was_taken_breaks_the_link(void **state)
{
    (void)state;
    attach_rogue();
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    send_round(0, 2, 4);
    expect_rogue_broken("header.micro_batch");
    assert_true(afd_ffn_desc_expert_ids(afd_window_desc(world.window, 0, 0))[1] >= AFD_EXPERT_ID_LIMIT);
}

static void a_round_before_the_last_one_was_answered_breaks_the_link(void **state)
{
    (void)state;
    attach_rogue();
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    plane_take(&world, 0, 0);
    send_round(0, 2, 4);
    expect_rogue_broken("header.micro_batch");
    assert_false(plane_desc_is_ready(&world, 0, 0));
}

static void a_desc_that_is_not_free_for_another_reason_is_not_written(void **state)
{
    (void)state;
    attach_rogue();
    afd_ffn_desc_publish(afd_window_desc(world.window, 0, 1));
    send_round(1, 1, 4);
    expect_rogue_broken("header.micro_batch");
    assert_int_equal(afd_ffn_desc_expert_ids(afd_window_desc(world.window, 0, 1))[0], AFD_EXPERT_ID_NONE);
}

static void a_round_that_is_over_is_dropped_and_counted(void **state)
{
    (void)state;
    attach_rogue();
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    plane_take(&world, 0, 0);
    plane_publish(world.guests[0].at_host, 0, 0, 0);
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(afd__plane_count(world.plane).stale_num == 1);
    assert_false(plane_desc_is_ready(&world, 0, 0));
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_ATTACHED);
    send_round(0, 2, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    send_round(1, 2, 1); /* one that nobody counts up to */
    expect_rogue_broken("header.round");
}

static void a_slot_that_was_not_sent_cannot_be_answered(void **state)
{
    (void)state;
    afd_error error;
    plane_put(world.guests[GOOD].link, GOOD, 0, 2, 8, 5);
    plane_publish(world.guests[GOOD].link, GOOD, 0, 3);
    PROGRESS_UNTIL(&world, plane_desc_is_ready(&world, GOOD, 0));
    plane_put(world.guests[GOOD].at_host, GOOD, 0, 2, 8, 5);
    plane_put(world.guests[GOOD].at_host, GOOD, 0, 3, 8, 5);
    plane_publish(world.guests[GOOD].at_host, GOOD, 0, 3);
    PROGRESS_UNTIL(&world, afd__link_state_of(world.guests[GOOD].link) == AFD__LINK_BROKEN);
    assert_int_equal(afd__link_trouble(world.guests[GOOD].link, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "entry.slot");
    assert_int_equal(error.value, 3);
    assert_int_equal(plane_ready_num(&world, GOOD, 0), 0); /* nothing of it was written */
}

/* Which connection a message came over UCX takes from the message itself: a link whose peer is merely named by somebody
 * without its key goes on. */
static void what_lacks_the_key_of_the_link_that_it_names_is_dropped_and_harms_nobody(void **state)
{
    (void)state;
    static afd__wire_header nonsense;
    attach_rogue();
    const uint64_t key = rogue_options.key;
    rogue_options.key = world.guests[GOOD].key; /* as if it had found out */
    rogue_options.session = GOOD;
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(afd__plane_count(world.plane).garbage_num == 1);
    plane_rogue_send(&rogue, &nonsense, sizeof(nonsense), NULL, 0, UCP_AM_SEND_FLAG_REPLY);
    PROGRESS_ROGUE_UNTIL(afd__plane_count(world.plane).garbage_num == 2);
    assert_false(plane_desc_is_ready(&world, GOOD, 0));
    rogue_options.key = key;
    rogue_options.session = 0;
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_ATTACHED);
    run_good_round();
}

static void a_message_that_does_not_say_who_sends_it_is_garbage(void **state)
{
    (void)state;
    attach_rogue();
    static afd__wire_header header;
    header = plane_rogue_header(&rogue_options, AFD__WIRE_ROUND);
    header.round = 1;
    plane_rogue_send(&rogue, &header, sizeof(header), NULL, 0, 0);
    PROGRESS_ROGUE_UNTIL(afd__plane_count(world.plane).garbage_num == 1);
    assert_false(plane_desc_is_ready(&world, 0, 0));
    run_good_round();
}

/* ---- one that does not read ---- */

/* The ANSWER is too large to leave while nobody reads it; what its session sends meanwhile waits, and others do not. */
static void who_does_not_read_its_answer_stops_nobody_else(void **state)
{
    (void)state;
    const plane_sizes large = { 2, 2, 2, ROW_BYTES, 4U << 20 };
    start_with(&large);
    attach_rogue();
    send_round(0, 1, 4);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0) && rogue.flying_num == 0);
    plane_take(&world, 0, 0);
    for (uint32_t slot = 0; slot < 4; slot++) {
        plane_put(world.guests[0].at_host, 0, 0, slot, 4U << 20, slot);
    }
    const uint32_t received_before = rogue.received_num;
    plane_publish(world.guests[0].at_host, 0, 0, 0);
    send_round(0, 2, 4); /* leaves at once: it is small, and the way there is free */
    assert_int_equal(rogue.flying_num, 0);
    const uint64_t bytes_before = afd__plane_count(world.plane).received_bytes;
    PROGRESS_UNTIL(&world, afd__plane_count(world.plane).received_bytes > bytes_before);
    for (int i = 0; i < 50; i++) {
        run_good_round();
    }
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_ATTACHED);
    assert_false(plane_desc_is_ready(&world, 0, 0)); /* parked */
    assert_int_equal(rogue.received_num, received_before);
    /* It reads again, and its round goes on. */
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    assert_int_equal(afd_ffn_desc_expert_ids(afd_window_desc(world.window, 0, 0))[3], 3);
    assert_int_equal(afd__link_state_of(world.guests[0].at_host), AFD__LINK_ATTACHED);
    plane_take(&world, 0, 0);
    /* With one parked and one more, it is out. */
    plane_put(world.guests[0].at_host, 0, 0, 0, 4U << 20, 0);
    plane_put(world.guests[0].at_host, 0, 0, 1, 4U << 20, 0);
    plane_publish(world.guests[0].at_host, 0, 0, 0);
    send_round(0, 3, 4);
    send_round(0, 4, 4);
    expect_rogue_broken("header.micro_batch");
}

/* ---- garbage ---- */

/* A header as the good link's with one byte changed, or of random bytes, or one of the rogue's own. */
static void make_garbage(random_numbers *numbers, afd__wire_header *header)
{
    *header = plane_rogue_header(&rogue_options, (afd__wire_kind)(1 + random_below(numbers, 4)));
    header->round = random_below(numbers, 3);
    if (random_chance(numbers, 30)) {
        header->key = world.guests[GOOD].key;
        header->session = GOOD;
    }
    if (random_chance(numbers, 20)) {
        header->row_num = random_below(numbers, 6);
    }
    if (random_chance(numbers, 80)) {
        uint8_t *bytes = (uint8_t *)header;
        bytes[random_below(numbers, sizeof(*header))] ^= (uint8_t)(1U << random_below(numbers, 8));
    } else if (random_chance(numbers, 50)) {
        for (size_t i = 0; i < sizeof(*header) / 8; i++) {
            ((uint64_t *)(void *)header)[i] = random_u64(numbers);
        }
    }
}

static void reconnect(void)
{
    if (rogue.has_failed) {
        plane_rogue_disconnect(&rogue);
        plane_rogue_connect(&rogue, afd__plane_address(world.plane));
    }
}

/* Until the plane has got it, or has closed the connection over what came before. */
static void await_arrival(uint64_t bytes_before)
{
    PROGRESS_ROGUE_UNTIL(afd__plane_count(world.plane).received_bytes > bytes_before || rogue.has_failed);
}

static void a_thousand_messages_of_garbage_do_not_touch_the_good_link(void **state)
{
    (void)state;
    random_numbers numbers = { seed };
    static uint8_t payload[300000];
    static uint8_t headers[1000][128];
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)random_u64(&numbers);
    }
    for (int i = 0; i < 1000; i++) {
        make_garbage(&numbers, (afd__wire_header *)(void *)headers[i]);
        const size_t header_bytes = random_chance(&numbers, 80) ? sizeof(afd__wire_header)
                                                                : random_below(&numbers, sizeof(headers[0]));
        const uint32_t percent = random_below(&numbers, 100);
        const size_t payload_bytes = percent < 40   ? 0
                                     : percent < 90 ? random_below(&numbers, 300)
                                                    : random_below(&numbers, sizeof(payload));
        const unsigned int flags = random_chance(&numbers, 90) ? UCP_AM_SEND_FLAG_REPLY : 0;
        const unsigned int how = random_chance(&numbers, 20) ? UCP_AM_SEND_FLAG_RNDV : 0;
        reconnect();
        const uint64_t bytes_before = afd__plane_count(world.plane).received_bytes;
        plane_rogue_send(&rogue, headers[i], header_bytes, payload, payload_bytes, flags | how);
        if (header_bytes + payload_bytes > 0 && random_chance(&numbers, 80)) {
            await_arrival(bytes_before);
        }
        if (i % 10 == 0) {
            run_good_round();
        }
        if (afd__link_state_of(world.guests[0].at_host) == AFD__LINK_BROKEN) {
            const afd__link_options options = plane_world_options(&world, 0, true);
            afd__link_close(world.guests[0].at_host);
            assert_int_equal(afd__link_expect(world.plane, &options, &world.guests[0].at_host, NULL), AFD_OK);
        }
    }
    assert_int_equal(afd__link_state_of(world.guests[GOOD].link), AFD__LINK_ATTACHED);
    assert_int_equal(afd__link_state_of(world.guests[GOOD].at_host), AFD__LINK_ATTACHED);
    const afd__plane_counters counters = afd__plane_count(world.plane);
    assert_true(counters.garbage_num > 100);
    (void)printf("%llu garbage, %llu stale\n", (unsigned long long)counters.garbage_num,
                 (unsigned long long)counters.stale_num);
    run_good_round();
}

/* ---- numbers that nobody wants ---- */

/* What is allocated next is not zeros, as in a program that has run for a while. AddressSanitizer sees to it itself. */
static int set_up_in_used_memory(void **state)
{
    enum { USED_BYTES = 32 << 20 };
    (void)mallopt(M_MMAP_THRESHOLD, 2 * USED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * USED_BYTES);
    void *used = malloc(USED_BYTES);
    assert_non_null(used);
    memset(used, 0xa5, USED_BYTES);
    explicit_bzero(used, 1); /* so that the compiler keeps what is written into memory that is freed */
    free(used);
    return set_up(state);
}

static void messages_of_other_numbers_are_dropped(void **state)
{
    (void)state;
    attach_rogue();
    for (uint32_t number = 0; number <= UINT16_MAX; number += number < 200 ? 1 : 997) {
        rogue.message_number = (uint16_t)number;
        if (number != AFD__PLANE_MESSAGE_ID) {
            plane_rogue_send(&rogue, NULL, 0, NULL, 0, UCP_AM_SEND_FLAG_REPLY);
        }
    }
    rogue.message_number = AFD__PLANE_MESSAGE_ID;
    send_round(0, 1, 1);
    PROGRESS_ROGUE_UNTIL(plane_desc_is_ready(&world, 0, 0));
    run_good_round();
}

/* ---- who attaches to nothing ---- */

static void connections_that_nobody_claims_are_few_and_end(void **state)
{
    (void)state;
    enum { HALF_OPEN_MAX = 3, ROGUE_NUM = 8 };
    plane_rogue rogues[ROGUE_NUM];
    uint32_t failed_num = 0;
    world = (plane_world){ .half_open_max = HALF_OPEN_MAX, .patience_ns = UINT64_C(300000000) };
    plane_world_open(&world, &small, 2);
    plane_world_attach(&world, GOOD);
    for (uint32_t i = 0; i < ROGUE_NUM; i++) {
        plane_rogue_open(&rogues[i]);
        plane_rogue_connect(&rogues[i], afd__plane_address(world.plane));
    }
    /* Those too many are turned away, and the others when the patience is over. */
    while (failed_num < ROGUE_NUM) {
        failed_num = 0;
        for (uint32_t i = 0; i < ROGUE_NUM; i++) {
            plane_rogue_progress(&rogues[i]);
            failed_num += rogues[i].has_failed;
        }
        run_good_round();
    }
    plane_world_attach(&world, 0); /* there is room again */
    for (uint32_t i = 0; i < ROGUE_NUM; i++) {
        plane_rogue_close(&rogues[i]);
    }
    plane_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_round_before_the_last_one_was_taken_breaks_the_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_round_before_the_last_one_was_answered_breaks_the_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_desc_that_is_not_free_for_another_reason_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_round_that_is_over_is_dropped_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_was_not_sent_cannot_be_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_lacks_the_key_of_the_link_that_it_names_is_dropped_and_harms_nobody,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_does_not_say_who_sends_it_is_garbage, set_up, tear_down),
        cmocka_unit_test_teardown(who_does_not_read_its_answer_stops_nobody_else, tear_down),
        cmocka_unit_test_setup_teardown(a_thousand_messages_of_garbage_do_not_touch_the_good_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_of_other_numbers_are_dropped, set_up_in_used_memory, tear_down),
        cmocka_unit_test(connections_that_nobody_claims_are_few_and_end),
    };
    const char *text = getenv("AFD_TEST_SEED");
    seed = text != NULL ? strtoull(text, NULL, 0) : 1;
    plane_world_require_ucx();
    (void)printf("AFD_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
