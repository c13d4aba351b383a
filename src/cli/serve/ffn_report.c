/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "out.h"
#include "run/stages/report.h"
#include "serve/ffn.h"

static double seconds_of(const serve_ffn *self)
{
    return (double)(self->ended_ns - self->began_ns) / 1e9;
}

static const char *verdict_of(afd_status status)
{
    switch (status) {
    case AFD_STOPPED:
        return "drained";
    case AFD_DEADLINE:
        return "a session was late";
    default:
        return "refused";
    }
}

static void print_table(const serve_ffn *self, afd_status status)
{
    const afd_worker_counters *counters = &self->counters;
    char bytes[AFD_CLI_BYTES_TEXT];
    afd_cli_human_bytes(counters->byte_num, bytes, sizeof(bytes));
    serve_plan_print(&self->plan);
    (void)printf("worker           %s, rank %" PRIu32 " of %" PRIu32 "\n", self->plan.options.name,
                 self->plan.options.rank, self->plan.options.ffn_num);
    if (self->plan.options.listen != NULL) {
        (void)printf("listening        %s\n", afd_ffn_worker_address(self->worker));
    }
    (void)printf("time             %.3f s\n", seconds_of(self));
    (void)printf("rounds           %" PRIu64 " answered, in %" PRIu64 " steps\n", counters->micro_batch_num,
                 counters->step_num);
    (void)printf("rows             %" PRIu64 " through the experts\n", counters->row_num);
    run_stages_print(self->plan.stages, RUN_STAGES_OF_FFN);
    (void)printf("moved            %s\n", bytes);
    (void)printf("sessions         ");
    serve_events_print(&self->events);
    (void)printf("verdict          %s\n", verdict_of(status));
}

static int print_json(const serve_ffn *self, afd_status status)
{
    const afd_worker_counters *counters = &self->counters;
    json_t *object = json_object();
    afd_cli_json_set(object, "verdict", afd_cli_json_text(verdict_of(status)));
    afd_cli_json_set(object, "configuration", serve_plan_json(&self->plan));
    afd_cli_json_set(object, "name", afd_cli_json_text(self->plan.options.name));
    afd_cli_json_set(object, "rank", json_integer(self->plan.options.rank));
    const char *address = afd_ffn_worker_address(self->worker);
    afd_cli_json_set(object, "address", address != NULL ? afd_cli_json_text(address) : json_null());
    afd_cli_json_set(object, "seconds", json_real(seconds_of(self)));
    afd_cli_json_set(object, "steps", afd_cli_json_u64(counters->step_num));
    afd_cli_json_set(object, "rounds", afd_cli_json_u64(counters->micro_batch_num));
    afd_cli_json_set(object, "rows", afd_cli_json_u64(counters->row_num));
    afd_cli_json_set(object, "stages", run_stages_json(self->plan.stages, RUN_STAGES_OF_FFN));
    afd_cli_json_set(object, "moved_bytes", afd_cli_json_u64(counters->byte_num));
    afd_cli_json_set(object, "events", serve_events_json(&self->events));
    return afd_cli_print_json(object);
}

int serve_ffn_report(const serve_ffn *self, afd_status status)
{
    if (self->plan.options.json) {
        return print_json(self, status);
    }
    print_table(self, status);
    return AFD_EXIT_DONE;
}
