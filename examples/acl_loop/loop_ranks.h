/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loop needs around it, however tokens travel: its options from the command line, ranks as threads or as
 * processes, a place where they meet and leave their digests, and the one thing that is printed. Plain C, and C++.
 * In C it wants _GNU_SOURCE.
 */
#ifndef LOOP_RANKS_H
#define LOOP_RANKS_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop_model.h"

enum { LOOP_RANK_MAX = 16 };

/* Memory of all ranks, made before the first of them starts. */
typedef struct loop_meeting {
    loop_options options;
    pthread_barrier_t barrier;
    uint64_t begin_ns[LOOP_RANK_MAX]; /* of each session: the end of its first step, */
    uint64_t end_ns[LOOP_RANK_MAX];   /* and of its last */
    uint64_t *digests;                /* [A][steps][L][M], behind this */
} loop_meeting;

static inline uint32_t loop_rank_num(const loop_options *o)
{
    return o->attention_num + o->ffn_num;
}

static inline void loop_usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--processes] [--attention A] [--ffn F] [--layers L] [--batch B] [--micro-batches M]\n"
            "       [--steps N] [--hidden H] [--top-k K] [--shared N] [--routed N] [--seed N] [--quantize] [--groups]\n"
            "       [--ffn-first] [--time]\n",
            program);
    exit(2);
}

/* Whether `text` is "--name", and then its number, in [low, high], is in *number. */
static inline bool loop_number(const char *name, const char *text, const char *value, uint32_t low, uint32_t high,
                               uint32_t *number)
{
    char *end = NULL;
    if (strcmp(text, name) != 0) {
        return false;
    }
    const unsigned long parsed = value == NULL ? 0 : strtoul(value, &end, 10);
    if (value == NULL || end == value || *end != '\0' || parsed < low || parsed > high) {
        fprintf(stderr, "%s is %s, must be in [%u, %u]\n", name, value == NULL ? "missing" : value, low, high);
        exit(2);
    }
    *number = (uint32_t)parsed;
    return true;
}

static inline bool loop_switch(const char *name, const char *text, bool *value)
{
    if (strcmp(text, name) != 0) {
        return false;
    }
    *value = true;
    return true;
}

/* The operators' limits: H in [1024, 8192], K at most 16, at most 4 shared experts, batching at most 8192 ids. */
static inline loop_options loop_parse(int argc, char **argv)
{
    loop_options o;
    memset(&o, 0, sizeof(o));
    o.attention_num = 2;
    o.ffn_num = 2;
    o.layer_num = 3;
    o.batch_size = 4;
    o.micro_batch_num = 2;
    o.step_num = 4;
    o.hidden = 1024;
    o.top_k = 3;
    o.shared_num = 1;
    o.routed_num = 8;
    o.seed = 1;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        const char *value = argv[i + 1]; /* NULL behind the last */
        if (loop_switch("--processes", text, &o.processes) || loop_switch("--quantize", text, &o.quantize) ||
            loop_switch("--groups", text, &o.groups) || loop_switch("--ffn-first", text, &o.ffn_first) ||
            loop_switch("--time", text, &o.time)) {
            continue;
        }
        i++;
        if (!loop_number("--attention", text, value, 1, LOOP_RANK_MAX - 1, &o.attention_num) &&
            !loop_number("--ffn", text, value, 1, LOOP_RANK_MAX - 1, &o.ffn_num) &&
            !loop_number("--layers", text, value, 1, 64, &o.layer_num) &&
            !loop_number("--batch", text, value, 1, 512, &o.batch_size) &&
            !loop_number("--micro-batches", text, value, 1, 64, &o.micro_batch_num) &&
            !loop_number("--steps", text, value, 1, 100000, &o.step_num) &&
            !loop_number("--hidden", text, value, 1024, 8192, &o.hidden) &&
            !loop_number("--top-k", text, value, 1, 16, &o.top_k) &&
            !loop_number("--shared", text, value, 0, 4, &o.shared_num) &&
            !loop_number("--routed", text, value, 1, 128, &o.routed_num) &&
            !loop_number("--seed", text, value, 0, UINT32_MAX, &o.seed)) {
            loop_usage(argv[0]);
        }
    }
    if (loop_rank_num(&o) > LOOP_RANK_MAX || o.top_k > o.routed_num || o.hidden % 32 != 0 ||
        (o.time && o.step_num < 3)) {
        fprintf(stderr, "at most %d ranks; --top-k at most --routed; --hidden a multiple of 32; --time wants 3 steps\n",
                LOOP_RANK_MAX);
        exit(2);
    }
    return o;
}

static inline size_t loop_digest_num(const loop_options *o)
{
    return (size_t)o->attention_num * o->step_num * o->layer_num * o->micro_batch_num;
}

static inline loop_meeting *loop_meeting_create(const loop_options *o)
{
    const size_t bytes = sizeof(loop_meeting) + loop_digest_num(o) * sizeof(uint64_t);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    loop_meeting *meeting = (loop_meeting *)memory;
    pthread_barrierattr_t attributes;
    if (memory == MAP_FAILED || pthread_barrierattr_init(&attributes) != 0 ||
        pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_barrier_init(&meeting->barrier, &attributes, loop_rank_num(o)) != 0) {
        fprintf(stderr, "there is no memory for the meeting\n");
        exit(1);
    }
    (void)pthread_barrierattr_destroy(&attributes);
    meeting->options = *o;
    meeting->digests = (uint64_t *)(void *)(meeting + 1);
    return meeting;
}

/* Returns when every rank has come. */
static inline void loop_meet(loop_meeting *meeting)
{
    (void)pthread_barrier_wait(&meeting->barrier);
}

static inline uint64_t *loop_digest_at(loop_meeting *meeting, uint32_t session, uint32_t step, uint32_t layer,
                                       uint32_t micro_batch)
{
    const loop_options *o = &meeting->options;
    const size_t row = ((size_t)session * o->step_num + step) * o->layer_num + layer;
    return &meeting->digests[row * o->micro_batch_num + micro_batch];
}

/* Leaves the digest of combined rows; where times are taken, the last step's alone. */
static inline void loop_leave_digest(loop_meeting *meeting, uint32_t session, uint32_t step, uint32_t layer,
                                     uint32_t micro_batch, const void *rows)
{
    const loop_options *o = &meeting->options;
    if (!o->time || step + 1 == o->step_num) {
        const size_t row_bytes = o->hidden * sizeof(uint16_t);
        *loop_digest_at(meeting, session, step, layer, micro_batch) =
            loop_digest(rows, loop_token_num(o, step, session, micro_batch) * row_bytes);
    }
}

/* To be called by a session before each step: the times of all but the first and the last, which has the digests. */
static inline void loop_mark(loop_meeting *meeting, uint32_t session, uint32_t step)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    if (step == 1) {
        meeting->begin_ns[session] = now_ns;
    }
    meeting->end_ns[session] = now_ns;
}

/* The time of a step, shared out to its micro-batches and layers, of the slowest session. */
static inline void loop_print_time(const loop_meeting *meeting)
{
    const loop_options *o = &meeting->options;
    uint64_t worst_ns = 0;
    for (uint32_t session = 0; session < o->attention_num; session++) {
        const uint64_t took_ns = meeting->end_ns[session] - meeting->begin_ns[session];
        worst_ns = took_ns > worst_ns ? took_ns : worst_ns;
    }
    const uint64_t round_num = (uint64_t)(o->step_num - 2) * o->layer_num * o->micro_batch_num;
    fprintf(stderr, "%.2f us a micro-batch and layer\n", (double)worst_ns / 1000 / (double)round_num);
}

static inline void loop_print_step(loop_meeting *meeting, uint32_t session, uint32_t step)
{
    const loop_options *o = &meeting->options;
    for (uint32_t layer = 0; layer < o->layer_num; layer++) {
        for (uint32_t m = 0; m < o->micro_batch_num; m++) {
            printf("rank %u step %u layer %u micro-batch %u tokens %u digest %016llx\n", session, step, layer, m,
                   loop_token_num(o, step, session, m),
                   (unsigned long long)*loop_digest_at(meeting, session, step, layer, m));
        }
    }
}

/* A line for each (rank, step, layer, micro-batch), in this order. */
static inline void loop_print(loop_meeting *meeting)
{
    const loop_options *o = &meeting->options;
    for (uint32_t session = 0; session < o->attention_num; session++) {
        for (uint32_t step = o->time ? o->step_num - 1 : 0; step < o->step_num; step++) {
            loop_print_step(meeting, session, step);
        }
    }
    if (o->time) {
        loop_print_time(meeting);
    }
}

/* What a rank runs. One that fails says so on stderr and ends its process with 1: nobody can go on without it. */
typedef void loop_rank(loop_meeting *meeting, uint32_t rank, void *arg);

typedef struct loop_rank_start {
    loop_meeting *meeting;
    loop_rank *body;
    void *arg;
    uint32_t rank;
} loop_rank_start;

static inline void *loop_rank_thread(void *start)
{
    const loop_rank_start *s = (const loop_rank_start *)start;
    s->body(s->meeting, s->rank, s->arg);
    return NULL;
}

static inline void loop_run_threads(loop_meeting *meeting, loop_rank *body, void *arg)
{
    const uint32_t rank_num = loop_rank_num(&meeting->options);
    loop_rank_start starts[LOOP_RANK_MAX];
    pthread_t threads[LOOP_RANK_MAX];
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        starts[rank].meeting = meeting;
        starts[rank].body = body;
        starts[rank].arg = arg;
        starts[rank].rank = rank;
        if (pthread_create(&threads[rank], NULL, loop_rank_thread, &starts[rank]) != 0) {
            fprintf(stderr, "cannot start the thread of rank %u\n", rank);
            exit(1);
        }
    }
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        (void)pthread_join(threads[rank], NULL);
    }
}

static inline void loop_kill(const pid_t *children, uint32_t child_num)
{
    for (uint32_t i = 0; i < child_num; i++) {
        if (children[i] > 0) {
            (void)kill(children[i], SIGKILL);
        }
    }
}

/* Waits for all; the first that fails takes the others with it, for they would wait for it. */
static inline void loop_join_processes(pid_t *children, uint32_t child_num)
{
    for (uint32_t ended = 0; ended < child_num; ended++) {
        int status = 0;
        const pid_t child = wait(&status);
        for (uint32_t i = 0; i < child_num; i++) {
            children[i] = children[i] == child ? 0 : children[i];
        }
        if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "a rank failed\n");
            loop_kill(children, child_num);
            exit(1);
        }
    }
}

static inline void loop_run_processes(loop_meeting *meeting, loop_rank *body, void *arg)
{
    const uint32_t rank_num = loop_rank_num(&meeting->options);
    pid_t children[LOOP_RANK_MAX];
    for (uint32_t rank = 0; rank < rank_num; rank++) {
        children[rank] = fork();
        if (children[rank] == 0) {
            body(meeting, rank, arg);
            exit(0);
        }
        if (children[rank] < 0) {
            fprintf(stderr, "cannot start the process of rank %u\n", rank);
            loop_kill(children, rank);
            exit(1);
        }
    }
    loop_join_processes(children, rank_num);
}

#endif
