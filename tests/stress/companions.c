/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators of both sides as threads, without workers around them: attention threads dispatch and combine, which
 * waits for its results itself; FFN threads batch, which takes straight from the window, and reply. Rows are a few
 * small numbers that say whose they are, so that every one can be checked on both sides and every sum is exact.
 *
 *     companions ROUND_NUM [SEED]  rounds of each micro-batch in each case; the seed is printed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "afd/transport.h"
#include "companion.h"
#include "traffic.h"

typedef struct everybody {
    companion_party attention[SESSION_MAX];
    companion_party ffn[FFN_NUM];
} everybody;

static void make_party(companion_party *made, const companion_case *c, uint32_t number, bool is_ffn)
{
    afd_error error;
    *made = (companion_party){ .c = c, .number = number };
    companion_expect_ok(is_ffn ? afd_ffn_window_create_private(&c->shape, &made->window, &error)
                     : afd_attention_window_create_private(&c->shape, &made->window, &error),
              &error, "window", number);
    companion_expect_ok(is_ffn ? afd_ffn_context_create(&c->shape, &made->context, &error)
                     : afd_attention_context_create(&c->shape, &made->context, &error),
              &error, "context", number);
    companion_expect_ok(afd_window_bind(made->window, made->context, &error), &error, "binding", number);
}

static void connect_parties(companion_party *from, const companion_party *to, uint32_t to_num)
{
    afd_error error;
    for (uint32_t i = 0; i < to_num; i++) {
        companion_expect_ok(afd_writer_local_create(to[i].window, &from->writers[i], &error), &error, "writer", i);
    }
}

static void end_party(companion_party *ended, uint32_t writer_num)
{
    for (uint32_t i = 0; i < writer_num; i++) {
        afd_writer_close(ended->writers[i]);
    }
    afd_context_destroy(ended->context);
}

static void start(companion_party *started, void *(*function)(void *))
{
    if (pthread_create(&started->thread, NULL, function, started) != 0) {
        traffic_fail("no thread");
    }
}

static void for_each(everybody *all, uint32_t session_num, void (*visit)(companion_party *one, everybody *all))
{
    for (uint32_t s = 0; s < session_num; s++) {
        visit(&all->attention[s], all);
    }
    for (uint32_t rank = 0; rank < FFN_NUM; rank++) {
        visit(&all->ffn[rank], all);
    }
}

static void connect_one(companion_party *one, everybody *all)
{
    bool is_ffn = one >= all->ffn && one < all->ffn + FFN_NUM;
    connect_parties(one, is_ffn ? all->attention : all->ffn, is_ffn ? one->c->shape.session_num : FFN_NUM);
}

static void start_one(companion_party *one, everybody *all)
{
    bool is_ffn = one >= all->ffn && one < all->ffn + FFN_NUM;
    start(one, is_ffn ? companion_run_ffn : companion_run_attention);
}

static void join_one(companion_party *one, everybody *all)
{
    (void)all;
    (void)pthread_join(one->thread, NULL);
}

static void end_one(companion_party *one, everybody *all)
{
    bool is_ffn = one >= all->ffn && one < all->ffn + FFN_NUM;
    end_party(one, is_ffn ? one->c->shape.session_num : FFN_NUM);
}

static void close_one(companion_party *one, everybody *all)
{
    (void)all;
    afd_window_close(one->window);
}

static void run_case(companion_case *c)
{
    everybody all;
    uint32_t session_num = c->shape.session_num;
    companion_fill_table(c);
    for (uint32_t s = 0; s < session_num; s++) {
        make_party(&all.attention[s], c, s, false);
    }
    for (uint32_t rank = 0; rank < FFN_NUM; rank++) {
        make_party(&all.ffn[rank], c, rank, true);
    }
    for_each(&all, session_num, connect_one);
    for_each(&all, session_num, start_one);
    for_each(&all, session_num, join_one);
    for_each(&all, session_num, end_one);
    for_each(&all, session_num, close_one); /* writers go before windows */
}

/* E = K, E = K + 1 and E = K + 2; slots as large as the token, and larger, and no multiple of 512. */
static const struct {
    afd_shape shape;
    uint32_t top_k;
} shapes[] = {
    { { 3, 2, 3, 3, 0, 32, 32 }, 2 },
    { { 1, 1, 1, 1, 0, 32, 32 }, 1 },
    { { 4, 3, 8, 5, 0, 36, 44 }, 3 },
    { { 2, 1, 5, 4, 0, 512, 36 }, 4 },
};

int main(int argc, char **argv)
{
    companion_case c = { .seed = afd_clock_ns() };
    uint32_t case_num = 0;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: companions ROUND_NUM [SEED]\n");
        return 2;
    }
    c.round_num = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc == 3) {
        c.seed = strtoull(argv[2], NULL, 10);
    }
    if (c.round_num == 0) {
        traffic_fail("ROUND_NUM is 0");
    }
    printf("seed %" PRIu64 ", %" PRIu32 " rounds\n", c.seed, c.round_num);
    (void)fflush(stdout);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (int object = 0; object < 2; object++) {
            for (int backs_off = 0; backs_off < 2; backs_off++, case_num++, c.seed++) {
                c.shape = shapes[i].shape;
                c.top_k = shapes[i].top_k;
                c.with_object = object == 1;
                c.strategy = backs_off == 1 ? AFD_WAIT_BACKOFF : AFD_WAIT_YIELD;
                run_case(&c);
            }
        }
    }
    printf("%" PRIu32 " cases, every row as it was sent and every sum exact\n", case_num);
    return 0;
}
