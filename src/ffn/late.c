/* SPDX-License-Identifier: Apache-2.0 */
#include "ffn/late.h"

#include "base/wait.h"

/* What the report needs beside the plan. */
typedef struct late_report {
    const afd__ffn_plan *plan;
    afd_wait *wait;
    uint64_t since_ns;
    uint64_t now_ns;
} late_report;

static int32_t flag_of(const late_report *report, uint32_t session, uint32_t micro_batch)
{
    return afd__desc_peek_flag(afd__ffn_plan_desc(report->plan, session, micro_batch));
}

static void add(const late_report *report, uint32_t session, uint32_t micro_batch, int32_t flag)
{
    const afd_ffn_scheduler *scheduler = report->plan->scheduler;
    uint64_t heard_ns = scheduler == NULL ? report->since_ns : scheduler->sessions[session].heard_ns;
    afd_late late = {
        .session = session,
        .micro_batch = micro_batch,
        .flag = flag,
        .silent_ns = report->now_ns > heard_ns ? report->now_ns - heard_ns : 0,
    };
    afd__wait_add_late(report->wait, late);
}

static void add_if_not_ready(const late_report *report, uint32_t session, uint32_t micro_batch)
{
    int32_t flag = flag_of(report, session, micro_batch);
    if (afd__ffn_plan_awaits(report->plan, session) && flag != AFD_FLAG_READY) {
        add(report, session, micro_batch, flag);
    }
}

/* A session without any ready micro-batch is late once; a corrupt flag among its descs is what explains it best. */
static void add_if_nothing_ready(const late_report *report, uint32_t session)
{
    uint32_t named = AFD_MICRO_BATCH_ANY;
    int32_t named_flag = AFD_FLAG_FREE;
    if (!afd__ffn_plan_awaits(report->plan, session)) {
        return;
    }
    for (uint32_t m = 0; m < report->plan->micro_batch_num; m++) {
        int32_t flag = flag_of(report, session, m);
        if (flag == AFD_FLAG_READY) {
            return;
        }
        if (flag != AFD_FLAG_FREE && named == AFD_MICRO_BATCH_ANY) {
            named = m;
            named_flag = flag;
        }
    }
    add(report, session, named, named_flag);
}

static uint32_t count_ready(const late_report *report, uint32_t first_session, uint32_t micro_batch)
{
    uint32_t ready_num = 0;
    for (uint32_t i = 0; i < report->plan->group_size; i++) {
        uint32_t session = first_session + i;
        ready_num += afd__ffn_plan_awaits(report->plan, session) &&
                     flag_of(report, session, micro_batch) == AFD_FLAG_READY;
    }
    return ready_num;
}

/* Every session of the group has something ready, but they do not agree: whom does the nearest micro-batch lack? */
static void add_missing_of_nearest(const late_report *report, uint32_t first_session)
{
    uint32_t nearest = 0;
    uint32_t nearest_ready_num = 0;
    for (uint32_t m = 0; m < report->plan->micro_batch_num; m++) {
        uint32_t ready_num = count_ready(report, first_session, m);
        if (ready_num > nearest_ready_num) {
            nearest = m;
            nearest_ready_num = ready_num;
        }
    }
    for (uint32_t i = 0; i < report->plan->group_size; i++) {
        add_if_not_ready(report, first_session + i, nearest);
    }
}

void afd__ffn_report_late(const afd__ffn_plan *plan, uint64_t since_ns, afd_wait *wait)
{
    late_report report = { .plan = plan, .wait = wait, .since_ns = since_ns, .now_ns = afd_clock_ns() };
    if (plan->group_size == plan->session_num) {
        for (uint32_t s = 0; s < plan->session_num; s++) {
            add_if_not_ready(&report, s, plan->polling_index);
        }
        return;
    }
    for (uint32_t s = 0; s < plan->session_num; s++) {
        add_if_nothing_ready(&report, s);
    }
    if (wait->late_num > 0) {
        return;
    }
    for (uint32_t s = 0; s < plan->session_num; s += plan->group_size) {
        add_missing_of_nearest(&report, s);
    }
}
