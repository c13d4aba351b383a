/* SPDX-License-Identifier: Apache-2.0 */
/* Writers into shared windows: from another process, by name, and what becomes of a peer that dies. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/transport.h"
#include "cmocka_headers.h"
#include "window_helpers.h"

static const afd_place last_place = { .session = 2, .micro_batch = 1, .token = 4, .slot = 2, .expert_id = 12 };
static const afd_round last_round = { .session = 2, .micro_batch = 1, .layer_id = 6 };
enum { LAST_SLOT = 14 };

static int write_one_row(const char *name)
{
    afd_writer *writer = NULL;
    if (afd_writer_shm_open(name, &writer, NULL) != AFD_OK ||
        !afd_writer_is_free(writer, last_round.session, last_round.micro_batch) ||
        afd_writer_put(writer, &last_place, "over the wall", 14, NULL) != AFD_OK ||
        afd_writer_publish(writer, &last_round, NULL) != AFD_OK) {
        return 1;
    }
    afd_writer_close(writer);
    return 0;
}

static void in_another_process(int (*act)(const char *name), const char *name)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(act(name));
    }
    reap(pid);
}

static void a_row_arrives_from_another_process(void **state)
{
    (void)state;
    const char *name = name_of("ffn");
    afd_window *window = create_window(name);
    in_another_process(write_one_row, name);
    afd_ffn_desc *desc = afd_window_desc(window, 2, 1);
    assert_false(afd_ffn_desc_is_free(desc));
    assert_int_equal(desc->layer_id, 6);
    assert_int_equal(afd_ffn_desc_expert_ids(desc)[LAST_SLOT], 12);
    assert_int_equal(afd_ffn_desc_expert_ids(desc)[LAST_SLOT - 1], AFD_EXPERT_ID_NONE);
    assert_string_equal((char *)afd_window_token_data(window, 2, 1) + LAST_SLOT * 32, "over the wall");
    assert_true(name_exists(name)); /* the writer is not the owner */
    afd_window_close(window);
    assert_false(name_exists(name));
}

static int write_one_result(const char *name)
{
    afd_writer *writer = NULL;
    if (afd_writer_shm_open(name, &writer, NULL) != AFD_OK || writer->kind != AFD_WINDOW_ATTENTION ||
        writer->slot_bytes != 64 || afd_writer_put(writer, &last_place, "and back", 9, NULL) != AFD_OK ||
        afd_writer_publish(writer, &last_round, NULL) != AFD_OK) {
        return 1;
    }
    afd_writer_close(writer);
    return 0;
}

static void a_result_arrives_from_another_process(void **state)
{
    (void)state;
    const char *name = name_of("attention");
    afd_window *window = NULL;
    assert_int_equal(afd_attention_window_create_shared(name, &small_shape, &window, NULL), AFD_OK);
    in_another_process(write_one_result, name);
    for (int i = 0; i <= LAST_SLOT; i++) {
        assert_int_equal(afd_slot_peek_flag(&afd_window_slot_flags(window, 0)[i]), AFD_FLAG_FREE);
        assert_int_equal(afd_slot_peek_flag(&afd_window_slot_flags(window, 1)[i]), i == LAST_SLOT);
    }
    assert_string_equal((char *)afd_window_token_data(window, 0, 1) + LAST_SLOT * 64, "and back");
    afd_window_close(window);
}

/* Ends as one that was killed: nothing is closed. */
static int put_and_die(const char *name)
{
    afd_writer *writer = NULL;
    return afd_writer_shm_open(name, &writer, NULL) != AFD_OK ||
           afd_writer_put(writer, &last_place, "half a round", 13, NULL) != AFD_OK;
}

static void a_producer_that_died_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    const char *name = name_of("heir");
    afd_window *window = create_window(name);
    afd_writer *writer = NULL;
    in_another_process(put_and_die, name);
    const int32_t *ids = afd_ffn_desc_expert_ids(afd_window_desc(window, 2, 1));
    assert_int_equal(ids[LAST_SLOT], 12);
    assert_int_equal(afd_writer_shm_open(name, &writer, NULL), AFD_OK);
    assert_int_equal(afd_writer_publish(writer, &last_round, NULL), AFD_OK);
    assert_int_equal(ids[LAST_SLOT], AFD_EXPERT_ID_REFILL);
    afd_writer_close(writer);
    afd_window_close(window);
}

static void a_peer_lives_as_long_as_the_windows_owner(void **state)
{
    (void)state;
    const char *name = name_of("peer");
    child_owner owner = start_owner(name);
    afd_writer *writer = NULL;
    afd_writer *by_window = NULL;
    afd_window *window = NULL;
    afd_error error;
    assert_int_equal(afd_writer_shm_open(name, &writer, NULL), AFD_OK);
    assert_string_equal(writer->ops->name, "shm");
    assert_int_equal(afd_window_join(name, AFD_WINDOW_WRITE, &window, NULL), AFD_OK);
    assert_int_equal(afd_writer_local_create(window, &by_window, NULL), AFD_OK);
    assert_int_equal(afd_writer_peer(writer), AFD_PEER_ALIVE);
    assert_int_equal(afd_writer_peer(by_window), AFD_PEER_ALIVE);
    end_owner(owner);
    assert_int_equal(afd_writer_peer(writer), AFD_PEER_DEAD);
    assert_int_equal(afd_writer_peer(by_window), AFD_PEER_DEAD);
    /* Its memory is still there, so writing is useless and harmless. */
    assert_int_equal(afd_writer_put(writer, &last_place, "to nobody", 10, NULL), AFD_OK);
    assert_int_equal(afd_writer_publish(writer, &last_round, NULL), AFD_OK);
    afd_writer_close(writer);
    afd_writer_close(by_window);
    afd_window_close(window);
    writer = NULL;
    assert_int_equal(afd_writer_shm_open(name, &writer, &error), AFD_ERR_OWNER_DEAD);
    assert_null(writer);
    assert_int_equal(afd_window_remove(name, false, NULL), AFD_OK);
}

static void a_name_that_cannot_be_joined_has_no_writer(void **state)
{
    (void)state;
    afd_writer *writer = NULL;
    afd_error error;
    assert_int_equal(afd_writer_shm_open(name_of("nobody"), &writer, &error), AFD_ERR_NOT_FOUND);
    assert_int_equal(afd_writer_shm_open("../passwd", &writer, &error), AFD_ERR_INVALID);
    assert_int_equal(afd_writer_shm_open(NULL, &writer, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "name");
    assert_int_equal(afd_writer_shm_open("x", NULL, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "writer");
    assert_null(writer);
}

static void a_window_that_was_opened_to_look_has_no_writer(void **state)
{
    (void)state;
    const char *name = name_of("look");
    afd_window *window = create_window(name);
    afd_window *look = NULL;
    afd_writer *writer = NULL;
    afd_error error;
    assert_int_equal(afd_window_join(name, AFD_WINDOW_READ, &look, NULL), AFD_OK);
    assert_int_equal(afd_writer_local_create(look, &writer, &error), AFD_ERR_INVALID);
    assert_string_equal(error.field, "window");
    assert_null(writer);
    afd_window_close(look);
    afd_window_close(window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_arrives_from_another_process),
        cmocka_unit_test(a_result_arrives_from_another_process),
        cmocka_unit_test(a_producer_that_died_leaves_nothing_to_the_next),
        cmocka_unit_test(a_peer_lives_as_long_as_the_windows_owner),
        cmocka_unit_test(a_name_that_cannot_be_joined_has_no_writer),
        cmocka_unit_test(a_window_that_was_opened_to_look_has_no_writer),
    };
    return cmocka_run_group_tests(tests, NULL, remove_leftovers);
}
