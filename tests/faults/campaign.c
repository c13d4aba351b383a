/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A campaign of faults between processes, and what they cost: over shared memory, over UCX by the loopback (ucx), or
 * over UCX with a host for each (hosts), which are network namespaces. Ends with 77 where this machine has no such
 * transport.
 *
 *     campaign [shm|ucx|hosts] N [SEED]        N faults, all kinds in turn; the seed is printed
 *     campaign [shm|ucx|hosts] one SEED K      the K-th fault of a campaign with that seed, alone
 *     campaign [shm|ucx|hosts] load SECONDS    no fault, and more processes than cores that compute: nobody is dropped
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/wait.h"
#include "fault_net.h"
#include "fault_run.h"
#include "random_numbers.h"

typedef struct samples {
    uint64_t *detected_ns;
    uint64_t *recovered_ns;
    uint64_t *gap_ns;
    uint32_t num;
    uint64_t lost_num;
} samples;

static fault_transport transport = FAULT_ON_SHM;
static uint32_t skipped_num;

static uint64_t seed_of(uint64_t seed, uint32_t number)
{
    random_numbers numbers = { seed + number };
    return random_u64(&numbers);
}

static bool run_one(uint64_t seed, uint32_t number, samples *of_kind)
{
    fault_case f;
    fault_result result;
    fault_case_draw(&f, transport, seed_of(seed, number), number);
    if (fault_is_of_network(f.kind) && !fault_net_can_harm()) {
        skipped_num++;
        layer_case_free(&f.layer);
        return true;
    }
    const bool is_right = fault_run(&f, &result);
    samples *s = &of_kind[f.kind];
    s->detected_ns[s->num] = result.detected_ns;
    s->recovered_ns[s->num] = result.recovered_ns;
    s->gap_ns[s->num] = result.gap_ns;
    s->lost_num += result.lost_num;
    s->num++;
    layer_case_free(&f.layer);
    return is_right;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_spread(uint64_t *ns, uint32_t num)
{
    qsort(ns, num, sizeof(*ns), compare);
    printf("  %9.1f %9.1f", (double)ns[num / 2] / 1e6, (double)ns[num - 1] / 1e6);
}

static void print_table(samples *of_kind)
{
    printf("%-26s %5s  %19s  %19s  %19s  %s\n", "", "", "detected ms", "all go on ms", "survivors' gap ms", "rounds");
    printf("%-26s %5s  %9s %9s  %9s %9s  %9s %9s  %s\n", "kind", "times", "p50", "max", "p50", "max", "p50", "max",
           "sent again");
    for (fault_kind kind = 0; kind < FAULT_KIND_NUM; kind++) {
        samples *s = &of_kind[kind];
        if (s->num > 0) {
            printf("%-26s %5" PRIu32, fault_kind_text(kind), s->num);
            print_spread(s->detected_ns, s->num);
            print_spread(s->recovered_ns, s->num);
            print_spread(s->gap_ns, s->num);
            printf("  %" PRIu64 "\n", s->lost_num);
        }
    }
}

static samples *make_samples(uint32_t num)
{
    samples *of_kind = calloc(FAULT_KIND_NUM, sizeof(*of_kind));
    for (fault_kind kind = 0; of_kind != NULL && kind < FAULT_KIND_NUM; kind++) {
        of_kind[kind].detected_ns = calloc(num, sizeof(uint64_t));
        of_kind[kind].recovered_ns = calloc(num, sizeof(uint64_t));
        of_kind[kind].gap_ns = calloc(num, sizeof(uint64_t));
    }
    return of_kind;
}

static const char *transport_word(void)
{
    return transport == FAULT_ON_SHM ? "" : transport == FAULT_ON_UCX ? " ucx" : " hosts";
}

/* Numbers [first, end). */
static int run_all(uint64_t seed, uint32_t first, uint32_t end)
{
    samples *of_kind = make_samples(end - first);
    for (uint32_t number = first; number < end; number++) {
        if (!run_one(seed, number, of_kind)) {
            fprintf(stderr, "again, alone: campaign%s one %" PRIu64 " %" PRIu32 "\n", transport_word(), seed, number);
            return 1;
        }
    }
    print_table(of_kind);
    if (skipped_num > 0) {
        printf("skipped %" PRIu32 " of the network: this user may not have one, or there is no nft\n", skipped_num);
    }
    printf("%" PRIu32 " faults, every row right, nobody else dropped, nothing left\n", end - first - skipped_num);
    return 0;
}

static int run_load(uint32_t seconds)
{
    const uint64_t seed = afd_clock_ns();
    fault_case f;
    fault_result result;
    printf("seed %" PRIu64 ", %" PRIu32 " s of load\n", seed, seconds);
    fault_case_draw(&f, transport, seed, 0);
    f.kind = FAULT_LOAD;
    f.load_ms = seconds * 1000;
    const bool is_right = fault_run(&f, &result);
    layer_case_free(&f.layer);
    printf("%s\n", is_right ? "every row right, nobody dropped" : "it went wrong");
    return is_right ? 0 : 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: campaign [shm|ucx|hosts] N [SEED] | [...] one SEED K | [...] load SECONDS\n");
    return 2;
}

static int run_many(const char *num_word, const char *seed_word)
{
    const uint32_t num = (uint32_t)strtoul(num_word, NULL, 10);
    const uint64_t seed = seed_word != NULL ? strtoull(seed_word, NULL, 10) : afd_clock_ns();
    if (num == 0) {
        return usage();
    }
    printf("seed %" PRIu64 ", %" PRIu32 " faults\n", seed, num);
    (void)fflush(stdout);
    return run_all(seed, 0, num);
}

int main(int argc, char **argv)
{
    int word_num = argc - 1;
    char **words = argv + 1;
    if (word_num > 0 && fault_transport_parse(words[0], &transport)) {
        words++;
        word_num--;
    }
    if (!fault_net_open(transport)) {
        return 77;
    }
    if (word_num == 2 && strcmp(words[0], "load") == 0) {
        return run_load((uint32_t)strtoul(words[1], NULL, 10));
    }
    if (word_num == 3 && strcmp(words[0], "one") == 0) {
        const uint32_t number = (uint32_t)strtoul(words[2], NULL, 10);
        return run_all(strtoull(words[1], NULL, 10), number, number + 1);
    }
    return word_num == 1 || word_num == 2 ? run_many(words[0], word_num == 2 ? words[1] : NULL) : usage();
}
