/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest FFN worker: a window, a context, and a loop that takes what is ready. One thread plays the attention
 * workers. Build it against an installed libafd with:  cc ffn_worker.c $(pkg-config --cflags --libs libafd) -lpthread
 */
#include <afd/ffn.h>
#include <afd/window.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { SESSIONS = 2, MICRO_BATCHES = 2, TOKENS = 2, SLOTS = 3, LAYERS = 4 };

/* An attention worker hands every layer's tokens over, micro-batch after micro-batch. */
static void *attention_workers(void *argument)
{
    afd_window *window = argument;
    for (int32_t layer = 0; layer < LAYERS; layer++) {
        for (uint32_t session = 0; session < SESSIONS; session++) {
            afd_ffn_desc *desc = afd_window_desc(window, session, (uint32_t)layer % MICRO_BATCHES);
            while (!afd_ffn_desc_is_free(desc)) {
                sched_yield();
            }
            int32_t *expert_ids = afd_ffn_desc_expert_ids(desc);
            for (int32_t slot = 0; slot < TOKENS * SLOTS; slot++) {
                expert_ids[slot] = (slot + layer) % 8;
            }
            desc->layer_id = layer;
            afd_ffn_desc_publish(desc);
        }
    }
    return NULL;
}

static int fail(const afd_error *error)
{
    fprintf(stderr, "ffn_worker: %s\n", error->message);
    return 1;
}

int main(void)
{
    const afd_shape shape = {
        .session_num = SESSIONS,
        .micro_batch_num = MICRO_BATCHES,
        .micro_batch_size = TOKENS,
        .selected_expert_num = SLOTS,
        .expert_num = 8,
    };
    afd_error error;
    afd_window *window = NULL;
    afd_schedule_context *context = NULL;
    if (afd_ffn_window_create_private(&shape, &window, &error) != AFD_OK ||
        afd_ffn_context_create(&shape, &context, &error) != AFD_OK ||
        afd_window_bind(window, context, &error) != AFD_OK) {
        return fail(&error);
    }
    pthread_t attention;
    if (pthread_create(&attention, NULL, attention_workers, window) != 0) {
        return 1;
    }

    const afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(SESSIONS); /* all-sync */
    for (int call = 0; call < LAYERS; call++) {
        uint32_t taken_num = 0;
        if (afd_ffn_schedule(context, &args, NULL, &taken_num, &error) != AFD_OK) {
            return fail(&error);
        }
        for (uint32_t k = 0; k < taken_num; k++) {
            printf("layer %d  session %d  micro-batch %d  first expert %d\n", afd_context_layer_ids(context)[k],
                   afd_context_session_ids(context)[k], afd_context_micro_batch_ids(context)[k],
                   afd_context_expert_ids(context)[k * TOKENS * SLOTS]);
        }
    }

    pthread_join(attention, NULL);
    afd_context_destroy(context);
    afd_window_close(window);
    return 0;
}
