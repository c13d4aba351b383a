/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weak-memory model of the two hand-overs. It compiles src/window/handover.h, unchanged, over the memory of relacy
 * (see shadow/) and runs
 *   - two producers and a scheduler over two descs, and
 *   - two FFN workers and an attention worker over a desc and a slot each, round after round,
 * each of which is used several times.
 *
 *     1. as it is written, no execution that is tried has an unordered access or a wrong content;
 *     2. with any one of the ordered accesses that a pattern rests on relaxed, one has.
 *
 * The second is what makes the first worth something: a model that misses a weakened order proves nothing about it.
 */
#include <cstdio>
#include <cstring>
#include <ostream>
#include <streambuf>

#include "window/handover.h"

#include "sites.h"

enum {
    PRODUCER_NUM = 2,
    ROUND_NUM = 3,
    SITE_NUM_MIN = 6, /* R1, A1, R2, A2, R5, A5 of handover.h */

    /* The context-bound search is complete up to so many switches away from a thread that could go on; it ends by
     * itself, after some 700,000 executions. The random one has no such bound and is given a number. */
    CONTEXT_BOUND = 2,
    RANDOM_EXECUTION_NUM = 30000
};

/* ---- what is in a round ---- */

static int32_t layer_id_of(int producer, int round)
{
    return 1000 + 100 * producer + round;
}

/* The second slot of odd rounds goes to another worker: it is not written and keeps what the scheduler left there in
 * the round before. */
static bool is_written(int round, int slot)
{
    return slot != 1 || round % 2 == 0;
}

static int32_t expert_id_of(int producer, int round, int slot)
{
    return is_written(round, slot) ? 10000 + 1000 * producer + 10 * round + slot : AFD_EXPERT_ID_REFILL;
}

/* ---- the two sides ---- */

static void wait_until_free(const afd_ffn_desc *desc)
{
    while (!afd__desc_is_free(desc)) {
        rl::yield(1, RL_INFO);
    }
}

/* What a producer finds when a desc is its own again: every id refilled, layer_id as it left it. */
static void check_given_back(const afd_ffn_desc *desc, int producer, int round)
{
    int32_t layer_id = round == 0 ? 0 : layer_id_of(producer, round - 1);
    int32_t expert_id = round == 0 ? AFD_EXPERT_ID_NONE : AFD_EXPERT_ID_REFILL;
    RL_ASSERT(desc->layer_id(RL_INFO).load() == layer_id);
    for (int slot = 0; slot < MODEL_ID_NUM; slot++) {
        RL_ASSERT(desc->expert_ids[slot](RL_INFO).load() == expert_id);
    }
}

static void produce(afd_ffn_desc *desc, int producer)
{
    for (int round = 0; round < ROUND_NUM; round++) {
        wait_until_free(desc);
        check_given_back(desc, producer, round);
        for (int slot = 0; slot < MODEL_ID_NUM; slot++) {
            if (is_written(round, slot)) {
                desc->expert_ids[slot](RL_INFO).store(expert_id_of(producer, round, slot));
            }
        }
        desc->layer_id(RL_INFO).store(layer_id_of(producer, round));
        afd__desc_publish(desc);
    }
    wait_until_free(desc);
    check_given_back(desc, producer, ROUND_NUM);
}

static void take_and_check(afd_ffn_desc *desc, int producer, int round)
{
    int32_t layer_id = 0;
    int32_t expert_ids[MODEL_ID_NUM] = { 0 };
    afd__desc_take(desc, MODEL_ID_NUM, &layer_id, expert_ids, desc);
    RL_ASSERT(layer_id == layer_id_of(producer, round));
    for (int slot = 0; slot < MODEL_ID_NUM; slot++) {
        RL_ASSERT(expert_ids[slot] == expert_id_of(producer, round, slot));
    }
}

/* Whether the orders of a function are those of the descs' patterns: of all but the slots'. */
static bool is_of_descs(const char *function)
{
    return std::strncmp(function, "afd__desc_", std::strlen("afd__desc_")) == 0;
}

/* Groups of one: takes each desc when it is seen ready. */
struct take_each {
    static constexpr auto rests_on = is_of_descs;

    static void schedule(afd_ffn_desc *descs)
    {
        int rounds[PRODUCER_NUM] = { 0 };
        int taken_num = 0;
        while (taken_num < PRODUCER_NUM * ROUND_NUM) {
            int taken_before = taken_num;
            for (int s = 0; s < PRODUCER_NUM; s++) {
                if (afd__desc_is_ready(&descs[s])) {
                    take_and_check(&descs[s], s, rounds[s]++);
                    taken_num++;
                }
            }
            if (taken_num == taken_before) {
                rl::yield(1, RL_INFO);
            }
        }
    }
};

/* Larger groups and all-sync: sees each ready once, remembers it, and takes all when the last one is there. */
struct see_all_then_take_all {
    static constexpr auto rests_on = is_of_descs;

    static void schedule(afd_ffn_desc *descs)
    {
        for (int round = 0; round < ROUND_NUM; round++) {
            for (int s = 0; s < PRODUCER_NUM; s++) {
                while (!afd__desc_is_ready(&descs[s])) {
                    rl::yield(1, RL_INFO);
                }
            }
            for (int s = 0; s < PRODUCER_NUM; s++) {
                take_and_check(&descs[s], s, round);
            }
        }
    }
};

/* All-sync that works while it waits (H7): copies each when it is seen ready, and when the last one is there looks at
 * all flags and layers once more, then refills and gives back. */
struct copy_early_then_take_all {
    static constexpr auto rests_on = is_of_descs;

    static void schedule(afd_ffn_desc *descs)
    {
        for (int round = 0; round < ROUND_NUM; round++) {
            for (int s = 0; s < PRODUCER_NUM; s++) {
                while (!afd__desc_is_ready(&descs[s])) {
                    rl::yield(1, RL_INFO);
                }
                int32_t expert_ids[MODEL_ID_NUM] = { 0 };
                RL_ASSERT(afd__desc_read_layer_id(&descs[s]) == layer_id_of(s, round));
                afd__desc_read_ids(expert_ids, &descs[s], MODEL_ID_NUM);
                for (int slot = 0; slot < MODEL_ID_NUM; slot++) {
                    RL_ASSERT(expert_ids[slot] == expert_id_of(s, round, slot));
                }
            }
            for (int s = 0; s < PRODUCER_NUM; s++) {
                RL_ASSERT(afd__desc_is_ready(&descs[s]));
                RL_ASSERT(afd__desc_read_layer_id(&descs[s]) == layer_id_of(s, round));
            }
            for (int s = 0; s < PRODUCER_NUM; s++) {
                afd__desc_refill_ids(&descs[s], MODEL_ID_NUM);
                afd__desc_give_back(&descs[s]);
            }
        }
    }
};

static void make_fresh(afd_ffn_desc &desc)
{
    desc.flag.store(AFD_FLAG_FREE, rl::mo_relaxed, RL_INFO);
    desc.layer_id(RL_INFO).store(0);
    for (rl::var<int32_t> &expert_id : desc.expert_ids) {
        expert_id(RL_INFO).store(AFD_EXPERT_ID_NONE);
    }
}

/* Two producers and the scheduler of a pattern. */
template <typename Pattern> struct desc_model : rl::test_suite<desc_model<Pattern>, PRODUCER_NUM + 1> {
    afd_ffn_desc descs[PRODUCER_NUM];

    void before()
    {
        for (afd_ffn_desc &desc : descs) {
            make_fresh(desc);
        }
    }

    void thread(unsigned index)
    {
        if (index < PRODUCER_NUM) {
            produce(&descs[index], (int)index);
        } else {
            Pattern::schedule(descs);
        }
    }
};

/* ---- the hand-over of a slot ---- */

enum { FFN_WORKER_NUM = 2 };

/*
 * A desc is given back before its slot is published, as every worker does that answers after it has taken; so it is
 * the slot's flag that tells the attention worker of both, and the patterns of the descs alone show what A2 and R2 are
 * for. The other four are needed: A5 and R5 for the data on its way back, R1 and A1 also for the slot that the dispatch
 * gives back, which nothing but they orders after the last read and after afd__slot_clear().
 */
struct slot_round {
    static bool rests_on(const char *function)
    {
        return std::strcmp(function, "afd__desc_publish") == 0 || std::strcmp(function, "afd__desc_is_ready") == 0 ||
               std::strncmp(function, "afd__slot_", std::strlen("afd__slot_")) == 0;
    }
};

/* The way to one FFN worker and back. */
typedef struct way {
    afd_ffn_desc desc;
    afd__slot_flag slot_flag;
    rl::var<int32_t> slot_data;
} way;

static int32_t result_of(int worker, int round)
{
    return 100 * (worker + 1) + round;
}

/* Takes the round's desc, computes, writes the slot and publishes it. */
static void answer(way *w, int worker)
{
    for (int round = 0; round < ROUND_NUM; round++) {
        while (!afd__desc_is_ready(&w->desc)) {
            rl::yield(1, RL_INFO);
        }
        take_and_check(&w->desc, worker, round);
        w->slot_data(RL_INFO).store(result_of(worker, round));
        afd__slot_publish(&w->slot_flag);
    }
}

static void dispatch(way *w, int worker, int round)
{
    wait_until_free(&w->desc);
    check_given_back(&w->desc, worker, round);
    for (int slot = 0; slot < MODEL_ID_NUM; slot++) {
        if (is_written(round, slot)) {
            w->desc.expert_ids[slot](RL_INFO).store(expert_id_of(worker, round, slot));
        }
    }
    w->desc.layer_id(RL_INFO).store(layer_id_of(worker, round));
    afd__desc_publish(&w->desc);
}

static void combine_and_check(way *ways, int round)
{
    for (int worker = 0; worker < FFN_WORKER_NUM; worker++) {
        RL_ASSERT(ways[worker].slot_data(RL_INFO).load() == result_of(worker, round));
    }
}

static void clear(way *ways)
{
    for (int worker = 0; worker < FFN_WORKER_NUM; worker++) {
        afd__slot_clear(&ways[worker].slot_flag);
    }
}

/* Dispatches to all, awaits all, and clears before reading, as schedule and combine do, or after it, as combine with
 * need_schedule does. A flag that was lost, because a clear came late, would be awaited for ever, which relacy sees. */
static void attend(way *ways)
{
    for (int round = 0; round < ROUND_NUM; round++) {
        for (int worker = 0; worker < FFN_WORKER_NUM; worker++) {
            dispatch(&ways[worker], worker, round);
        }
        for (int worker = 0; worker < FFN_WORKER_NUM; worker++) {
            while (!afd__slot_is_ready(&ways[worker].slot_flag)) {
                rl::yield(1, RL_INFO);
            }
        }
        if (round % 2 == 0) {
            clear(ways);
            combine_and_check(ways, round);
        } else {
            combine_and_check(ways, round);
            clear(ways);
        }
    }
}

/* The pattern says nothing more than which orders are needed. */
template <typename Pattern> struct slot_model : rl::test_suite<slot_model<Pattern>, FFN_WORKER_NUM + 1> {
    way ways[FFN_WORKER_NUM];

    void before()
    {
        for (way &w : ways) {
            make_fresh(w.desc);
            w.slot_flag.store(AFD_FLAG_FREE, rl::mo_relaxed, RL_INFO);
            w.slot_data(RL_INFO).store(0);
        }
    }

    void thread(unsigned index)
    {
        if (index < FFN_WORKER_NUM) {
            answer(&ways[index], (int)index);
        } else {
            attend(ways);
        }
    }
};

/* ---- the runs ---- */

typedef struct outcome {
    rl::test_result_e result;
    unsigned long long execution_num;
} outcome;

/* relacy reports to streams; the result that it returns says enough. Not a string stream: relacy counts what is
 * allocated while it runs, and would free the string's memory as its own. */
class discarding_buffer : public std::streambuf {
    int overflow(int c) override
    {
        return c;
    }
};

template <template <typename> class Model, typename Pattern> static outcome run(rl::scheduler_type_e search)
{
    discarding_buffer buffer;
    std::ostream report(&buffer);
    rl::test_params params;
    params.iteration_count = RANDOM_EXECUTION_NUM;
    params.search_type = search;
    params.context_bound = CONTEXT_BOUND;
    params.output_stream = &report;
    params.progress_stream = &report;
    rl::simulate<Model<Pattern>>(params);
    return outcome{ params.test_result, (unsigned long long)params.stop_iteration };
}

template <template <typename> class Model, typename Pattern> static bool passes_as_written(const char *pattern)
{
    const struct {
        const char *name;
        rl::scheduler_type_e search;
    } searches[] = {
        { "random", rl::sched_random },
        { "context-bound", rl::sched_bound },
    };
    bool passed = true;
    model_weaken_site(MODEL_SITE_NONE);
    for (const auto &search : searches) {
        outcome found = run<Model, Pattern>(search.search);
        bool good = found.result == rl::test_result_success;
        std::printf("%-22s as written, %s search: %s after %llu executions\n", pattern, search.name,
                    good ? "nothing found" : rl::test_result_str(found.result), found.execution_num);
        passed = passed && good;
    }
    return passed;
}

/* Only what a missing order does counts: a livelock, say, would be a fault of the model. */
static bool is_the_fault(rl::test_result_e result)
{
    return result == rl::test_result_data_race || result == rl::test_result_user_assert_failed;
}

template <template <typename> class Model, typename Pattern> static bool fails_with_each_weakened(const char *pattern)
{
    bool passed = true;
    for (int i = 0; i < model_site_num(); i++) {
        if (!Pattern::rests_on(model_site_at(i)->function)) {
            continue;
        }
        model_weaken_site(i);
        outcome found = run<Model, Pattern>(rl::sched_random);
        bool good = is_the_fault(found.result);
        std::printf("%-22s %s relaxed: %s after %llu executions%s\n", pattern, model_site_at(i)->function,
                    rl::test_result_str(found.result), found.execution_num, good ? "" : "  <- NOT NOTICED");
        passed = passed && good;
    }
    return passed;
}

static bool sites_are_found(void)
{
    std::printf("ordered sites of handover.h:\n");
    for (int i = 0; i < model_site_num(); i++) {
        std::printf("    line %3d  %-20s %s\n", model_site_at(i)->line, model_site_at(i)->function,
                    model_site_at(i)->order);
    }
    if (model_site_num() < SITE_NUM_MIN) {
        std::printf("only %d ordered sites were met, there are at least %d\n", model_site_num(), SITE_NUM_MIN);
        return false;
    }
    return true;
}

int main()
{
    bool passed = passes_as_written<desc_model, take_each>("take each");
    passed = passes_as_written<desc_model, see_all_then_take_all>("see all, then take all") && passed;
    passed = passes_as_written<desc_model, copy_early_then_take_all>("copy early, take all") && passed;
    passed = passes_as_written<slot_model, slot_round>("slots, round by round") && passed;
    passed = sites_are_found() && passed;
    passed = fails_with_each_weakened<desc_model, take_each>("take each") && passed;
    passed = fails_with_each_weakened<desc_model, see_all_then_take_all>("see all, then take all") && passed;
    passed = fails_with_each_weakened<desc_model, copy_early_then_take_all>("copy early, take all") && passed;
    passed = fails_with_each_weakened<slot_model, slot_round>("slots, round by round") && passed;
    std::printf(passed ? "passed\n" : "FAILED\n");
    return passed ? 0 : 1;
}
