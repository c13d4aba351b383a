/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "crew.h"
#include "ledger.h"
#include "modes.h"

/* Who is dropped and admitted, and when: from poll, on the scheduler's thread, while the producers go on as ever. */
typedef struct session_churn {
    const traffic_plan *traffic;
    const stress_world *world;
    taken_ledger *ledger;
    uint64_t step; /* of the choices, so that each is another */
    uint64_t change_num;
} session_churn;

/* What the next pass will find; the ledger holds a take against it. */
static void note_states(const session_churn *churn)
{
    for (uint32_t s = 0; s < churn->traffic->shape.session_num; s++) {
        churn->ledger->states[s] = afd_ffn_scheduler_state(churn->world->scheduler, s);
    }
}

static void change_session(session_churn *churn, uint32_t session)
{
    afd_error error;
    bool away = afd_ffn_scheduler_state(churn->world->scheduler, session) == AFD_SESSION_AWAY;
    afd_status status = away ? afd_ffn_scheduler_admit(churn->world->scheduler, session, &error)
                             : afd_ffn_scheduler_drop(churn->world->scheduler, session, &error);
    afd_session_state expected = away ? AFD_SESSION_JOINING : AFD_SESSION_AWAY;
    if (status != AFD_OK || afd_ffn_scheduler_state(churn->world->scheduler, session) != expected) {
        traffic_fail("session %" PRIu32 " could not be %s", session, away ? "admitted" : "dropped");
    }
    churn->change_num++;
}

/* Every other look changes a session. */
static void churn_once(void *argument)
{
    session_churn *churn = argument;
    uint64_t choice = traffic_hash(churn->traffic->seed, UINT64_MAX, churn->step++, 0);
    if (choice % 2 == 0) {
        change_session(churn, (uint32_t)((choice >> 8) % churn->traffic->shape.session_num));
    }
    note_states(churn);
}

/* One call; false if nobody was live, also after poll had its chance to change that. */
static bool take_once(session_churn *churn)
{
    afd_schedule_context *context = churn->world->context;
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    uint32_t taken_num = 0;
    uint64_t polling_index = context->ffn.polling_index;
    wait.poll = churn_once;
    wait.poll_arg = churn;
    churn_once(churn);
    afd_status status = world_schedule(churn->world, &wait, &taken_num);
    if (status == AFD_NOBODY_LIVE) {
        for (uint32_t s = 0; s < churn->traffic->shape.session_num; s++) {
            if (afd_ffn_scheduler_state(churn->world->scheduler, s) != AFD_SESSION_AWAY) {
                traffic_fail("nobody is said to be live, session %" PRIu32 " is not away", s);
            }
        }
        return false;
    }
    if (status != AFD_OK) {
        traffic_fail("a call without deadline and stop returned %s", afd_status_name(status));
    }
    ledger_check_call(churn->ledger, context, taken_num, polling_index);
    for (uint32_t k = 0; k < taken_num; k++) {
        uint32_t session = (uint32_t)afd_context_session_ids(context)[k];
        if (afd_ffn_scheduler_state(churn->world->scheduler, session) != AFD_SESSION_LIVE) {
            traffic_fail("session %" PRIu32 " was taken and is not live", session);
        }
    }
    return true;
}

uint64_t run_live_set(const stress_case *stress)
{
    world_options options = stress->options;
    options.start_empty = true;
    stress_world world = world_new(&stress->traffic.shape, &options);
    taken_ledger ledger = ledger_new(&stress->traffic, stress->options.group_size);
    session_churn churn = { .traffic = &stress->traffic, .world = &world, .ledger = &ledger };
    producer_crew crew;
    crew_start(&crew, &stress->traffic, &world, CREW_UNTIL_STOPPED);
    for (uint32_t call = 0; call < stress->round_num;) {
        call += take_once(&churn);
    }
    crew_stop(&crew);
    crew_join(&crew);
    crew_check_window(&crew, ledger.taken_rounds);
    if (churn.change_num == 0) {
        traffic_fail("the live set never changed");
    }
    uint64_t row_num = ledger.taken_num;
    crew_free(&crew);
    ledger_free(&ledger);
    world_free(&world);
    return row_num;
}
