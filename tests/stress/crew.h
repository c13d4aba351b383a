/* SPDX-License-Identifier: Apache-2.0 */
/* The producer threads of one stress case: a few sessions a thread, each desc with its one producer. */
#ifndef AFD_TEST_CREW_H
#define AFD_TEST_CREW_H

#include <pthread.h>
#include <stdint.h>

#include "traffic.h"
#include "world.h"

enum { CREW_THREAD_NUM = 3 };

/* In crew.round_num: go on until crew_stop(). */
#define CREW_UNTIL_STOPPED UINT32_MAX

typedef struct producer_crew {
    const traffic_plan *traffic;
    const stress_world *world; /* its window alone */
    uint32_t round_num;        /* of every (session, micro-batch) */
    uint32_t *published;       /* [S][M]: rounds published; each entry is its producer's until crew_join() */
    int32_t stop;              /* atomic */
    struct crew_thread {
        struct producer_crew *crew;
        uint32_t number;
        pthread_t thread;
    } threads[CREW_THREAD_NUM];
} producer_crew;

/* The crew must stay where it is until crew_join(), which returns when every producer has ended; then crew_free(). */
void crew_start(producer_crew *crew, const traffic_plan *traffic, const stress_world *world, uint32_t round_num);
void crew_stop(producer_crew *crew);
void crew_join(producer_crew *crew);

/*
 * After crew_join(): every published round but for the last of a desc was taken, and what is left in the window is
 * either that last round or a desc that was given back. `taken_rounds` is [S][M].
 */
void crew_check_window(const producer_crew *crew, const uint32_t *taken_rounds);
void crew_free(producer_crew *crew);

#endif
