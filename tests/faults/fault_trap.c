/* SPDX-License-Identifier: Apache-2.0 */
/* What strikes: in the victim's process, at the chosen passage through the chosen point. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "afd/window.h"
#include "fault_board.h"
#include "fault_spoil.h"

enum { SLOW_STEP_MS = 20, FLAG_GARBAGE = 0x5A5A5A5A, WILD_ID = 999999 };

static const fault_world *trap_world;

static void sleep_until_released(const fault_board *board)
{
    const struct timespec step = { 0, SLOW_STEP_MS * 1000000L };
    while (board_get(&board->released) == 0) {
        (void)nanosleep(&step, NULL);
    }
}

static void strike(void *where)
{
    const fault_case *f = trap_world->f;
    switch (f->kind) {
    case FAULT_STOP_ATTENTION:
    case FAULT_REPLACE_ATTENTION:
    case FAULT_STOP_FFN:
        (void)raise(SIGSTOP);
        break;
    case FAULT_SLOW_ATTENTION:
    case FAULT_SLOW_FFN:
    case FAULT_CUT_ATTENTION: /* until it is cut off */
    case FAULT_CUT_FFN:
        sleep_until_released(trap_world->board);
        break;
    case FAULT_WILD_IDS:
        if (f->transport == FAULT_ON_SHM) {
            afd_ffn_desc_expert_ids(where)[0] = WILD_ID;
        } else {
            fault_spoil_ids(where, WILD_ID);
        }
        break;
    case FAULT_WILD_MESSAGE:
        fault_spoil_message(where, f->seed);
        break;
    case FAULT_WILD_FLAGS:
        /* What a mad process writes, not a store of the protocol. The publish that follows would repair it, so the
         * process ends: the desc stays as it is, for the next one that has the session. */
        ((afd_ffn_desc *)where)->flag = FLAG_GARBAGE;
        (void)raise(SIGKILL);
        break;
    default:
        (void)raise(SIGKILL);
        break;
    }
}

static void trap(afd__fault_point point, void *where)
{
    fault_board *board = trap_world->board;
    const fault_case *f = trap_world->f;
    if (point != f->point || board_get(&board->armed) == 0) {
        return;
    }
    if (f->kind == FAULT_WILD_IDS && f->transport != FAULT_ON_SHM && !fault_has_ids(where)) {
        return; /* a rank that no token goes to has a message, too */
    }
    if (__atomic_add_fetch(&board->hit_num, 1, __ATOMIC_ACQ_REL) != (int32_t)f->hit) {
        return;
    }
    board_set_u64(&board->struck_ns, afd_clock_ns());
    strike(where);
}

void fault_set_trap(const fault_world *world)
{
    trap_world = world;
    afd__fault_hook = trap;
}
