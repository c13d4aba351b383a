/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bringing UCX into a process leaves as it was: signal handlers, the stack that they run on, the code of the C
 * library, and what goes to stdout. And where the program has UCX already, it and ours do not disturb each other.
 * Each test is a process of its own, forked before UCX is anywhere.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_headers.h"
#include "ucx_helpers.h"

#ifndef AFD_HAVE_UCX

int main(void)
{
    return has_ucx() ? 1 : NO_UCX;
}

#else

#include "transport/ucx/library.h"

static void use_ucx(void)
{
    post_world world = { .post_num = 0 };
    afd__post *called = open_listening(&world, 4);
    line_pair pair = make_pair(&world, open_calling(&world, called), called);
    char packet[AFD__POST_PACKET_BYTES] = { 0 };
    send_all(&world, pair.caller, packet, sizeof(packet));
    assert_int_equal(await_packet(&world, pair.called, packet, sizeof(packet)), sizeof(packet));
    close_world(&world);
}

/* Runs it in a child, which has no UCX yet, and wants it to end well. */
static void in_a_child(void (*run)(void))
{
    pid_t child = fork();
    int status = 0;
    assert_true(child >= 0);
    if (child == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child an assertion of cmocka's jumps into the parent's loop: a plain one ends the process instead. */
#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                     \
            _exit(1);                                                                                                 \
        }                                                                                                             \
    } while (0)

/* ---- Signals ---- */

static void handler_of_the_program(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
}

static const int watched_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGHUP, SIGALRM, SIGTERM, SIGINT, SIGPIPE };
enum { WATCHED_NUM = sizeof(watched_signals) / sizeof(watched_signals[0]) };

static void look_at_signals(struct sigaction *actions)
{
    for (int i = 0; i < WATCHED_NUM; i++) {
        memset(&actions[i], 0, sizeof(actions[i]));
        CHECK(sigaction(watched_signals[i], NULL, &actions[i]) == 0);
    }
}

/* Between the C library and the kernel: set in whatever went through sigaction(). */
enum { RESTORER = 0x04000000 };

static void expect_same_signals(const struct sigaction *before)
{
    struct sigaction after[WATCHED_NUM];
    look_at_signals(after);
    for (int i = 0; i < WATCHED_NUM; i++) {
        CHECK(before[i].sa_sigaction == after[i].sa_sigaction);
        if (before[i].sa_handler == SIG_DFL) {
            continue;
        }
        CHECK((before[i].sa_flags | RESTORER) == (after[i].sa_flags | RESTORER));
        /* The system fills in as many bits as there are signals, and no more. */
        for (int j = 1; j < NSIG; j++) {
            CHECK(sigismember(&before[i].sa_mask, j) == sigismember(&after[i].sa_mask, j));
        }
    }
}

static void run_with_handlers(void)
{
    static char stack_memory[65536];
    const stack_t wanted_stack = { .ss_sp = stack_memory, .ss_size = sizeof(stack_memory) };
    struct sigaction before[WATCHED_NUM];
    stack_t stack;
    struct sigaction wanted = { .sa_sigaction = handler_of_the_program, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    CHECK(sigemptyset(&wanted.sa_mask) == 0 && sigaddset(&wanted.sa_mask, SIGUSR1) == 0);
    CHECK(sigaltstack(&wanted_stack, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &wanted, NULL) == 0 && sigaction(SIGHUP, &wanted, NULL) == 0);
    look_at_signals(before);
    use_ucx();
    expect_same_signals(before);
    CHECK(sigaltstack(NULL, &stack) == 0);
    CHECK(stack.ss_sp == wanted_stack.ss_sp && stack.ss_size == wanted_stack.ss_size && stack.ss_flags == 0);
}

static void handlers_and_their_stack_are_the_programs(void **state)
{
    (void)state;
    in_a_child(run_with_handlers);
}

static void run_with_defaults(void)
{
    struct sigaction before[WATCHED_NUM];
    look_at_signals(before);
    use_ucx();
    expect_same_signals(before);
}

static void defaults_stay_defaults(void **state)
{
    (void)state;
    in_a_child(run_with_defaults);
}

/* ---- Memory calls ---- */

enum { CODE_BYTES = 32 };
static const char *const hooked_calls[] = { "mmap",  "munmap", "mremap", "shmat",  "shmdt", "sbrk",
                                            "brk",   "madvise", "malloc", "free",  "dlopen", "calloc" };
enum { HOOKED_NUM = sizeof(hooked_calls) / sizeof(hooked_calls[0]) };

static void expect_same_code(unsigned char before[HOOKED_NUM][CODE_BYTES], unsigned char after[HOOKED_NUM][CODE_BYTES])
{
    for (int i = 0; i < HOOKED_NUM; i++) {
        if (memcmp(before[i], after[i], CODE_BYTES) != 0) {
            (void)fprintf(stderr, "%s() was rewritten\n", hooked_calls[i]);
            _exit(1);
        }
    }
}

static void look_at_code(unsigned char code[HOOKED_NUM][CODE_BYTES])
{
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    CHECK(libc != NULL);
    for (int i = 0; i < HOOKED_NUM; i++) {
        const void *call = dlsym(libc, hooked_calls[i]);
        CHECK(call != NULL);
        memcpy(code[i], call, CODE_BYTES);
    }
    (void)dlclose(libc);
}

static void run_and_compare_code(void)
{
    static unsigned char before[HOOKED_NUM][CODE_BYTES];
    static unsigned char after[HOOKED_NUM][CODE_BYTES];
    look_at_code(before);
    use_ucx();
    look_at_code(after);
    expect_same_code(before, after);
}

static void memory_calls_are_not_rewritten(void **state)
{
    (void)state;
    in_a_child(run_and_compare_code);
}

/* ---- Output ---- */

static void run_silently(void)
{
    char path[] = "/tmp/afd-ucx-output-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && unlink(path) == 0);
    CHECK(dup2(fd, 1) == 1);
    const int saved = dup(2);
    CHECK(dup2(fd, 2) == 2);
    post_world world = { .post_num = 0 };
    afd__post *called = open_listening(&world, 4);
    const afd__address address = *afd__post_address(called);
    afd__post *calling = open_calling(&world, called);
    line_pair pair = make_pair(&world, calling, called);
    afd__line *line;
    /* A port that is taken, a peer that ends without a word, and one that is not there. */
    afd__post *other;
    CHECK(afd__post_open(&(afd__post_options){ .listen = &address, .line_max = 1 }, &other, NULL) == AFD_ERR_EXISTS);
    afd__post_close(called);
    world.posts[0] = world.posts[--world.post_num];
    await_broken(&world, pair.caller, NULL);
    CHECK(afd__line_connect(calling, &address, &line, NULL) == AFD_OK);
    await_broken(&world, line, NULL);
    close_world(&world);
    CHECK(fflush(NULL) == 0);
    const off_t written = lseek(fd, 0, SEEK_END);
    CHECK(dup2(saved, 2) == 2);
    CHECK(written == 0);
}

static void nothing_is_printed(void **state)
{
    (void)state;
    in_a_child(run_silently);
}

/* ---- A program that has UCX already ---- */

typedef struct foreign {
    void *library;
    ucp_context_h context;
    ucp_worker_h worker;
} foreign;

#define FOREIGN(of, call) (*(__typeof__(call) **)&(void *){ dlsym((of)->library, #call) })

static void open_foreign(foreign *of)
{
    const ucp_params_t parameters = { .field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_TAG };
    const ucp_worker_params_t worker = { .field_mask = 0 };
    of->library = dlopen("libucp.so.0", RTLD_NOW | RTLD_LOCAL);
    CHECK(of->library != NULL);
    CHECK(FOREIGN(of, ucp_init_version)(UCP_API_MAJOR, UCP_API_MINOR, &parameters, NULL, &of->context) == UCS_OK);
    CHECK(FOREIGN(of, ucp_worker_create)(of->context, &worker, &of->worker) == UCS_OK);
}

static void close_foreign(foreign *of)
{
    FOREIGN(of, ucp_worker_destroy)(of->worker);
    FOREIGN(of, ucp_cleanup)(of->context);
}

/* Its handlers and hooks are the program's wish then. */
static void run_beside_another(void)
{
    struct sigaction before[WATCHED_NUM];
    static unsigned char code_before[HOOKED_NUM][CODE_BYTES];
    static unsigned char code_after[HOOKED_NUM][CODE_BYTES];
    foreign first;
    foreign later;
    open_foreign(&first);
    look_at_signals(before);
    look_at_code(code_before);
    use_ucx();
    expect_same_signals(before);
    look_at_code(code_after);
    expect_same_code(code_before, code_after);
    (void)FOREIGN(&first, ucp_worker_progress)(first.worker);
    open_foreign(&later);
    use_ucx();
    close_foreign(&first);
    use_ucx();
    close_foreign(&later);
    use_ucx();
}

static void another_user_of_ucx_is_left_alone(void **state)
{
    (void)state;
    in_a_child(run_beside_another);
}

static void run_before_another(void)
{
    foreign later;
    use_ucx();
    open_foreign(&later);
    use_ucx();
    close_foreign(&later);
    use_ucx();
}

static void another_user_may_come_later(void **state)
{
    (void)state;
    in_a_child(run_before_another);
}

/* ---- The environment ---- */

static void run_with_a_wish(void)
{
    struct sigaction action;
    CHECK(setenv("UCX_HANDLE_ERRORS", "bt", 1) == 0);
    use_ucx();
    CHECK(sigaction(SIGFPE, NULL, &action) == 0);
    CHECK(action.sa_handler != SIG_DFL);
}

static void what_the_environment_says_counts(void **state)
{
    (void)state;
    in_a_child(run_with_a_wish);
}

static void look_for_ucx(void)
{
    if (!has_ucx()) {
        _exit(NO_UCX);
    }
}

static bool child_has_ucx(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        look_for_ucx();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_and_their_stack_are_the_programs),
        cmocka_unit_test(defaults_stay_defaults),
        cmocka_unit_test(memory_calls_are_not_rewritten),
        cmocka_unit_test(nothing_is_printed),
        cmocka_unit_test(another_user_of_ucx_is_left_alone),
        cmocka_unit_test(another_user_may_come_later),
        cmocka_unit_test(what_the_environment_says_counts),
    };
    /* Asked in a child: this process must not have it. */
    return child_has_ucx() ? cmocka_run_group_tests_name("ucx_guest", tests, NULL, NULL) : NO_UCX;
}

#endif
