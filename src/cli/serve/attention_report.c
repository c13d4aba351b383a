/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "out.h"
#include "run/stages/report.h"
#include "serve/attention.h"

static double seconds_of(const serve_attention *self)
{
    return (double)(self->ended_ns - self->began_ns) / 1e9;
}

static double tokens_per_second(const serve_attention *self)
{
    double seconds = seconds_of(self);
    return seconds > 0.0 ? (double)self->findings.token_num / self->plan.options.layer_num / seconds : 0.0;
}

static const char *verdict_of(int code)
{
    switch (code) {
    case AFD_EXIT_DONE:
        return "all right";
    case AFD_EXIT_NO:
        return "wrong";
    case AFD_EXIT_DIED:
        return "given up";
    case AFD_EXIT_INTERRUPTED:
        return "interrupted";
    default:
        return "refused";
    }
}

static void print_verdict(const serve_attention *self, int code)
{
    const run_findings *findings = &self->findings;
    if (code == AFD_EXIT_NO) {
        (void)printf("verdict          WRONG: %s (%" PRIu64 " differences)\n", findings->first_mismatch,
                     findings->wrong_num);
        return;
    }
    (void)printf("verdict          %s; ", verdict_of(code));
    if (self->plan.options.checks_experts) {
        (void)printf("all %" PRIu64 " rows are right to the bit\n", findings->verified_num);
    } else {
        (void)printf("%" PRIu64 " rows computed again, the largest error %.4f of %.4f allowed\n",
                     findings->verified_num, findings->largest_error, RUN_REFERENCE_TOLERANCE);
    }
}

static void print_table(const serve_attention *self, int code)
{
    const serve_options *options = &self->plan.options;
    afd_worker_counters counters;
    char bytes[AFD_CLI_BYTES_TEXT];
    afd_attention_worker_count(self->worker, &counters);
    afd_cli_human_bytes(counters.byte_num, bytes, sizeof(bytes));
    serve_plan_print(&self->plan);
    (void)printf("worker           %s, session %" PRIu32 ", of %" PRIu32 " FFN worker%s\n", options->name,
                 afd_attention_worker_session(self->worker), options->ffn_num, options->ffn_num == 1 ? "" : "s");
    (void)printf("time             %.3f s\n", seconds_of(self));
    (void)printf("tokens           %.1f a second through %" PRIu32 " layers\n", tokens_per_second(self),
                 options->layer_num);
    run_stages_print(self->plan.stages, RUN_STAGES_OF_ATTENTION);
    (void)printf("moved            %s\n", bytes);
    (void)printf("FFN workers      ");
    serve_events_print(&self->events);
    (void)printf("rounds           %" PRIu64 " collected; %" PRIu64 " lost, %" PRIu64 " of them sent again, in %" PRIu64
                 " rejoins\n", self->round_num, self->lost_num, self->resent_num, self->rejoin_num);
    (void)printf("late reports     %" PRIu64 "\n", self->deadline_num);
    print_verdict(self, code);
}

static int print_json(const serve_attention *self, int code)
{
    const run_findings *findings = &self->findings;
    json_t *object = json_object();
    afd_worker_counters counters;
    afd_attention_worker_count(self->worker, &counters);
    afd_cli_json_set(object, "verdict", afd_cli_json_text(verdict_of(code)));
    if (code == AFD_EXIT_NO) {
        afd_cli_json_set(object, "first_mismatch", afd_cli_json_text(findings->first_mismatch));
    }
    afd_cli_json_set(object, "configuration", serve_plan_json(&self->plan));
    afd_cli_json_set(object, "name", afd_cli_json_text(self->plan.options.name));
    afd_cli_json_set(object, "session", json_integer(afd_attention_worker_session(self->worker)));
    afd_cli_json_set(object, "seconds", json_real(seconds_of(self)));
    afd_cli_json_set(object, "rounds", afd_cli_json_u64(self->round_num));
    afd_cli_json_set(object, "tokens_per_second", json_real(tokens_per_second(self)));
    afd_cli_json_set(object, "stages", run_stages_json(self->plan.stages, RUN_STAGES_OF_ATTENTION));
    afd_cli_json_set(object, "moved_bytes", afd_cli_json_u64(counters.byte_num));
    afd_cli_json_set(object, "events", serve_events_json(&self->events));
    afd_cli_json_set(object, "rejoins", afd_cli_json_u64(self->rejoin_num));
    afd_cli_json_set(object, "rounds_lost", afd_cli_json_u64(self->lost_num));
    afd_cli_json_set(object, "rounds_sent_again", afd_cli_json_u64(self->resent_num));
    afd_cli_json_set(object, "late_reports", afd_cli_json_u64(self->deadline_num));
    afd_cli_json_set(object, "rows_verified", afd_cli_json_u64(findings->verified_num));
    afd_cli_json_set(object, "largest_error", json_real(findings->largest_error));
    afd_cli_json_set(object, "differences", afd_cli_json_u64(findings->wrong_num));
    return afd_cli_print_json(object);
}

int serve_attention_report(const serve_attention *self, int code)
{
    if (self->plan.options.json) {
        return print_json(self, code);
    }
    print_table(self, code);
    return AFD_EXIT_DONE;
}
