/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides of a fault's world, each in a process of its own, which know of each other names or addresses alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fault_board.h"
#include "fault_net.h"

#define MILLISECONDS UINT64_C(1000000)
#define SECONDS UINT64_C(1000000000)

enum { LATE_NUM = 4 };

static const char secret[] = "what the members of a campaign know";

afd_member_options fault_member_options(const fault_case *f)
{
    afd_member_options options = AFD_MEMBER_OPTIONS_INIT;
    /* A packet that was lost is sent again after 200 ms, 400 ms, and so on: five losses in a row are not to happen. And
     * with a dozen of processes and a network between them, all on one machine, a second may pass without a beat. */
    const uint64_t patience = f->kind == FAULT_LOSS ? 12 : f->transport == FAULT_ON_HOSTS ? 3 : 1;
    options.heartbeat_ns = 100 * MILLISECONDS;
    options.dead_ns = patience * 1 * SECONDS;
    options.deadline_ns = patience * 2 * SECONDS;
    options.drain_ns = 20 * SECONDS;
    if (f->transport != FAULT_ON_SHM) {
        options.secret = secret;
        options.secret_bytes = sizeof(secret);
    }
    return options;
}

void fault_name_prefix(const fault_world *world, char prefix[FAULT_NAME_BYTES])
{
    (void)snprintf(prefix, FAULT_NAME_BYTES, "faults-%d-", (int)world->parent);
}

void fault_ffn_name(const fault_world *world, uint32_t rank, char name[FAULT_NAME_BYTES])
{
    (void)snprintf(name, FAULT_NAME_BYTES, "faults-%d-f%" PRIu32, (int)world->parent, rank);
}

void fault_attention_name(const fault_world *world, uint32_t session, pid_t pid, char name[FAULT_NAME_BYTES])
{
    (void)snprintf(name, FAULT_NAME_BYTES, "faults-%d-a%" PRIu32 "-%d", (int)world->parent, session, (int)pid);
}

/* ---- what a member is told ---- */

typedef struct member {
    const fault_world *world;
    char side;
    uint32_t number;
} member;

static void log_event(void *arg, const afd_event *event)
{
    const member *self = arg;
    fault_board *board = self->world->board;
    const int32_t place = __atomic_fetch_add(&board->log_num, 1, __ATOMIC_ACQ_REL);
    if (place >= FAULT_LOG_MAX) {
        return; /* the run says that it overflowed */
    }
    fault_entry *entry = &board->log[place];
    entry->side = self->side;
    entry->observer = self->number;
    entry->at_ns = afd_clock_ns();
    entry->kind = event->kind;
    entry->reason = event->reason;
    entry->peer = event->peer;
    entry->pid = event->pid;
    (void)snprintf(entry->text, sizeof(entry->text), "%s", event->text);
    board_set(&entry->is_written, 1);
}

static int fail(const member *self, const char *what, afd_status status, const afd_error *error)
{
    fprintf(stderr, "%c%" PRIu32 ": %s: %s: %s\n", self->side, self->number, what, afd_status_name(status),
            status < 0 ? error->message : "");
    return 1;
}

/* ---- FFN ---- */

typedef struct ffn_member {
    member base;
    fault_seat *seat;
    bool is_wrong;
} ffn_member;

static afd_status run_experts(void *arg, const afd_experts_call *call)
{
    ffn_member *self = arg;
    const char *why = NULL;
    if (!layer_case_run_experts(&self->base.world->f->layer, self->base.number, call, &why)) {
        fprintf(stderr, "f%" PRIu32 ": the experts were called with %s\n", self->base.number, why);
        self->is_wrong = true;
        board_set(&self->seat->wrong, 1);
        return AFD_ERR_INVALID;
    }
    board_set_u64(&self->seat->round_num, self->seat->round_num + 1);
    return AFD_OK;
}

static int serve(ffn_member *self, afd_ffn_worker *worker)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    afd_status status;
    do {
        status = afd_ffn_worker_serve(worker, &wait, &error);
    } while (status == AFD_NOBODY_LIVE);
    return status == AFD_STOPPED && !self->is_wrong ? 0 : fail(&self->base, "serve", status, &error);
}

int fault_be_ffn(const fault_world *world, uint32_t rank)
{
    ffn_member self = { .base = { world, 'f', rank }, .seat = &world->board->ffn[rank] };
    afd_member_options options = fault_member_options(world->f);
    afd_ffn_worker *worker = NULL;
    char name[FAULT_NAME_BYTES];
    char address[FAULT_ADDRESS_BYTES];
    afd_error error;
    fault_ffn_name(world, rank, name);
    if (world->f->transport != FAULT_ON_SHM) {
        fault_net_door(rank, address);
        options.listen = address;
    }
    afd_ffn_worker_options worker_options = layer_case_ffn_options(&world->f->layer, rank);
    worker_options.window_name = name;
    worker_options.experts = run_experts;
    worker_options.experts_arg = &self;
    options.drain = &world->board->drain[rank];
    options.observer = log_event;
    options.observer_arg = &self.base;
    afd_status status = afd_ffn_worker_create(&worker_options, &worker, &error);
    if (status == AFD_OK) {
        status = afd_ffn_worker_listen(worker, name, &options, &error);
    }
    const int result = status == AFD_OK ? serve(&self, worker) : fail(&self.base, "listen", status, &error);
    afd_ffn_worker_close(worker);
    return result;
}

/* ---- attention ---- */

/* A micro-batch on its way through the layers. */
typedef struct flight {
    layer_round round;
    bool is_open;
    uint16_t *tokens;     /* [BS][H] */
    int32_t *expert_ids;  /* [BS][K] */
    float *expert_scales; /* [BS][K] */
} flight;

typedef struct attention_member {
    member base;
    const layer_case *c;
    fault_seat *seat;
    afd_attention_worker *worker;
    uint64_t patience_ns; /* for the results of a round */
    const char *names[FAULT_RANKS_MAX];
    char name_texts[FAULT_RANKS_MAX][FAULT_NAME_BYTES]; /* or addresses */
    flight *flights;      /* [M] */
    uint16_t *output;     /* [BS][H] */
    uint16_t *expected;
} attention_member;

static afd_wait wait_some(afd_late late[LATE_NUM], uint64_t limit_ns)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = afd_clock_ns() + limit_ns;
    wait.late = late;
    wait.late_capacity = LATE_NUM;
    return wait;
}

/* Who has the place, as the sentence says it to a person. */
static int32_t holder_in(const char *message)
{
    const char *found = strstr(message, "held by process ");
    int holder = 0;
    return found != NULL && sscanf(found, "held by process %d", &holder) == 1 ? holder : -1;
}

/* Until everybody is there; a place that somebody else holds is asked for again. */
static afd_status join(attention_member *self, bool again, afd_error *error)
{
    afd_member_options options = fault_member_options(self->base.world->f);
    options.observer = log_event;
    options.observer_arg = &self->base;
    for (;;) {
        afd_late late[LATE_NUM];
        afd_wait wait = wait_some(late, 1 * SECONDS);
        const afd_status status = again ? afd_attention_worker_rejoin(self->worker, &wait, error)
                                        : afd_attention_worker_join(self->worker, self->names, &options, &wait, error);
        if (status == AFD_OK) {
            board_set(&self->seat->joined_num, self->seat->joined_num + 1);
            return AFD_OK;
        }
        if (status == AFD_ERR_EXISTS) {
            const struct timespec pause = { 0, 50000000 };
            board_set(&self->seat->refused_by_pid, holder_in(error->message));
            (void)nanosleep(&pause, NULL);
        } else if (status != AFD_DEADLINE && status != AFD_ERR_PEER) {
            return status;
        }
    }
}

static void next_round(attention_member *self, flight *f)
{
    layer_round *round = &f->round;
    round->layer_id++;
    if (round->layer_id == (int32_t)self->c->layer_num) {
        round->layer_id = 0;
        round->step++;
    }
    if (round->layer_id == 0) {
        layer_case_tokens(self->c, round, f->tokens);
    }
    layer_case_route(self->c, round, f->expert_ids, f->expert_scales);
}

/* Sends the round that the flight is in, for the first time or again. */
static afd_status send(attention_member *self, flight *f, afd_error *error)
{
    afd_status status;
    do {
        afd_late late[LATE_NUM];
        afd_wait wait = wait_some(late, 5 * SECONDS);
        status = afd_attention_worker_dispatch(self->worker, f->round.micro_batch, f->round.layer_id, f->tokens,
                                               layer_case_token_num(self->c, &f->round), f->expert_ids, &wait, error);
    } while (status == AFD_DEADLINE);
    f->is_open = status == AFD_OK;
    return status;
}

static void note_round(attention_member *self)
{
    fault_seat *seat = self->seat;
    const uint64_t now_ns = afd_clock_ns();
    if (board_get(&self->base.world->board->armed) != 0 && seat->round_ns != 0 &&
        now_ns - seat->round_ns > seat->gap_ns_max) {
        board_set_u64(&seat->gap_ns_max, now_ns - seat->round_ns);
    }
    board_set_u64(&seat->round_ns, now_ns);
    board_set_u64(&seat->round_num, seat->round_num + 1);
}

static bool is_right(attention_member *self, const flight *f)
{
    const size_t value_num = (size_t)layer_case_token_num(self->c, &f->round) * self->c->hidden;
    layer_case_expect(self->c, &f->round, f->tokens, f->expert_ids, f->expert_scales, self->expected);
    if (memcmp(self->output, self->expected, value_num * sizeof(uint16_t)) == 0) {
        return true;
    }
    fprintf(stderr, "a%" PRIu32 ": a wrong row, micro-batch %" PRIu32 " step %" PRIu32 " layer %" PRId32 "\n",
            self->base.number, f->round.micro_batch, f->round.step, f->round.layer_id);
    board_set(&self->seat->wrong, 1);
    return false;
}

/*
 * Collects an open round. One that does not come in the time that a deadline and a detection may take is given up, as
 * by an engine that has waited long enough: AFD_DEADLINE, and the round is still open.
 */
static afd_status collect(attention_member *self, flight *f, afd_error *error)
{
    afd_late late[LATE_NUM];
    afd_wait wait = wait_some(late, self->patience_ns);
    const size_t bytes = (size_t)self->c->micro_batch_size * self->c->hidden * sizeof(uint16_t);
    const afd_status status = afd_attention_worker_collect(self->worker, f->round.micro_batch, f->expert_scales,
                                                           self->output, &wait, error);
    if (status != AFD_OK) {
        return status;
    }
    f->is_open = false;
    if (!is_right(self, f)) {
        *error = (afd_error){ .status = AFD_ERR_INVALID, .message = "a wrong row" };
        return AFD_ERR_INVALID;
    }
    memcpy(f->tokens, self->output, bytes);
    note_round(self);
    return AFD_OK;
}

/* Micro-batches in their order, 0 first: in all-sync the FFN workers go round them so. */
static afd_status send_all(attention_member *self, afd_error *error)
{
    afd_status status = AFD_OK;
    for (uint32_t m = 0; status == AFD_OK && m < self->c->micro_batch_num; m++) {
        status = send(self, &self->flights[m], error);
    }
    return status;
}

/* One round of each micro-batch: collect, and send on. */
static afd_status turn_all(attention_member *self, afd_error *error)
{
    afd_status status = AFD_OK;
    for (uint32_t m = 0; status == AFD_OK && m < self->c->micro_batch_num; m++) {
        flight *f = &self->flights[m];
        status = collect(self, f, error);
        if (status == AFD_OK) {
            next_round(self, f);
            status = send(self, f, error);
        }
    }
    return status;
}

/* What is open and can still come; the rest is lost, and stays the round that the flight is in. */
static afd_status collect_rest(attention_member *self, afd_error *error)
{
    for (uint32_t m = 0; m < self->c->micro_batch_num; m++) {
        flight *f = &self->flights[m];
        if (!f->is_open) {
            continue;
        }
        const afd_status status = collect(self, f, error);
        if (status == AFD_OK) {
            next_round(self, f);
        } else if (status == AFD_ERR_PEER || status == AFD_DEADLINE) {
            board_set_u64(&self->seat->lost_num, self->seat->lost_num + 1);
        } else {
            return status;
        }
    }
    return AFD_OK;
}

/* After a loss: what came is kept, everybody is joined anew, and what is left of each micro-batch is sent again. */
static afd_status recover(attention_member *self, afd_error *error)
{
    afd_status status = collect_rest(self, error);
    for (uint32_t m = 0; m < self->c->micro_batch_num; m++) {
        self->flights[m].is_open = false;
    }
    if (status == AFD_OK) {
        status = join(self, true, error);
    }
    return status == AFD_OK ? send_all(self, error) : status;
}

static bool is_recoverable(afd_status status)
{
    return status == AFD_ERR_PEER || status == AFD_DEADLINE;
}

static afd_status fly(attention_member *self, afd_error *error)
{
    afd_status status = send_all(self, error);
    while (status == AFD_OK || is_recoverable(status)) {
        if (is_recoverable(status) || afd_attention_worker_wants_rejoin(self->worker)) {
            status = recover(self, error);
        } else if (board_get(&self->base.world->board->finish) != 0) {
            return AFD_OK;
        } else {
            status = turn_all(self, error);
        }
    }
    return status;
}

/* The last rounds, and goodbye. Somebody may die now, too. */
static afd_status leave(attention_member *self, afd_error *error)
{
    afd_late late[LATE_NUM];
    afd_wait wait = wait_some(late, 10 * SECONDS);
    const afd_status status = afd_attention_worker_leave(self->worker, &wait, error);
    return is_recoverable(status) ? AFD_OK : status;
}

static void *allocate(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void make_flights(attention_member *self)
{
    const layer_case *c = self->c;
    const size_t value_num = (size_t)c->micro_batch_size * c->hidden;
    const size_t id_num = (size_t)c->micro_batch_size * c->top_k;
    self->flights = allocate(c->micro_batch_num, sizeof(*self->flights));
    self->output = allocate(value_num, sizeof(uint16_t));
    self->expected = allocate(value_num, sizeof(uint16_t));
    for (uint32_t m = 0; m < c->micro_batch_num; m++) {
        self->flights[m] = (flight){
            .round = { .session = self->base.number, .micro_batch = m, .layer_id = -1 },
            .tokens = allocate(value_num, sizeof(uint16_t)),
            .expert_ids = allocate(id_num, sizeof(int32_t)),
            .expert_scales = allocate(id_num, sizeof(float)),
        };
        next_round(self, &self->flights[m]);
    }
}

static void free_flights(attention_member *self)
{
    for (uint32_t m = 0; m < self->c->micro_batch_num; m++) {
        free(self->flights[m].tokens);
        free(self->flights[m].expert_ids);
        free(self->flights[m].expert_scales);
    }
    free(self->flights);
    free(self->output);
    free(self->expected);
}

static int be_attention(attention_member *self)
{
    char name[FAULT_NAME_BYTES];
    afd_error error;
    fault_attention_name(self->base.world, self->base.number, getpid(), name);
    afd_attention_worker_options options = layer_case_attention_options(self->c, self->base.number);
    /* Between hosts nobody else can see the window, and so nobody removes what a killed one leaves: it is private. */
    options.window_name = self->base.world->f->transport == FAULT_ON_SHM ? name : NULL;
    afd_status status = afd_attention_worker_create(&options, &self->worker, &error);
    if (status == AFD_OK) {
        status = join(self, false, &error);
    }
    if (status == AFD_OK) {
        status = fly(self, &error);
    }
    if (status == AFD_OK) {
        status = leave(self, &error);
    }
    afd_attention_worker_close(self->worker);
    return status == AFD_OK ? 0 : fail(&self->base, "attention", status, &error);
}

int fault_be_attention(const fault_world *world, uint32_t session)
{
    attention_member self = {
        .base = { world, 'a', session },
        .c = &world->f->layer,
        .seat = &world->board->attention[session],
        .patience_ns = 4 * fault_member_options(world->f).deadline_ns,
    };
    for (uint32_t rank = 0; rank < self.c->ffn_num; rank++) {
        if (world->f->transport == FAULT_ON_SHM) {
            fault_ffn_name(world, rank, self.name_texts[rank]);
        } else {
            fault_net_door(rank, self.name_texts[rank]);
        }
        self.names[rank] = self.name_texts[rank];
    }
    make_flights(&self);
    const int result = be_attention(&self);
    free_flights(&self);
    return result;
}
