/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instruction counts are taken of: a fixed number of calls on a fixed shape, through the public interface,
 * with nothing that depends on time, addresses or chance.
 *     workload allsync | object | groups | idle
 * gate.sh runs it under callgrind, which collects inside of afd_ffn_schedule_poll() only; arming is not in the
 * figures.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "afd/window.h"

enum { SESSION_NUM = 16, MICRO_BATCH_NUM = 3, MICRO_BATCH_SIZE = 8, SLOT_NUM = 9, CALL_NUM = 64 };

static afd_schedule_context *context;
static afd_window *window;

static void die(const char *what)
{
    (void)fprintf(stderr, "workload: %s\n", what);
    exit(1);
}

static void make_world(void)
{
    const afd_shape shape = {
        .session_num = SESSION_NUM,
        .micro_batch_num = MICRO_BATCH_NUM,
        .micro_batch_size = MICRO_BATCH_SIZE,
        .selected_expert_num = SLOT_NUM,
    };
    afd_error error;
    if (afd_ffn_context_create(&shape, &context, &error) != AFD_OK ||
        afd_ffn_window_create_private(&shape, &window, &error) != AFD_OK ||
        afd_window_bind(window, context, &error) != AFD_OK) {
        die(error.message);
    }
}

static void arm(uint32_t session, uint32_t micro_batch)
{
    afd_ffn_desc *desc = afd_window_desc(window, session, micro_batch);
    int32_t *ids = afd_ffn_desc_expert_ids(desc);
    for (int32_t i = 0; i < MICRO_BATCH_SIZE * SLOT_NUM; i++) {
        ids[i] = i;
    }
    desc->layer_id = 1;
    afd_ffn_desc_publish(desc);
}

/* All-sync has everybody's polling_index ready; groups a micro-batch each that goes round; idle nobody. */
static void arm_for(const char *what, uint32_t call)
{
    for (uint32_t s = 0; s < SESSION_NUM; s++) {
        if (strcmp(what, "allsync") == 0) {
            arm(s, call % MICRO_BATCH_NUM);
        } else if (strcmp(what, "groups") == 0) {
            arm(s, (call + s) % MICRO_BATCH_NUM);
        }
    }
}

static void poll_and_expect(const afd_ffn_schedule_args *args, uint32_t expected_num)
{
    uint32_t taken_num = UINT32_MAX;
    (void)afd_ffn_schedule_poll(context, args, &taken_num, NULL);
    if (taken_num != expected_num) {
        die("a call took something else than it should");
    }
}

/* All-sync with a scheduler object: half of them are there, then more, then all, and a poll looks each time. */
static void run_with_object(afd_ffn_schedule_args *args)
{
    static _Alignas(8) char memory[64 * SESSION_NUM * MICRO_BATCH_NUM];
    if (afd_ffn_scheduler_new(SESSION_NUM, MICRO_BATCH_NUM, NULL, memory, sizeof(memory), &args->scheduler, NULL) !=
        AFD_OK) {
        die("there is no scheduler object");
    }
    for (uint32_t call = 0; call < CALL_NUM; call++) {
        for (uint32_t s = 0; s < SESSION_NUM; s++) {
            if (s == SESSION_NUM / 2 || s == SESSION_NUM - 1) {
                poll_and_expect(args, 0);
            }
            arm(s, call % MICRO_BATCH_NUM);
        }
        poll_and_expect(args, SESSION_NUM);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    bool is_groups = strcmp(what, "groups") == 0;
    bool is_idle = strcmp(what, "idle") == 0;
    bool has_object = strcmp(what, "object") == 0;
    if (strcmp(what, "allsync") != 0 && !has_object && !is_groups && !is_idle) {
        die("usage: workload allsync|object|groups|idle");
    }
    make_world();
    afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(is_groups || is_idle ? 1 : SESSION_NUM);
    if (has_object) {
        run_with_object(&args);
    }
    for (uint32_t call = 0; call < CALL_NUM && !has_object; call++) {
        arm_for(what, call);
        poll_and_expect(&args, is_idle ? 0 : SESSION_NUM);
    }
    afd_window_close(window);
    afd_context_destroy(context);
    return 0;
}
