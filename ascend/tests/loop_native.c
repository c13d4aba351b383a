/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native twin of examples/acl_loop: the same model, options and output, with the workers of include/afd instead of
 * the CANN front. compare_loops.sh holds the two against each other.
 */
#include <afd/transport.h>
#include <afd/worker.h>

#include "loop_ranks.h"

/* What the ranks of one process know of each other; between processes windows go by name. */
typedef struct windows {
    afd_window *of_rank[LOOP_RANK_MAX];
    long run; /* in the names of windows */
} windows;

static _Noreturn void fail(const char *what, const afd_error *error)
{
    fprintf(stderr, "loop_native: %s: %s\n", what, error->message);
    _Exit(1); /* the other threads may be anywhere */
}

static void check(afd_status status, const char *what, const afd_error *error)
{
    if (status != AFD_OK) {
        fail(what, error);
    }
}

/* As the front waits: there may be more ranks than cores, so one that waits for long sleeps. */
static afd_wait patient_wait(void)
{
    const afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    return wait;
}

static afd_shape shape_of(const loop_options *o)
{
    const afd_token_type type = o->quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16;
    const afd_shape shape = {
        .session_num = o->attention_num,
        .micro_batch_num = o->micro_batch_num,
        .micro_batch_size = o->batch_size,
        .selected_expert_num = loop_slot_num(o),
        .expert_num = loop_expert_num(o),
        .attn_to_ffn_token_size = (uint32_t)afd_token_slot_bytes(type, o->hidden),
        .ffn_to_attn_token_size = (uint32_t)afd_token_slot_bytes(AFD_TOKEN_BF16, o->hidden),
    };
    return shape;
}

static uint32_t group_size(const loop_options *o)
{
    return o->groups ? 1 : o->attention_num;
}

/* Sessions come first here, whatever the front does. NULL for threads: their windows have no name. */
static const char *name_window(const loop_options *o, const windows *all, uint32_t rank, char *name, size_t bytes)
{
    (void)snprintf(name, bytes, "loop-native-%ld.%u", all->run, rank);
    return o->processes ? name : NULL;
}

static afd_writer *open_writer(const loop_options *o, const windows *all, uint32_t rank)
{
    char name[AFD_WINDOW_NAME_MAX + 1];
    afd_writer *writer = NULL;
    afd_error error;
    check(name_window(o, all, rank, name, sizeof(name)) != NULL
              ? afd_writer_shm_open(name, &writer, &error)
              : afd_writer_local_create(all->of_rank[rank], &writer, &error),
          "a writer", &error);
    return writer;
}

/* The experts of one FFN rank. */
typedef struct expert_arg {
    const loop_options *options;
    uint32_t ffn;
} expert_arg;

static afd_status run_experts(void *arg, const afd_experts_call *call)
{
    const expert_arg *e = arg;
    const size_t row_bytes = call->hidden * (e->options->quantize ? sizeof(int8_t) : sizeof(uint16_t));
    uint64_t row = 0;
    for (uint32_t group = 0; group < call->group_num; group++) {
        const uint64_t end = row + (uint64_t)call->group_list[2 * group + 1];
        for (; row < end; row++) {
            loop_expert(e->options, e->ffn, call->group_list[2 * group], (const char *)call->tokens + row * row_bytes,
                        e->options->quantize ? call->dynamic_scale[row] : 1.0F,
                        (uint16_t *)call->results + row * call->hidden);
        }
    }
    return AFD_OK;
}

/* The FFN rank's end: when every rank has met, all sessions have what they were waiting for. */
typedef struct ending {
    loop_meeting *meeting;
    afd_ffn_worker *worker;
} ending;

static void *stop_at_meeting(void *arg)
{
    const ending *e = arg;
    loop_meet(e->meeting);
    afd_context_stop(afd_ffn_worker_context(e->worker));
    return NULL;
}

static void serve(loop_meeting *meeting, afd_ffn_worker *worker)
{
    ending end = { meeting, worker };
    afd_wait wait = patient_wait();
    pthread_t thread;
    afd_error error;
    afd_status status;
    if (pthread_create(&thread, NULL, stop_at_meeting, &end) != 0) {
        fprintf(stderr, "loop_native: cannot start a thread\n");
        _Exit(1);
    }
    do {
        status = afd_ffn_worker_await(worker, &wait, NULL, &error);
    } while (status == AFD_OK);
    if (status != AFD_STOPPED) {
        fail("afd_ffn_worker_await", &error);
    }
    pthread_join(thread, NULL);
}

static void run_ffn(loop_meeting *meeting, uint32_t rank, windows *all)
{
    const loop_options *o = &meeting->options;
    const expert_arg experts = { o, rank - o->attention_num };
    char name[AFD_WINDOW_NAME_MAX + 1];
    afd_ffn_worker *worker = NULL;
    afd_error error;
    const afd_ffn_worker_options options = {
        .size = sizeof(options),
        .shape = shape_of(o),
        .window_name = name_window(o, all, rank, name, sizeof(name)),
        .sync_group_size = group_size(o),
        .hidden = o->hidden,
        .type = o->quantize ? AFD_TOKEN_INT8 : AFD_TOKEN_BF16,
        .result_type = AFD_TOKEN_BF16,
        .expert_num = loop_local_num(o) * o->layer_num,
        .experts = run_experts,
        .experts_arg = (void *)(uintptr_t)&experts,
    };
    check(afd_ffn_worker_create(&options, &worker, &error), "afd_ffn_worker_create", &error);
    all->of_rank[rank] = afd_ffn_worker_window(worker);
    loop_meet(meeting); /* every window is there */
    for (uint32_t session = 0; session < o->attention_num; session++) {
        check(afd_ffn_worker_accept(worker, session, open_writer(o, all, session), &error), "accept", &error);
    }
    serve(meeting, worker);
    for (uint32_t session = 0; session < o->attention_num; session++) {
        (void)afd_ffn_worker_drop(worker, session, NULL);
    }
    loop_meet(meeting); /* no writer into an attention window is left, */
    loop_meet(meeting); /* and none into an FFN window */
    afd_ffn_worker_close(worker);
}

/* One session on its way through steps and layers. */
typedef struct session_state {
    loop_meeting *meeting;
    afd_attention_worker *worker;
    uint32_t session;
    uint32_t step;
    uint16_t *rows;      /* [M][BS][H]: what goes into the next layer */
    int32_t *expert_ids; /* [BS][K] */
    float *weights;      /* [M][BS][K] */
} session_state;

static uint16_t *rows_of(const session_state *s, uint32_t micro_batch)
{
    const loop_options *o = &s->meeting->options;
    return s->rows + (size_t)micro_batch * o->batch_size * o->hidden;
}

static float *weights_of(const session_state *s, uint32_t micro_batch)
{
    const loop_options *o = &s->meeting->options;
    return s->weights + (size_t)micro_batch * o->batch_size * o->top_k;
}

static void send_rows(session_state *s, uint32_t layer, uint32_t micro_batch)
{
    const loop_options *o = &s->meeting->options;
    const uint32_t token_num = loop_token_num(o, s->step, s->session, micro_batch);
    afd_wait wait = patient_wait();
    afd_error error;
    loop_route(o, s->step, s->session, micro_batch, layer, token_num, s->expert_ids, weights_of(s, micro_batch));
    check(afd_attention_worker_dispatch(s->worker, micro_batch, (int32_t)layer, rows_of(s, micro_batch), token_num,
                                        s->expert_ids, &wait, &error),
          "afd_attention_worker_dispatch", &error);
}

static void collect_rows(session_state *s, uint32_t layer, uint32_t micro_batch)
{
    afd_wait wait = patient_wait();
    afd_error error;
    check(afd_attention_worker_collect(s->worker, micro_batch, weights_of(s, micro_batch), rows_of(s, micro_batch),
                                       &wait, &error),
          "afd_attention_worker_collect", &error);
    loop_leave_digest(s->meeting, s->session, s->step, layer, micro_batch, rows_of(s, micro_batch));
}

static void run_step(session_state *s)
{
    const loop_options *o = &s->meeting->options;
    for (uint32_t m = 0; m < o->micro_batch_num; m++) {
        loop_hidden_rows(o, s->step, s->session, m, loop_token_num(o, s->step, s->session, m), rows_of(s, m));
    }
    for (uint32_t index = 0; index <= o->layer_num; index++) {
        for (uint32_t m = 0; m < o->micro_batch_num; m++) {
            if (index > 0) {
                collect_rows(s, loop_layer(o, s->session, index - 1), m);
            }
            if (index < o->layer_num) {
                send_rows(s, loop_layer(o, s->session, index), m);
            }
        }
    }
}

static void run_steps(loop_meeting *meeting, afd_attention_worker *worker, uint32_t session)
{
    const loop_options *o = &meeting->options;
    const size_t token_num = (size_t)o->micro_batch_num * o->batch_size;
    session_state s = { meeting, worker, session, 0, NULL, NULL, NULL };
    s.rows = malloc(token_num * o->hidden * sizeof(uint16_t));
    s.expert_ids = malloc((size_t)o->batch_size * o->top_k * sizeof(int32_t));
    s.weights = malloc(token_num * o->top_k * sizeof(float));
    if (s.rows == NULL || s.expert_ids == NULL || s.weights == NULL) {
        fprintf(stderr, "loop_native: there is no memory for rows\n");
        _Exit(1);
    }
    for (; s.step < o->step_num; s.step++) {
        loop_mark(meeting, session, s.step);
        run_step(&s);
    }
    free(s.rows);
    free(s.expert_ids);
    free(s.weights);
}

/* [L][experts][width] of the expert table, and the smooth scales if rows are quantised. */
static int32_t *make_table(const loop_options *o, float **scales)
{
    const size_t expert_num = (size_t)o->layer_num * loop_expert_num(o);
    int32_t *table = malloc(expert_num * loop_table_width(o) * sizeof(*table));
    *scales = o->quantize ? malloc(expert_num * o->hidden * sizeof(**scales)) : NULL;
    if (table == NULL || (o->quantize && *scales == NULL)) {
        fprintf(stderr, "loop_native: there is no memory for the expert table\n");
        _Exit(1);
    }
    loop_expert_table(o, 0, table);
    if (o->quantize) {
        loop_smooth_scales(o, *scales);
    }
    return table;
}

static void run_attention(loop_meeting *meeting, uint32_t rank, windows *all)
{
    const loop_options *o = &meeting->options;
    char name[AFD_WINDOW_NAME_MAX + 1];
    float *scales = NULL;
    int32_t *table = make_table(o, &scales);
    afd_attention_worker *worker = NULL;
    afd_error error;
    const afd_attention_worker_options options = {
        .size = sizeof(options),
        .shape = shape_of(o),
        .window_name = name_window(o, all, rank, name, sizeof(name)),
        .session = rank,
        .hidden = o->hidden,
        .type = AFD_TOKEN_BF16,
        .quantize = o->quantize,
        .top_k = o->top_k,
        .experts = { table, o->layer_num, loop_expert_num(o), loop_table_width(o) },
        .smooth_scales = scales,
        .ffn_num = o->ffn_num,
        .sync_group_size = group_size(o),
    };
    check(afd_attention_worker_create(&options, &worker, &error), "afd_attention_worker_create", &error);
    all->of_rank[rank] = afd_attention_worker_window(worker);
    loop_meet(meeting); /* every window is there */
    for (uint32_t ffn = 0; ffn < o->ffn_num; ffn++) {
        check(afd_attention_worker_connect(worker, ffn, open_writer(o, all, o->attention_num + ffn), &error), "connect",
              &error);
    }
    run_steps(meeting, worker, rank);
    loop_meet(meeting); /* every session has what it was waiting for */
    loop_meet(meeting); /* no writer into this window is left */
    afd_attention_worker_close(worker);
    loop_meet(meeting);
    free(table);
    free(scales);
}

static void run_rank(loop_meeting *meeting, uint32_t rank, void *arg)
{
    if (rank < meeting->options.attention_num) {
        run_attention(meeting, rank, arg);
    } else {
        run_ffn(meeting, rank, arg);
    }
}

int main(int argc, char **argv)
{
    const loop_options options = loop_parse(argc, argv);
    loop_meeting *meeting = loop_meeting_create(&options);
    windows all = { { NULL }, (long)getpid() };
    (options.processes ? loop_run_processes : loop_run_threads)(meeting, run_rank, &all);
    loop_print(meeting);
    return 0;
}
