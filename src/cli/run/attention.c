/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attention.h"

#include <string.h>

#include "afd/wait.h"

#include "run/random.h"
#include "run/stamp.h"

typedef struct attention_worker {
    const run_job *job;
    afd_window *window;
    uint32_t session;
    uint64_t sent_num;
} attention_worker;

static bool everybody_joined(void *arg)
{
    const run_ledger *ledger = arg;
    /* A, meets the R in await_crew_and_schedule(): everybody has the window open. */
    return atomic_load_explicit(ledger->go, memory_order_acquire);
}

static bool is_answered(void *arg)
{
    /* A, meets the FFN worker's release in run_check_taken(): the entry and the token data are ours again. */
    const run_entry *entry = arg;
    return atomic_load_explicit(&entry->answered_round, memory_order_acquire) == entry->round;
}

static bool is_free(void *arg)
{
    return afd_ffn_desc_is_free(arg);
}

static bool wait_until(const attention_worker *worker, bool (*is_done)(void *), void *arg)
{
    /* More attention workers than cores is the normal case here: leave the core to whoever is awaited. */
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_BACKOFF);
    wait.stop = worker->job->ledger.stop;
    return afd_wait_until(&wait, is_done, arg, NULL) == AFD_OK;
}

/* Decode batches vary: one in eight is not full, so that slots keep their sentinel and refills are seen. */
static uint32_t choose_token_num(const attention_worker *worker, uint32_t micro_batch, uint64_t round)
{
    run_random random = run_random_of(worker->job->options.seed + worker->session, micro_batch, round, 'n');
    uint32_t batch_size = worker->job->shape.micro_batch_size;
    if (run_random_next(&random) % 8 != 0) {
        return batch_size;
    }
    return (uint32_t)(run_random_next(&random) % (batch_size + 1));
}

static void route_tokens(const attention_worker *worker, uint32_t micro_batch, run_entry *entry)
{
    const run_job *job = worker->job;
    uint32_t slot_num = job->shape.selected_expert_num;
    for (uint32_t token = 0; token < entry->token_num; token++) {
        run_random random = run_random_of(job->options.seed, worker->session, micro_batch, token);
        /* A token keeps its hidden state within a step and gets another in the next. */
        uint64_t token_seed = run_random_next(&random) + (entry->round - 1) / job->options.layer_num;
        run_router_route(&job->router, entry->layer, token_seed, &entry->expert_ids[(size_t)token * slot_num]);
    }
}

static void write_payload(const attention_worker *worker, uint32_t micro_batch, const run_entry *entry,
                          afd_ffn_desc *desc)
{
    const afd_shape *shape = &worker->job->shape;
    size_t id_num = (size_t)entry->token_num * shape->selected_expert_num;
    char *data = afd_window_token_data(worker->window, worker->session, micro_batch);
    for (size_t slot = 0; slot < id_num; slot++) {
        uint64_t stamp = run_stamp_of(worker->session, micro_batch, entry->round, slot);
        run_stamp_write(data + slot * shape->attn_to_ffn_token_size, shape->attn_to_ffn_token_size, stamp);
    }
    memcpy(afd_ffn_desc_expert_ids(desc), entry->expert_ids, id_num * sizeof(int32_t));
    desc->layer_id = (int32_t)entry->layer;
}

static void note_progress(attention_worker *worker, uint32_t micro_batch, uint32_t layer)
{
    run_progress *progress = &worker->job->ledger.progress[worker->session];
    atomic_store_explicit(&progress->micro_batch, micro_batch, memory_order_relaxed);
    atomic_store_explicit(&progress->layer, layer, memory_order_relaxed);
    /* R, for whoever asks what this worker did last: a count never comes with older numbers than its own. */
    atomic_store_explicit(&progress->sent_num, ++worker->sent_num, memory_order_release);
}

/* Sends one micro-batch of one layer; false if the run was stopped. */
static bool send_round(attention_worker *worker, uint32_t micro_batch, uint64_t round, uint32_t layer)
{
    run_entry *entry = run_ledger_entry(&worker->job->ledger, worker->session, micro_batch);
    afd_ffn_desc *desc = afd_window_desc(worker->window, worker->session, micro_batch);
    if (!wait_until(worker, is_answered, entry) || !wait_until(worker, is_free, desc)) {
        return false;
    }
    entry->round = round;
    entry->layer = layer;
    entry->token_num = choose_token_num(worker, micro_batch, round);
    route_tokens(worker, micro_batch, entry);
    write_payload(worker, micro_batch, entry, desc);
    entry->publish_ns = afd_clock_ns();
    afd_ffn_desc_publish(desc);
    note_progress(worker, micro_batch, layer);
    return true;
}

static bool send_all(attention_worker *worker)
{
    const run_job *job = worker->job;
    for (uint64_t round = 1; round <= job->rounds_per_micro_batch; round++) {
        uint32_t layer = (uint32_t)((round - 1) % job->options.layer_num);
        for (uint32_t m = 0; m < job->shape.micro_batch_num; m++) {
            if (!send_round(worker, m, round, layer)) {
                return false;
            }
        }
    }
    return true;
}

static bool await_last_answers(const attention_worker *worker)
{
    for (uint32_t m = 0; m < worker->job->shape.micro_batch_num; m++) {
        if (!wait_until(worker, is_answered, run_ledger_entry(&worker->job->ledger, worker->session, m))) {
            return false;
        }
    }
    return true;
}

bool run_attention(const run_job *job, afd_window *window, uint32_t session)
{
    attention_worker worker = { .job = job, .window = window, .session = session };
    run_ledger ledger = job->ledger;
    /* R, meets the A in run_crew_has_joined(). */
    atomic_store_explicit(&ledger.progress[session].joined, true, memory_order_release);
    return wait_until(&worker, everybody_joined, &ledger) && send_all(&worker) && await_last_answers(&worker);
}
