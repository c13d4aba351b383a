/* SPDX-License-Identifier: Apache-2.0 */
#include "crew.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>

static uint32_t *published_of(const producer_crew *crew, uint32_t session, uint32_t micro_batch)
{
    return &crew->published[session * crew->traffic->shape.micro_batch_num + micro_batch];
}

/* How far a look over a thread's own descs came. */
typedef struct look_outcome {
    bool published_any;
    bool all_finished;
} look_outcome;

/* Offers every micro-batch of one session its next round, beginning with another one each time. */
static void look_at_session(const producer_crew *crew, uint32_t session, uint32_t first_micro_batch, look_outcome *look)
{
    uint32_t micro_batch_num = crew->traffic->shape.micro_batch_num;
    for (uint32_t i = 0; i < micro_batch_num; i++) {
        uint32_t micro_batch = (first_micro_batch + i) % micro_batch_num;
        uint32_t *published = published_of(crew, session, micro_batch);
        if (*published == crew->round_num) {
            continue;
        }
        look->all_finished = false;
        traffic_round round = { session, micro_batch, *published };
        if (traffic_produce(crew->traffic, world_desc(crew->world, session, micro_batch), round)) {
            look->published_any = true;
            (*published)++;
        }
    }
}

static void *produce(void *argument)
{
    const struct crew_thread *self = argument;
    const producer_crew *crew = self->crew;
    for (uint32_t pass = 0; __atomic_load_n(&crew->stop, __ATOMIC_RELAXED) == 0; pass++) {
        look_outcome look = { .all_finished = true };
        for (uint32_t s = self->number; s < crew->traffic->shape.session_num; s += CREW_THREAD_NUM) {
            look_at_session(crew, s, pass, &look);
        }
        if (look.all_finished) {
            break;
        }
        if (!look.published_any) {
            (void)sched_yield();
        }
    }
    return NULL;
}

void crew_start(producer_crew *crew, const traffic_plan *traffic, const stress_world *world, uint32_t round_num)
{
    crew->traffic = traffic;
    crew->world = world;
    crew->round_num = round_num;
    crew->stop = 0;
    crew->published = calloc((size_t)traffic->shape.session_num * traffic->shape.micro_batch_num, sizeof(uint32_t));
    if (crew->published == NULL) {
        traffic_fail("no memory for the crew");
    }
    for (uint32_t i = 0; i < CREW_THREAD_NUM; i++) {
        crew->threads[i].crew = crew;
        crew->threads[i].number = i;
        if (pthread_create(&crew->threads[i].thread, NULL, produce, &crew->threads[i]) != 0) {
            traffic_fail("no thread for producer %" PRIu32, i);
        }
    }
}

void crew_stop(producer_crew *crew)
{
    __atomic_store_n(&crew->stop, 1, __ATOMIC_RELAXED);
}

void crew_join(producer_crew *crew)
{
    for (uint32_t i = 0; i < CREW_THREAD_NUM; i++) {
        (void)pthread_join(crew->threads[i].thread, NULL);
    }
}

static void check_desc(const producer_crew *crew, uint32_t session, uint32_t micro_batch, uint32_t taken)
{
    uint32_t published = *published_of(crew, session, micro_batch);
    afd_ffn_desc *desc = world_desc(crew->world, session, micro_batch);
    if (published == taken) {
        traffic_check_free(crew->traffic, desc, (traffic_round){ session, micro_batch, published });
    } else if (published == taken + 1) {
        traffic_check_published(crew->traffic, desc, (traffic_round){ session, micro_batch, taken });
    } else {
        traffic_fail("session %" PRIu32 " micro-batch %" PRIu32 ": %" PRIu32 " rounds published, %" PRIu32 " taken",
                     session, micro_batch, published, taken);
    }
}

void crew_check_window(const producer_crew *crew, const uint32_t *taken_rounds)
{
    uint32_t micro_batch_num = crew->traffic->shape.micro_batch_num;
    for (uint32_t s = 0; s < crew->traffic->shape.session_num; s++) {
        for (uint32_t m = 0; m < micro_batch_num; m++) {
            check_desc(crew, s, m, taken_rounds[s * micro_batch_num + m]);
        }
    }
}

void crew_free(producer_crew *crew)
{
    free(crew->published);
}
