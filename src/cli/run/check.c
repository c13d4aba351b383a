/* SPDX-License-Identifier: Apache-2.0 */
#include "run/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "out.h"
#include "run/stamp.h"

/* A row of the scheduler's output, and the entry it must agree with. */
typedef struct checked_row {
    uint32_t session;
    uint32_t micro_batch;
    int32_t layer;
    const int32_t *expert_ids;
    run_entry *entry;
} checked_row;

void run_checker_create(run_checker *checker, const run_job *job)
{
    size_t slot_num = (size_t)job->shape.session_num * job->shape.micro_batch_num;
    size_t expert_num = (size_t)job->options.layer_num * job->shape.expert_num;
    *checker = (run_checker){ .job = job };
    checker->seen_rounds = afd_cli_alloc(slot_num, sizeof(uint64_t));
    checker->session_taken_num = afd_cli_alloc(job->shape.session_num, sizeof(uint64_t));
    checker->expert_loads = afd_cli_alloc(expert_num, sizeof(uint64_t));
}

void run_checker_destroy(run_checker *checker)
{
    free(checker->seen_rounds);
    free(checker->session_taken_num);
    free(checker->expert_loads);
    checker->seen_rounds = NULL;
    checker->session_taken_num = NULL;
    checker->expert_loads = NULL;
}

__attribute__((format(printf, 3, 4))) static void mismatch(run_checker *checker, const checked_row *row,
                                                            const char *format, ...)
{
    if (checker->wrong_num++ > 0) {
        return;
    }
    int length = snprintf(checker->first_mismatch, sizeof(checker->first_mismatch),
                          "session %" PRIu32 " micro-batch %" PRIu32 ": ", row->session, row->micro_batch);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(checker->first_mismatch + length, sizeof(checker->first_mismatch) - (size_t)length, format,
                    arguments);
    va_end(arguments);
}

/* Whether the row names a session and a micro-batch that exist; nothing else of it may be looked at before that. */
static bool find_row(run_checker *checker, const afd_schedule_context *context, uint32_t k, checked_row *row)
{
    const afd_shape *shape = &checker->job->shape;
    int32_t session = afd_context_session_ids(context)[k];
    int32_t micro_batch = afd_context_micro_batch_ids(context)[k];
    *row = (checked_row){ .session = (uint32_t)session, .micro_batch = (uint32_t)micro_batch };
    if (session < 0 || row->session >= shape->session_num || micro_batch < 0 ||
        row->micro_batch >= shape->micro_batch_num) {
        mismatch(checker, row, "row %" PRIu32 " names session %" PRId32 " and micro-batch %" PRId32
                 ", which do not exist", k, session, micro_batch);
        return false;
    }
    size_t row_ids = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    row->layer = afd_context_layer_ids(context)[k];
    row->expert_ids = afd_context_expert_ids(context) + k * row_ids;
    row->entry = run_ledger_entry(&checker->job->ledger, row->session, row->micro_batch);
    return true;
}

static void check_round(run_checker *checker, const checked_row *row)
{
    size_t number = (size_t)row->session * checker->job->shape.micro_batch_num + row->micro_batch;
    uint64_t expected = ++checker->seen_rounds[number];
    if (row->entry->round != expected) {
        mismatch(checker, row, "came out for the %" PRIu64 ". time, was sent %" PRIu64 " times", expected,
                 row->entry->round);
    }
    if (row->layer != (int32_t)row->entry->layer) {
        mismatch(checker, row, "layer %" PRId32 " came out, %" PRIu32 " was sent", row->layer, row->entry->layer);
    }
}

static void check_ids(run_checker *checker, const checked_row *row)
{
    const afd_shape *shape = &checker->job->shape;
    size_t row_ids = (size_t)shape->micro_batch_size * shape->selected_expert_num;
    size_t sent_ids = (size_t)row->entry->token_num * shape->selected_expert_num;
    for (size_t i = 0; i < row_ids; i++) {
        int32_t id = row->expert_ids[i];
        if (i < sent_ids && id != row->entry->expert_ids[i]) {
            mismatch(checker, row, "expert id [%zu] came out as %" PRId32 ", %" PRId32 " was sent", i, id,
                     row->entry->expert_ids[i]);
        } else if (i < sent_ids) {
            checker->expert_loads[id]++; /* it equals an id of ours, so it is one of layer * experts + expert */
        } else if (id < AFD_EXPERT_ID_LIMIT) {
            mismatch(checker, row, "expert id [%zu] came out as %" PRId32 ", the slot was left empty", i, id);
        }
    }
    checker->id_num += row_ids;
}

static void check_stamps(run_checker *checker, const checked_row *row)
{
    const afd_shape *shape = &checker->job->shape;
    uint64_t slot_bytes = shape->attn_to_ffn_token_size;
    size_t slot_num = (size_t)row->entry->token_num * shape->selected_expert_num;
    const char *data = afd_window_token_data(checker->job->window, row->session, row->micro_batch);
    for (size_t slot = 0; slot < slot_num; slot++) {
        uint64_t stamp = run_stamp_of(row->session, row->micro_batch, row->entry->round, slot);
        if (!run_stamp_matches(data + slot * slot_bytes, slot_bytes, stamp)) {
            mismatch(checker, row, "the token data of slot %zu is not what was sent", slot);
            return;
        }
    }
}

/* Rows come in session order, so the members of a group follow each other: the latest flag completes it. */
static void add_latencies(run_checker *checker, const afd_schedule_context *context, uint32_t taken_num,
                          uint64_t now_ns)
{
    const run_job *job = checker->job;
    uint64_t latest_ns = 0;
    for (uint32_t k = 0; k < taken_num; k++) {
        uint32_t session = (uint32_t)afd_context_session_ids(context)[k];
        uint32_t micro_batch = (uint32_t)afd_context_micro_batch_ids(context)[k];
        uint64_t publish_ns = run_ledger_entry(&job->ledger, session, micro_batch)->publish_ns;
        latest_ns = publish_ns > latest_ns ? publish_ns : latest_ns;
        if ((session + 1) % job->options.sync_group_size == 0) {
            run_histogram_add(&checker->latency_ns, now_ns > latest_ns ? now_ns - latest_ns : 0);
            latest_ns = 0;
        }
    }
}

void run_check_taken(run_checker *checker, const afd_schedule_context *context, uint32_t taken_num, uint64_t now_ns)
{
    uint64_t wrong_before = checker->wrong_num;
    for (uint32_t k = 0; k < taken_num; k++) {
        checked_row row;
        if (find_row(checker, context, k, &row)) {
            check_round(checker, &row);
            check_ids(checker, &row);
            check_stamps(checker, &row);
            checker->session_num++;
            checker->session_taken_num[row.session]++;
        }
    }
    if (checker->wrong_num > wrong_before) {
        return; /* the run ends here; nobody may send over what was found */
    }
    add_latencies(checker, context, taken_num, now_ns);
    for (uint32_t k = 0; k < taken_num; k++) {
        checked_row row;
        if (find_row(checker, context, k, &row)) {
            /* R, meets is_answered() in the attention worker: we have read all of the entry and of the token data. */
            atomic_store_explicit(&row.entry->answered_round, row.entry->round, memory_order_release);
        }
    }
}

double run_checker_load_skew(const run_checker *checker)
{
    uint32_t expert_num = checker->job->shape.expert_num;
    uint32_t routed_num = checker->job->options.model->routed_expert_num;
    double skew = 0.0;
    for (uint32_t layer = 0; layer < checker->job->options.layer_num; layer++) {
        const uint64_t *loads = &checker->expert_loads[(size_t)layer * expert_num];
        uint64_t total = 0;
        uint64_t most = 0;
        for (uint32_t expert = 0; expert < routed_num; expert++) {
            total += loads[expert];
            most = loads[expert] > most ? loads[expert] : most;
        }
        double layer_skew = total == 0 ? 0.0 : (double)most * routed_num / (double)total;
        skew = layer_skew > skew ? layer_skew : skew;
    }
    return skew;
}
