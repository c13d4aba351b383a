/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fault_board.h"
#include "fault_net.h"
#include "fault_rogue.h"

/* What only a hang can reach. */
#define HANG_NS (UINT64_C(90) * 1000000000)

enum { WARM_ROUNDS = 6, MORE_ROUNDS = 2, LOOK_MS = 2, SLOW_EXPERTS_MS = 1500 };

typedef struct run {
    fault_world world;
    const fault_case *f;
    fault_board *board;
    fault_result *result;
    uint64_t base_rounds[FAULT_SESSIONS_MAX]; /* when the fault was over */
    pid_t struck_pid;
    bool failed;
} run;

static uint32_t number_of(const run *r, char side)
{
    return side == 'f' ? r->f->layer.ffn_num : r->f->layer.attention_num;
}

static fault_seat *seat_of(const run *r, char side, uint32_t number)
{
    return side == 'f' ? &r->board->ffn[number] : &r->board->attention[number];
}

static fault_seat *victim_of(const run *r)
{
    return seat_of(r, fault_side(r->f->kind), r->f->victim);
}

/* ---- what is said when it goes wrong ---- */

static void print_log(const run *r)
{
    const int32_t num = board_get(&r->board->log_num);
    for (int32_t i = 0; i < num && i < FAULT_LOG_MAX; i++) {
        const fault_entry *entry = &r->board->log[i];
        fprintf(stderr, "  %10.3f ms  %c%" PRIu32 ": %s\n",
                ((double)entry->at_ns - (double)board_get_u64(&r->board->struck_ns)) / 1e6, entry->side,
                entry->observer, entry->text);
    }
}

static void print_seats(const run *r, char side)
{
    for (uint32_t i = 0; i < number_of(r, side); i++) {
        const fault_seat *seat = seat_of(r, side, i);
        fprintf(stderr, "  %c%" PRIu32 ": process %" PRId32 ", %" PRIu64 " rounds, joined %" PRId32 " times, %" PRIu64
                " lost\n", side, i, board_get(&seat->pid), board_get_u64(&seat->round_num),
                board_get(&seat->joined_num), board_get_u64(&seat->lost_num));
    }
}

__attribute__((format(printf, 2, 3))) static void complain(run *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!r->failed) {
        fault_case_print(r->f);
    }
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    if (!r->failed) {
        print_seats(r, 'f');
        print_seats(r, 'a');
        print_log(r);
    }
    r->failed = true;
}

/* ---- processes ---- */

static void start_member(run *r, char side, uint32_t number, bool is_victim)
{
    (void)fflush(NULL); /* or the child writes what is in the buffers once more */
    pid_t child = fork();
    if (child < 0) {
        complain(r, "fork: %s", strerror(errno));
        return;
    }
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != r->world.parent) {
            _exit(EXIT_FAILURE); /* it died before we asked for the signal */
        }
        if (is_victim) {
            fault_set_trap(&r->world);
        }
        fault_net_enter(side, number);
        _exit(side == 'f' ? fault_be_ffn(&r->world, number) : fault_be_attention(&r->world, number));
    }
    board_set(&seat_of(r, side, number)->pid, child);
}

static void start_all(run *r)
{
    const char victim_side = fault_side(r->f->kind);
    static const char sides[] = { 'f', 'a' };
    for (size_t i = 0; i < sizeof(sides); i++) {
        for (uint32_t number = 0; number < number_of(r, sides[i]); number++) {
            start_member(r, sides[i], number, sides[i] == victim_side && number == r->f->victim);
        }
    }
}

/* Buries whoever has ended; a member that ended by itself and wrongly is a complaint. */
static void bury(run *r)
{
    int status = 0;
    pid_t child;
    while ((child = waitpid(-1, &status, WNOHANG)) > 0) {
        if (child == r->struck_pid) {
            r->struck_pid = 0;
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
            static const char sides[] = { 'f', 'a' };
            for (size_t i = 0; i < sizeof(sides); i++) {
                for (uint32_t number = 0; number < number_of(r, sides[i]); number++) {
                    fault_seat *seat = seat_of(r, sides[i], number);
                    if (board_get(&seat->pid) == child) {
                        board_set(&seat->pid, 0);
                    }
                }
            }
        } else if (!r->failed) {
            complain(r, "process %d ended with status 0x%x", (int)child, (unsigned int)status);
        }
    }
}

/* Looks on until something is so; false, with a complaint, when it does not come to be or somebody failed. */
static bool look_until(run *r, bool (*is_so)(run *r), const char *what)
{
    const struct timespec pause = { 0, LOOK_MS * 1000000L };
    const uint64_t began_ns = afd_clock_ns();
    while (!r->failed && !is_so(r)) {
        bury(r);
        (void)nanosleep(&pause, NULL);
        if (afd_clock_ns() - began_ns > HANG_NS) {
            complain(r, "hang: %s", what);
        }
    }
    return !r->failed;
}

static void rest(uint32_t milliseconds)
{
    struct timespec left = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000L };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* ---- what is waited for ---- */

static bool lives(const run *r, uint32_t session)
{
    return board_get(&r->board->attention[session].pid) != 0;
}

static bool all_came_further(run *r, uint64_t more)
{
    for (uint32_t s = 0; s < r->f->layer.attention_num; s++) {
        if (lives(r, s) && board_get_u64(&r->board->attention[s].round_num) < r->base_rounds[s] + more) {
            return false;
        }
    }
    return true;
}

static bool are_warm(run *r)
{
    return all_came_further(r, WARM_ROUNDS);
}

static bool have_recovered(run *r)
{
    return all_came_further(r, MORE_ROUNDS * r->f->layer.micro_batch_num);
}

static bool is_struck(run *r)
{
    return board_get_u64(&r->board->struck_ns) != 0;
}

static bool has_died(run *r)
{
    return r->struck_pid == 0;
}

/* Whether an observer has reported the victim as dropped, or lost, for the kind's reason. */
static bool reports_victim(const run *r, const fault_entry *entry)
{
    const bool is_about = fault_side(r->f->kind) == 'f' ? entry->side == 'a' && entry->kind == AFD_EVENT_LOST
                                                        : entry->side == 'f' && entry->kind == AFD_EVENT_DROPPED;
    return is_about && entry->peer == r->f->victim;
}

static const fault_entry *first_report(const run *r)
{
    const int32_t num = board_get(&r->board->log_num);
    for (int32_t i = 0; i < num && i < FAULT_LOG_MAX; i++) {
        const fault_entry *entry = &r->board->log[i];
        if (board_get(&entry->is_written) != 0 && reports_victim(r, entry)) {
            return entry;
        }
    }
    return NULL;
}

static bool is_reported(run *r)
{
    return first_report(r) != NULL;
}

/* By everybody whom it concerns, so that what happens next is told apart from it. */
static bool is_reported_by_all(run *r)
{
    const int32_t num = board_get(&r->board->log_num);
    uint32_t report_num = 0;
    for (int32_t i = 0; i < num && i < FAULT_LOG_MAX; i++) {
        const fault_entry *entry = &r->board->log[i];
        report_num += board_get(&entry->is_written) != 0 && reports_victim(r, entry);
    }
    return report_num >= number_of(r, fault_side(r->f->kind) == 'f' ? 'a' : 'f');
}

static bool was_refused(run *r)
{
    return board_get(&victim_of(r)->refused_by_pid) != 0;
}

static bool sessions_have_ended(run *r)
{
    for (uint32_t s = 0; s < r->f->layer.attention_num; s++) {
        if (lives(r, s)) {
            return false;
        }
    }
    return true;
}

static bool ranks_have_ended(run *r)
{
    for (uint32_t rank = 0; rank < r->f->layer.ffn_num; rank++) {
        if (board_get(&r->board->ffn[rank].pid) != 0) {
            return false;
        }
    }
    return true;
}

/* From here on everybody who lives is to come further. */
static void mark(run *r)
{
    for (uint32_t s = 0; s < r->f->layer.attention_num; s++) {
        r->base_rounds[s] = board_get_u64(&r->board->attention[s].round_num);
    }
}

/* ---- the kinds ---- */

static bool await_death(run *r)
{
    return look_until(r, has_died, "the victim does not die");
}

/* The victim is gone; its seat is empty until somebody is started for it. */
static bool kill_and(run *r, bool restart, bool when_reported)
{
    if (!await_death(r) || (when_reported && !look_until(r, is_reported, "nobody reports the victim"))) {
        return false;
    }
    mark(r);
    if (restart) {
        start_member(r, fault_side(r->f->kind), r->f->victim, false);
    }
    return true;
}

/* The survivors use the living copies, and then the lost rank comes back. */
static bool lose_and_return(run *r)
{
    if (!kill_and(r, false, true) || !look_until(r, have_recovered, "the living copies are not used")) {
        return false;
    }
    start_member(r, 'f', r->f->victim, false);
    mark(r);
    return true;
}

static bool is_cut(const run *r)
{
    return r->f->kind == FAULT_CUT_ATTENTION || r->f->kind == FAULT_CUT_FFN;
}

/* Whoever is stopped, or cut off, is not heard for a while and then is there again. */
static bool stop_and_continue(run *r)
{
    const pid_t pid = r->struck_pid;
    if (is_cut(r)) {
        fault_net_cut(fault_side(r->f->kind), r->f->victim);
        board_set_u64(&r->board->struck_ns, afd_clock_ns());
        board_set(&r->board->released, 1);
    }
    if (!look_until(r, is_reported_by_all, "not everybody reports the stopped one")) {
        return false;
    }
    if (fault_side(r->f->kind) == 'a') { /* the others go on without it */
        r->struck_pid = 0;
        board_set(&victim_of(r)->pid, 0);
        mark(r);
        if (!look_until(r, have_recovered, "the others do not go on")) {
            return false;
        }
        board_set(&victim_of(r)->pid, pid);
    }
    mark(r);
    if (is_cut(r)) {
        fault_net_heal(fault_side(r->f->kind), r->f->victim);
    } else {
        (void)kill(pid, SIGCONT);
    }
    r->struck_pid = 0;
    return true;
}

static bool is_refused_by(run *r, pid_t holder)
{
    if (!look_until(r, was_refused, "nobody is refused")) {
        return false;
    }
    if (board_get(&victim_of(r)->refused_by_pid) != holder) {
        complain(r, "refused because of process %d, must be %d", (int)board_get(&victim_of(r)->refused_by_pid),
                 (int)holder);
    }
    return !r->failed;
}

/* Between hosts the place is free as soon as the stopped one has lost it: nothing that it may still send is taken. When
 * it goes on, the place is another's, and it is told whose. */
static bool replace_on_wires(run *r, pid_t stopped)
{
    const pid_t newcomer = board_get(&victim_of(r)->pid);
    mark(r);
    if (!look_until(r, have_recovered, "the newcomer does not go on")) {
        return false;
    }
    (void)kill(stopped, SIGCONT);
    return is_refused_by(r, newcomer);
}

/* Somebody else wants the place of one that is stopped. On one host it is refused, and has it when that one is dead. */
static bool stop_and_replace(run *r)
{
    const pid_t stopped = r->struck_pid;
    if (!look_until(r, is_reported_by_all, "not everybody reports the stopped one")) {
        return false;
    }
    start_member(r, 'a', r->f->victim, false);
    if (r->f->transport == FAULT_ON_SHM ? !is_refused_by(r, stopped) : !replace_on_wires(r, stopped)) {
        return false;
    }
    mark(r);
    (void)kill(stopped, SIGKILL);
    return await_death(r);
}

static bool be_slow(run *r)
{
    r->struck_pid = 0; /* it does not die */
    if (fault_side(r->f->kind) == 'f') {
        rest(SLOW_EXPERTS_MS);
    } else if (!look_until(r, is_reported, "nobody reports the slow one")) {
        return false;
    }
    mark(r);
    board_set(&r->board->released, 1);
    return true;
}

static bool disturb(run *r)
{
    r->struck_pid = 0;
    board_set_u64(&r->board->struck_ns, afd_clock_ns());
    if (r->f->kind == FAULT_LOAD) {
        fault_burn(r->f->load_ms);
    } else if (r->f->kind == FAULT_LOSS) {
        fault_net_lose();
        rest(r->f->load_ms);
        fault_net_lose_no_more();
    } else if (!fault_pester(&r->world, r->f->seed)) {
        complain(r, "the rogue could not do what it is for");
    }
    mark(r);
    return true;
}

static bool let_it_happen(run *r)
{
    switch (r->f->kind) {
    case FAULT_KILL_ATTENTION:
        return kill_and(r, false, true);
    case FAULT_RESTART_ATTENTION:
    case FAULT_WILD_FLAGS:
        return kill_and(r, true, false);
    case FAULT_RESTART_FFN:
        return kill_and(r, true, true);
    case FAULT_LOSE_FFN:
        return lose_and_return(r);
    case FAULT_STOP_ATTENTION:
    case FAULT_STOP_FFN:
    case FAULT_CUT_ATTENTION:
    case FAULT_CUT_FFN:
        return stop_and_continue(r);
    case FAULT_REPLACE_ATTENTION:
        return stop_and_replace(r);
    case FAULT_SLOW_ATTENTION:
    case FAULT_SLOW_FFN:
        return be_slow(r);
    case FAULT_WILD_IDS:
    case FAULT_WILD_MESSAGE:
        r->struck_pid = 0;
        if (!look_until(r, is_reported, "nobody reports what is wild")) {
            return false;
        }
        mark(r);
        return true;
    default:
        return disturb(r);
    }
}

static bool strike(run *r)
{
    const bool has_victim = fault_side(r->f->kind) != '-';
    mark(r);
    memset(r->base_rounds, 0, sizeof(r->base_rounds));
    if (!look_until(r, are_warm, "the members do not get going")) {
        return false;
    }
    if (has_victim) {
        r->struck_pid = board_get(&victim_of(r)->pid);
    }
    board_set(&r->board->armed, 1);
    if (has_victim && !look_until(r, is_struck, "the victim does not pass the point")) {
        return false;
    }
    /* Whoever dies is no member any more, until another one is started. */
    if (has_victim && (fault_is_deadly(r->f->kind) || r->f->kind == FAULT_REPLACE_ATTENTION)) {
        board_set(&victim_of(r)->pid, 0);
    }
    return let_it_happen(r) && look_until(r, have_recovered, "not everybody goes on after the fault");
}

/* ---- what must be so afterwards ---- */

/* Sessions leave, then FFN workers are drained. */
static void end_all(run *r)
{
    board_set(&r->board->finish, 1);
    if (!look_until(r, sessions_have_ended, "sessions do not end")) {
        return;
    }
    for (uint32_t rank = 0; rank < r->f->layer.ffn_num; rank++) {
        afd_stop_raise(&r->board->drain[rank]);
    }
    (void)look_until(r, ranks_have_ended, "FFN workers do not drain");
}

static void check_entry(run *r, const fault_entry *entry, pid_t victim_pid)
{
    const bool is_loss = entry->kind == AFD_EVENT_DROPPED || entry->kind == AFD_EVENT_LOST;
    if (!is_loss) {
        return;
    }
    /* A victim that was dropped is told so; one that was stopped finds that others have given it up. */
    const bool is_told = entry->side == fault_side(r->f->kind) && entry->observer == r->f->victim;
    if (is_told) {
        return;
    }
    if (!reports_victim(r, entry)) {
        complain(r, "somebody else was dropped: %c%" PRIu32 " says: %s", entry->side, entry->observer, entry->text);
    } else if ((int)entry->reason != fault_reason(r->f)) {
        complain(r, "dropped for another reason (%d): %s", (int)entry->reason, entry->text);
    } else if (entry->pid != (uint32_t)victim_pid) {
        complain(r, "process %" PRIu32 " is named, must be %d: %s", entry->pid, (int)victim_pid, entry->text);
    }
}

static void check_log(run *r, pid_t victim_pid)
{
    const int32_t num = board_get(&r->board->log_num);
    if (num > FAULT_LOG_MAX) {
        complain(r, "%d events, more than there is room for", (int)num);
    }
    for (int32_t i = 0; i < num && i < FAULT_LOG_MAX; i++) {
        check_entry(r, &r->board->log[i], victim_pid);
    }
}

static void complain_of_name(void *arg, const afd_window_info *info)
{
    run *r = arg;
    char prefix[FAULT_NAME_BYTES];
    fault_name_prefix(&r->world, prefix);
    if (strncmp(info->name, prefix, strlen(prefix)) == 0) {
        complain(r, "shared memory is left: %s", info->name);
        (void)afd_window_remove(info->name, true, NULL);
    }
}

/* Names that are still there. What a member that was killed left behind is the others' to remove. */
static void check_names(run *r)
{
    afd_error error;
    if (afd_window_list(complain_of_name, r, &error) != AFD_OK) {
        complain(r, "cannot list windows: %s", error.message);
    }
}

static void measure(run *r)
{
    const uint64_t struck_ns = board_get_u64(&r->board->struck_ns);
    const fault_entry *report = first_report(r);
    r->result->recovered_ns = afd_clock_ns() - struck_ns;
    r->result->detected_ns = report != NULL ? report->at_ns - struck_ns : 0;
    for (uint32_t s = 0; s < r->f->layer.attention_num; s++) {
        const fault_seat *seat = &r->board->attention[s];
        if (seat == victim_of(r)) {
            continue;
        }
        const uint64_t gap_ns = board_get_u64(&seat->gap_ns_max);
        r->result->gap_ns = gap_ns > r->result->gap_ns ? gap_ns : r->result->gap_ns;
        r->result->lost_num += board_get_u64(&seat->lost_num);
    }
}

static void kill_all(run *r)
{
    static const char sides[] = { 'f', 'a' };
    for (size_t i = 0; i < sizeof(sides); i++) {
        for (uint32_t number = 0; number < number_of(r, sides[i]); number++) {
            const pid_t pid = board_get(&seat_of(r, sides[i], number)->pid);
            if (pid > 0) {
                (void)kill(pid, SIGKILL);
            }
        }
    }
    if (r->struck_pid > 0) {
        (void)kill(r->struck_pid, SIGKILL);
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
}

bool fault_run(const fault_case *f, fault_result *result)
{
    fault_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    run r = { .world = { f, board, getpid() }, .f = f, .board = board, .result = result };
    *result = (fault_result){ 0 };
    if (board == MAP_FAILED) {
        fprintf(stderr, "no memory for the board\n");
        return false;
    }
    start_all(&r);
    const pid_t victim_pid = fault_side(f->kind) != '-' ? board_get(&victim_of(&r)->pid) : 0;
    if (strike(&r)) {
        measure(&r);
        end_all(&r);
    }
    kill_all(&r);
    check_log(&r, victim_pid);
    check_names(&r);
    (void)munmap(board, sizeof(*board));
    return !r.failed;
}
