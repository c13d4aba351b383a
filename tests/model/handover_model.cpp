/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weak-memory model of the hand-over. It compiles src/window/handover.h, unchanged, over the memory of relacy (see
 * shadow/) and runs two producers and a scheduler over two descs, each of which is used several times.
 *
 *     1. as it is written, no execution that is tried has an unordered access or a wrong content;
 *     2. with any one of its ordered accesses relaxed, one has.
 *
 * The second is what makes the first worth something: a model that misses a weakened order proves nothing about it.
 */
#include <cstdio>
#include <ostream>
#include <streambuf>

#include "window/handover.h"

#include "sites.h"

enum {
    PRODUCER_NUM = 2,
    ROUND_NUM = 3,
    SITE_NUM_MIN = 4, /* R1, A1, R2, A2 of handover.h */

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

/* Groups of one: takes each desc when it is seen ready. */
struct take_each {
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

template <typename Pattern> struct handover_model : rl::test_suite<handover_model<Pattern>, PRODUCER_NUM + 1> {
    afd_ffn_desc descs[PRODUCER_NUM];

    void before()
    {
        for (afd_ffn_desc &desc : descs) {
            desc.flag.store(AFD_FLAG_FREE, rl::mo_relaxed, RL_INFO);
            desc.layer_id(RL_INFO).store(0);
            for (rl::var<int32_t> &expert_id : desc.expert_ids) {
                expert_id(RL_INFO).store(AFD_EXPERT_ID_NONE);
            }
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

template <typename Pattern> static outcome run(rl::scheduler_type_e search)
{
    discarding_buffer buffer;
    std::ostream report(&buffer);
    rl::test_params params;
    params.iteration_count = RANDOM_EXECUTION_NUM;
    params.search_type = search;
    params.context_bound = CONTEXT_BOUND;
    params.output_stream = &report;
    params.progress_stream = &report;
    rl::simulate<handover_model<Pattern>>(params);
    return outcome{ params.test_result, (unsigned long long)params.stop_iteration };
}

template <typename Pattern> static bool passes_as_written(const char *pattern)
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
        outcome found = run<Pattern>(search.search);
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

template <typename Pattern> static bool fails_with_each_weakened(const char *pattern)
{
    bool passed = true;
    for (int i = 0; i < model_site_num(); i++) {
        model_weaken_site(i);
        outcome found = run<Pattern>(rl::sched_random);
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
    bool passed = passes_as_written<take_each>("take each");
    passed = passes_as_written<see_all_then_take_all>("see all, then take all") && passed;
    passed = passes_as_written<copy_early_then_take_all>("copy early, take all") && passed;
    passed = sites_are_found() && passed;
    passed = fails_with_each_weakened<take_each>("take each") && passed;
    passed = fails_with_each_weakened<see_all_then_take_all>("see all, then take all") && passed;
    passed = fails_with_each_weakened<copy_early_then_take_all>("copy early, take all") && passed;
    std::printf(passed ? "passed\n" : "FAILED\n");
    return passed ? 0 : 1;
}
