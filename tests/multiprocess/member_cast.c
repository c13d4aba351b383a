/* SPDX-License-Identifier: Apache-2.0 */
#include "member_cast.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HANG_NS (UINT64_C(100) * 1000000000)

static pid_t stage; /* the test's process, of which all are children */
static bool is_between_hosts;

_Noreturn void cast_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED: ");
    (void)vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    _exit(EXIT_FAILURE); /* the children die with us */
}

static uint32_t seen(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void add_one(uint32_t *word)
{
    (void)__atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
}

static void rest(void)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    (void)nanosleep(&pause, NULL);
}

/* ---- the board ---- */

typedef struct cast_member {
    cast *all;
    bool is_ffn;
    uint32_t number;
} cast_member;

static void observe(void *argument, const afd_event *event)
{
    const cast_member *me = argument;
    cast_board *board = me->all->board;
    uint32_t entry = __atomic_fetch_add(&board->event_num, 1, __ATOMIC_ACQ_REL);
    if (entry >= CAST_EVENT_MAX) {
        return;
    }
    cast_event *written = &board->events[entry];
    written->is_ffn = me->is_ffn;
    written->member = me->number;
    written->event = *event;
    written->event.text = NULL;
    written->event.host = NULL;
    (void)snprintf(written->text, sizeof(written->text), "%.199s", event->text);
    add_one(&board->is_written[entry]);
}

static bool is_such(const cast_event *event, bool is_ffn, uint32_t member, afd_event_kind kind, uint32_t peer)
{
    return event->is_ffn == is_ffn && event->member == member && event->event.kind == kind &&
           event->event.peer == peer;
}

static const cast_event *find_event(const cast *all, bool is_ffn, uint32_t member, afd_event_kind kind, uint32_t peer)
{
    for (uint32_t i = 0; i < CAST_EVENT_MAX; i++) {
        const cast_event *event = &all->board->events[i];
        if (seen(&all->board->is_written[i]) != 0 && is_such(event, is_ffn, member, kind, peer)) {
            return event;
        }
    }
    return NULL;
}

static void print_board(const cast *all)
{
    for (uint32_t i = 0; i < CAST_EVENT_MAX; i++) {
        const cast_event *event = &all->board->events[i];
        if (seen(&all->board->is_written[i]) != 0) {
            fprintf(stderr, "  %s %" PRIu32 ": %s: %s\n", event->is_ffn ? "ffn" : "attention", event->member,
                    afd_event_kind_text(event->event.kind), event->text);
        }
    }
    for (uint32_t s = 0; s < all->c.attention_num; s++) {
        fprintf(stderr, "  session %" PRIu32 ": %" PRIu32 " steps, %" PRIu32 " times without a peer, rejoined %" PRIu32
                " times\n", s, seen(&all->board->steps[s]), seen(&all->board->peers_lost[s]),
                seen(&all->board->rejoins[s]));
    }
}

/* A child that has failed has said why. */
static void look_after_children(const cast *all, uint64_t began_ns, const char *what)
{
    siginfo_t info = { 0 };
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
        info.si_code == CLD_EXITED && info.si_status != 0) {
        print_board(all);
        cast_fail("process %d ended with %d while waiting for %s", (int)info.si_pid, info.si_status, what);
    }
    if (afd_clock_ns() - began_ns > HANG_NS) {
        print_board(all);
        cast_fail("nothing comes of %s", what);
    }
    rest();
}

const cast_event *cast_await_event(const cast *all, bool is_ffn, uint32_t member, afd_event_kind kind, uint32_t peer)
{
    uint64_t began_ns = afd_clock_ns();
    const cast_event *event = NULL;
    while ((event = find_event(all, is_ffn, member, kind, peer)) == NULL) {
        look_after_children(all, began_ns, afd_event_kind_text(kind));
    }
    return event;
}

uint32_t cast_count_events(const cast *all, bool is_ffn, afd_event_kind kind)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < CAST_EVENT_MAX; i++) {
        const cast_event *event = &all->board->events[i];
        num += seen(&all->board->is_written[i]) != 0 && event->is_ffn == is_ffn && event->event.kind == kind;
    }
    return num;
}

void cast_await_steps(const cast *all, uint32_t session, uint32_t step_num)
{
    uint64_t began_ns = afd_clock_ns();
    while (seen(&all->board->steps[session]) < step_num) {
        look_after_children(all, began_ns, "steps");
    }
}

uint32_t cast_steps(const cast *all, uint32_t session)
{
    return seen(&all->board->steps[session]);
}

void cast_enough(cast *all)
{
    add_one(&all->board->enough);
}

/* ---- FFN ---- */

static afd_status run_experts(void *argument, const afd_experts_call *call)
{
    const cast_member *me = argument;
    const char *why = NULL;
    add_one(&me->all->board->answers[me->number]);
    if (!layer_case_run_experts(&me->all->c, me->number, call, &why)) {
        cast_fail("rank %" PRIu32 ": the experts were called with %s", me->number, why);
    }
    return AFD_OK;
}

static void be_ffn(cast *all, uint32_t rank)
{
    cast_member me = { all, true, rank };
    afd_ffn_worker *worker = NULL;
    afd_ffn_worker_options options = layer_case_ffn_options(&all->c, rank);
    afd_member_options members = all->options;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    afd_error error;
    options.window_name = all->names[rank];
    options.experts = run_experts;
    options.experts_arg = &me;
    members.observer = observe;
    members.observer_arg = &me;
    members.drain = &all->board->drain[rank];
    members.listen = all->is_between_hosts ? all->addresses[rank] : NULL;
    if (afd_ffn_worker_create(&options, &worker, &error) != AFD_OK ||
        afd_ffn_worker_listen(worker, all->names[rank], &members, &error) != AFD_OK) {
        cast_fail("rank %" PRIu32 ": %s", rank, error.message);
    }
    afd_status status = afd_ffn_worker_serve(worker, &wait, &error);
    if (status != AFD_STOPPED) {
        cast_fail("rank %" PRIu32 " served until %s: %s", rank, afd_status_name(status),
                  status < 0 ? error.message : "");
    }
    afd_ffn_worker_close(worker);
}

/* ---- attention ---- */

typedef struct attention_play {
    cast *all;
    cast_member me;
    afd_attention_worker *worker;
    afd_error error;
    uint16_t *tokens[3];
    uint16_t *output;
    uint16_t *expected;
    int32_t *expert_ids[3];
    float *expert_scales[3];
} attention_play;

static afd_wait patience(void)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.deadline_ns = afd_clock_ns() + HANG_NS;
    return wait;
}

static void *allocate(size_t count, size_t each)
{
    void *memory = calloc(count, each);
    if (memory == NULL) {
        cast_fail("no memory");
    }
    return memory;
}

static void make_play(attention_play *play, cast *all, uint32_t session)
{
    const layer_case *c = &all->c;
    size_t value_num = (size_t)c->micro_batch_size * c->hidden;
    size_t id_num = (size_t)c->micro_batch_size * c->top_k;
    char name[CAST_NAME_BYTES];
    afd_attention_worker_options options = layer_case_attention_options(c, session);
    *play = (attention_play){ .all = all, .me = { all, false, session } };
    cast_window_name(session, name);
    options.window_name = name;
    if (afd_attention_worker_create(&options, &play->worker, &play->error) != AFD_OK) {
        cast_fail("session %" PRIu32 ": %s", session, play->error.message);
    }
    for (uint32_t m = 0; m < c->micro_batch_num; m++) {
        play->tokens[m] = allocate(value_num, sizeof(uint16_t));
        play->expert_ids[m] = allocate(id_num, sizeof(int32_t));
        play->expert_scales[m] = allocate(id_num, sizeof(float));
    }
    play->output = allocate(value_num, sizeof(uint16_t));
    play->expected = allocate(value_num, sizeof(uint16_t));
}

static void free_play(attention_play *play)
{
    for (uint32_t m = 0; m < play->all->c.micro_batch_num; m++) {
        free(play->tokens[m]);
        free(play->expert_ids[m]);
        free(play->expert_scales[m]);
    }
    free(play->output);
    free(play->expected);
}

static afd_status send_round(attention_play *play, const layer_round *round)
{
    const layer_case *c = &play->all->c;
    uint32_t m = round->micro_batch;
    afd_wait wait = patience();
    if (round->layer_id == 0) {
        layer_case_tokens(c, round, play->tokens[m]);
    }
    layer_case_route(c, round, play->expert_ids[m], play->expert_scales[m]);
    return afd_attention_worker_dispatch(play->worker, m, round->layer_id, play->tokens[m],
                                         layer_case_token_num(c, round), play->expert_ids[m], &wait, &play->error);
}

static afd_status collect_round(attention_play *play, const layer_round *round)
{
    const layer_case *c = &play->all->c;
    uint32_t m = round->micro_batch;
    size_t bytes = (size_t)layer_case_token_num(c, round) * c->hidden * sizeof(uint16_t);
    afd_wait wait = patience();
    afd_status status = afd_attention_worker_collect(play->worker, m, play->expert_scales[m], play->output, &wait,
                                                     &play->error);
    if (status != AFD_OK) {
        return status;
    }
    layer_case_expect(c, round, play->tokens[m], play->expert_ids[m], play->expert_scales[m], play->expected);
    if (memcmp(play->output, play->expected, bytes) != 0) {
        cast_fail("session %" PRIu32 " micro-batch %" PRIu32 " step %" PRIu32 " layer %" PRId32 " came back wrong",
                  round->session, m, round->step, round->layer_id);
    }
    memcpy(play->tokens[m], play->output, bytes);
    return AFD_OK;
}

/* All micro-batches through all layers; what was lost is begun again by the caller. */
static afd_status play_step(attention_play *play, uint32_t step)
{
    const layer_case *c = &play->all->c;
    afd_status status = AFD_OK;
    for (uint32_t layer = 0; status == AFD_OK && layer < c->layer_num; layer++) {
        for (uint32_t m = 0; status == AFD_OK && m < c->micro_batch_num; m++) {
            status = send_round(play, &(layer_round){ play->me.number, m, step, (int32_t)layer });
        }
        for (uint32_t m = 0; status == AFD_OK && m < c->micro_batch_num; m++) {
            status = collect_round(play, &(layer_round){ play->me.number, m, step, (int32_t)layer });
        }
    }
    return status;
}

static _Noreturn void fail_play(const attention_play *play, const char *what, afd_status status)
{
    print_board(play->all);
    cast_fail("session %" PRIu32 ": %s: %s: %s", play->me.number, what, afd_status_name(status),
              status < 0 ? play->error.message : "");
}

static void rejoin(attention_play *play)
{
    afd_wait wait = patience();
    afd_status status = afd_attention_worker_rejoin(play->worker, &wait, &play->error);
    if (status != AFD_OK) {
        fail_play(play, "rejoin", status);
    }
    add_one(&play->all->board->rejoins[play->me.number]);
}

static void lose_peer(attention_play *play)
{
    cast_board *board = play->all->board;
    (void)snprintf(board->peer_errors[play->me.number], CAST_TEXT_BYTES, "%.199s", play->error.message);
    add_one(&board->peers_lost[play->me.number]);
    rejoin(play);
}

static void play_all(attention_play *play)
{
    uint32_t step = 0;
    while (step < play->all->step_num && seen(&play->all->board->enough) == 0) {
        afd_status status = play_step(play, step);
        if (status == AFD_OK) {
            step++;
            add_one(&play->all->board->steps[play->me.number]);
        } else if (status == AFD_ERR_PEER) {
            lose_peer(play);
        } else {
            fail_play(play, "a step", status);
        }
        if (status == AFD_OK && afd_attention_worker_wants_rejoin(play->worker) && step < play->all->step_num) {
            rejoin(play);
        }
    }
}

static void be_attention(cast *all, uint32_t session)
{
    attention_play play;
    afd_wait wait = patience();
    make_play(&play, all, session);
    afd_member_options members = all->options;
    members.observer = observe;
    members.observer_arg = &play.me;
    afd_status status = afd_attention_worker_join(play.worker, all->name_list, &members, &wait, &play.error);
    if (status != AFD_OK) {
        fail_play(&play, "join", status);
    }
    play_all(&play);
    status = afd_attention_worker_leave(play.worker, &wait, &play.error);
    if (status != AFD_OK && status != AFD_ERR_PEER) {
        fail_play(&play, "leave", status);
    }
    afd_attention_worker_close(play.worker);
    free_play(&play);
}

/* ---- processes ---- */

static pid_t start(cast *all, void (*be)(cast *all, uint32_t number), uint32_t number)
{
    (void)fflush(NULL); /* or the child writes what is in the buffers once more */
    pid_t child = fork();
    if (child < 0) {
        cast_fail("fork: %s", strerror(errno));
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != stage) {
            _exit(EXIT_FAILURE); /* it died before we asked for the signal */
        }
        be(all, number);
        _exit(EXIT_SUCCESS);
    }
    return child;
}

void cast_start_ffn(cast *all, uint32_t rank)
{
    all->ffn[rank] = start(all, be_ffn, rank);
}

void cast_start_attention(cast *all, uint32_t session)
{
    all->attention[session] = start(all, be_attention, session);
}

void cast_join(pid_t *process)
{
    int status = 0;
    while (waitpid(*process, &status, 0) < 0) {
        if (errno != EINTR) {
            cast_fail("process %d: %s", (int)*process, strerror(errno));
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        cast_fail("process %d ended with status 0x%x", (int)*process, (unsigned int)status);
    }
    *process = 0;
}

void cast_kill(pid_t *process)
{
    (void)kill(*process, SIGKILL);
    while (waitpid(*process, NULL, 0) < 0 && errno == EINTR) {
    }
    *process = 0;
}

void cast_window_name(uint32_t session, char name[CAST_NAME_BYTES])
{
    (void)snprintf(name, CAST_NAME_BYTES, "cast-%d-a%" PRIu32, (int)stage, session);
}

/* Every expert at copy_num ranks. */
static void draw_case(layer_case *c, uint32_t copy_num)
{
    for (c->seed = 1;; c->seed++) {
        bool has_all = true;
        layer_case_make(c);
        for (uint32_t expert = 0; expert < c->routed_num + c->shared_num; expert++) {
            has_all = has_all && c->experts.entries[(size_t)expert * c->experts.width] == (int32_t)copy_num;
        }
        if (has_all) {
            return;
        }
        layer_case_free(c);
    }
}

static bool can_bind(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool can = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return can;
}

/* One that is free, and the next one, too; below those that the system gives to who asks for any. */
static uint16_t free_port(void)
{
    static uint32_t asked_num;
    for (;;) {
        uint16_t port = (uint16_t)(20000 + ((uint32_t)stage * 16 + 2 * asked_num++) % 12000);
        if (can_bind(port) && can_bind((uint16_t)(port + 1))) {
            return port;
        }
    }
}

/* An FFN worker that only opens its door. */
static bool has_ucx(void)
{
    layer_case c = {
        .attention_num = 1, .ffn_num = 1, .micro_batch_num = 1, .micro_batch_size = 1, .layer_num = 1, .hidden = 32,
        .routed_num = 1, .top_k = 1, .copy_max = 1, .sync_group_size = 1, .step_num = 1, .type = AFD_TOKEN_BF16,
    };
    afd_ffn_worker *worker = NULL;
    afd_member_options members = AFD_MEMBER_OPTIONS_INIT;
    char name[CAST_NAME_BYTES];
    afd_error error = { .message = "" };
    layer_case_make(&c);
    afd_ffn_worker_options options = layer_case_ffn_options(&c, 0);
    (void)snprintf(name, sizeof(name), "cast-%d-try", (int)getpid());
    options.experts = run_experts;
    members.listen = "127.0.0.1:0";
    bool has = afd_ffn_worker_create(&options, &worker, &error) == AFD_OK &&
               afd_ffn_worker_listen(worker, name, &members, &error) == AFD_OK;
    if (!has) {
        fprintf(stderr, "%s\n", error.message);
    }
    afd_ffn_worker_close(worker);
    return has;
}

bool cast_go_between_hosts(void)
{
    /* In a process of its own: whoever forks afterwards has nothing of UCX in him. */
    pid_t child = fork();
    if (child == 0) {
        _exit(has_ucx() ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    is_between_hosts = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    return is_between_hosts;
}

void cast_make(cast *all, uint32_t attention_num, uint32_t ffn_num, uint32_t group_size, uint32_t copy_num)
{
    stage = getpid();
    *all = (cast){
        .c = {
            .attention_num = attention_num,
            .ffn_num = ffn_num,
            .micro_batch_num = 2,
            .micro_batch_size = 4,
            .layer_num = 3,
            .hidden = 32,
            .routed_num = 3,
            .shared_num = 1,
            .top_k = 2,
            .copy_max = copy_num,
            .sync_group_size = group_size,
            .step_num = 1,
            .type = AFD_TOKEN_BF16,
        },
        .step_num = 1500,
        .options = AFD_MEMBER_OPTIONS_INIT,
    };
    all->options.heartbeat_ns = UINT64_C(20000000);
    all->options.dead_ns = UINT64_C(5000000000);
    all->options.deadline_ns = HANG_NS;
    draw_case(&all->c, copy_num);
    all->board = mmap(NULL, sizeof(*all->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all->board == MAP_FAILED) {
        cast_fail("no memory for the board");
    }
    all->is_between_hosts = is_between_hosts;
    for (uint32_t rank = 0; rank < ffn_num; rank++) {
        (void)snprintf(all->names[rank], CAST_NAME_BYTES, "cast-%d-f%" PRIu32, (int)stage, rank);
        (void)snprintf(all->addresses[rank], CAST_NAME_BYTES, "127.0.0.1:%d", is_between_hosts ? free_port() : 0);
        all->name_list[rank] = is_between_hosts ? all->addresses[rank] : all->names[rank];
    }
}

void cast_be_quick(cast *all)
{
    all->options.dead_ns = UINT64_C(1000000000);
}

void cast_free(cast *all)
{
    (void)munmap(all->board, sizeof(*all->board));
    layer_case_free(&all->c);
}

static void expect_nothing_left(void)
{
    char prefix[CAST_NAME_BYTES];
    DIR *folder = opendir("/dev/shm");
    struct dirent *entry = NULL;
    (void)snprintf(prefix, sizeof(prefix), "afd.cast-%d-", (int)stage);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            cast_fail("%s was left behind", entry->d_name);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

void cast_end(cast *all)
{
    for (uint32_t rank = 0; rank < all->c.ffn_num; rank++) {
        if (all->ffn[rank] != 0) {
            afd_stop_raise(&all->board->drain[rank]);
            cast_join(&all->ffn[rank]);
        }
    }
    expect_nothing_left();
    cast_free(all);
}
