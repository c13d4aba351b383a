/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole loop between processes over shared memory: every attention worker and every FFN worker is a process of its
 * own, they know of each other names alone, and every row that comes back is compared with the plain model.
 *
 *     worker_processes STEP_NUM [SEED]
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "afd/transport.h"
#include "layer_parties.h"
#include "traffic.h"

enum { ATTENTION_MAX = 8, FFN_MAX = 4, NAME_BYTES = AFD_WINDOW_NAME_MAX + 1 };

/* Between parent and children. */
typedef struct process_board {
    int32_t left[ATTENTION_MAX];
    int32_t ready_num; /* atomic: processes whose writers are there, and which answer or send from now on */
    int32_t done_num;  /* atomic: processes that use nobody's window any more */
} process_board;

typedef struct process_case {
    const layer_case *c;
    process_board *board;
    pid_t parent;
} process_case;

static void window_name(const process_case *run, char side, uint32_t number, char name[NAME_BYTES])
{
    (void)snprintf(name, NAME_BYTES, "test-workers-%d-%c%" PRIu32, (int)run->parent, side, number);
}

/* Waits until so many processes have come to a place; the windows of others exist then, or may go. */
static void meet(int32_t *arrived_num, uint32_t process_num)
{
    uint64_t began_ns = afd_clock_ns();
    (void)__atomic_add_fetch(arrived_num, 1, __ATOMIC_ACQ_REL);
    while ((uint32_t)__atomic_load_n(arrived_num, __ATOMIC_ACQUIRE) < process_num) {
        (void)sched_yield();
        if (afd_clock_ns() - began_ns > UINT64_C(120) * 1000000000) {
            traffic_fail("somebody did not come");
        }
    }
}

static uint32_t process_num_of(const layer_case *c)
{
    return c->attention_num + c->ffn_num;
}

/* The peer's window may not be there yet. */
static afd_writer *open_writer(const process_case *run, char side, uint32_t number)
{
    char name[NAME_BYTES];
    afd_error error;
    afd_writer *writer = NULL;
    uint64_t began_ns = afd_clock_ns();
    window_name(run, side, number, name);
    for (;;) {
        afd_status status = afd_writer_shm_open(name, &writer, &error);
        if (status == AFD_OK) {
            return writer;
        }
        if (status != AFD_ERR_NOT_FOUND || afd_clock_ns() - began_ns > UINT64_C(120) * 1000000000) {
            traffic_fail("a writer into %s: %s", name, error.message);
        }
        (void)sched_yield();
    }
}

static void be_ffn(const process_case *run, uint32_t rank)
{
    ffn_party party = { .c = run->c, .rank = rank, .left = run->board->left };
    char name[NAME_BYTES];
    afd_error error;
    window_name(run, 'f', rank, name);
    ffn_party_make(&party, name);
    for (uint32_t session = 0; session < run->c->attention_num; session++) {
        if (afd_ffn_worker_accept(party.worker, session, open_writer(run, 'a', session), &error) != AFD_OK) {
            traffic_fail("rank %" PRIu32 ": %s", rank, error.message);
        }
    }
    meet(&run->board->ready_num, process_num_of(run->c));
    ffn_party_run(&party);
    meet(&run->board->done_num, process_num_of(run->c));
    afd_ffn_worker_close(party.worker);
}

static void be_attention(const process_case *run, uint32_t session)
{
    attention_party party = { .c = run->c, .session = session, .left = run->board->left };
    char name[NAME_BYTES];
    afd_error error;
    window_name(run, 'a', session, name);
    attention_party_make(&party, name);
    for (uint32_t rank = 0; rank < run->c->ffn_num; rank++) {
        if (afd_attention_worker_connect(party.worker, rank, open_writer(run, 'f', rank), &error) != AFD_OK) {
            traffic_fail("session %" PRIu32 ": %s", session, error.message);
        }
    }
    meet(&run->board->ready_num, process_num_of(run->c));
    attention_party_run(&party);
    meet(&run->board->done_num, process_num_of(run->c));
    afd_attention_worker_close(party.worker);
}

/* A child that is one worker; it dies with its parent. */
static void start_process(const process_case *run, void (*be)(const process_case *, uint32_t), uint32_t number)
{
    (void)fflush(NULL); /* or the child writes what is in the buffers once more */
    pid_t child = fork();
    if (child < 0) {
        traffic_fail("fork: %s", strerror(errno));
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != run->parent) {
            _exit(EXIT_FAILURE); /* it died before we asked for the signal */
        }
        be(run, number);
        _exit(EXIT_SUCCESS);
    }
}

/* The first child that fails ends the test; the others die with us. */
static void join_processes(void)
{
    int status = 0;
    pid_t child = 0;
    while ((child = waitpid(-1, &status, 0)) > 0 || errno == EINTR) {
        if (child > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)) {
            traffic_fail("child %d ended with status 0x%x", (int)child, (unsigned int)status);
        }
    }
}

static void run_case(const layer_case *c, process_board *board)
{
    process_case run = { .c = c, .board = board, .parent = getpid() };
    *board = (process_board){ 0 };
    for (uint32_t rank = 0; rank < c->ffn_num; rank++) {
        start_process(&run, be_ffn, rank);
    }
    for (uint32_t session = 0; session < c->attention_num; session++) {
        start_process(&run, be_attention, session);
    }
    join_processes();
}

static uint64_t run_all(uint64_t seed, uint32_t step_num, process_board *board)
{
    static const uint32_t sizes[][2] = { { 1, 1 }, { 2, 1 }, { 1, 2 }, { 2, 2 }, { ATTENTION_MAX, FFN_MAX } };
    uint64_t case_num = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint32_t group_size = sizes[i][0]; group_size > 0; group_size /= 2) {
            for (uint64_t type = 0; type < 3; type++) {
                layer_case c = {
                    .seed = seed + case_num,
                    .attention_num = sizes[i][0],
                    .ffn_num = sizes[i][1],
                    .sync_group_size = group_size,
                    .step_num = step_num,
                    .quantize = type == 2,
                    .type = (type + case_num / 3) % 2 == 0 ? AFD_TOKEN_F16 : AFD_TOKEN_BF16,
                };
                layer_case_draw(&c);
                run_case(&c, board);
                layer_case_free(&c);
                case_num++;
            }
        }
    }
    return case_num;
}

static pid_t test_pid;

/* A test that fails leaves no names behind. The children have this from fork() as well, and must not use it. */
static void remove_windows(void)
{
    process_case run = { .parent = test_pid };
    char name[NAME_BYTES];
    if (getpid() != test_pid) {
        return;
    }
    for (uint32_t i = 0; i < ATTENTION_MAX; i++) {
        window_name(&run, 'a', i, name);
        (void)afd_window_remove(name, true, NULL);
        window_name(&run, 'f', i, name);
        (void)afd_window_remove(name, true, NULL);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: worker_processes STEP_NUM [SEED]\n");
        return 2;
    }
    uint32_t step_num = (uint32_t)strtoul(argv[1], NULL, 10);
    uint64_t seed = argc == 3 ? strtoull(argv[2], NULL, 10) : afd_clock_ns();
    process_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    test_pid = getpid();
    if (step_num == 0 || board == MAP_FAILED || atexit(remove_windows) != 0) {
        traffic_fail("STEP_NUM is 0, or there is no memory");
    }
    printf("seed %" PRIu64 ", %" PRIu32 " steps\n", seed, step_num);
    (void)fflush(stdout);
    printf("%" PRIu64 " cases, every row as the model has it\n", run_all(seed, step_num, board));
    return 0;
}
