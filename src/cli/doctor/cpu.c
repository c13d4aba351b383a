/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs: what they can do, their caches, which are ours, and how far apart they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/cpus.h"
#include "bench/pingpong.h"
#include "doctor/facts.h"

enum { FLAGS_BYTES = 8192, PAIR_NUM_MAX = 8, CACHE_NUM_MAX = 8 };

static const char section[] = "cpu";

/* Whether the word is one of the words of the text. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        bool begins = at == text || at[-1] == ' ';
        if (begins && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* What libafd, its benchmark and a matmul make use of, as the kernels of x86-64 and aarch64 name it. */
static void add_features(doctor_facts *facts)
{
    static const char *const wanted[] = { "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
                                          "avx512_bf16", "amx_bf16", "waitpkg", "clflushopt", "erms", "fsrm",
                                          "constant_tsc", "nonstop_tsc", "asimd", "sve", "sve2", "bf16", "i8mm",
                                          "atomics", "dcpop" };
    char flags[FLAGS_BYTES];
    char found[DOCTOR_TEXT_MAX] = "";
    if (!doctor_read_cpuinfo("flags", "Features", flags, sizeof(flags))) {
        return;
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        size_t length = strlen(found);
        if (has_word(flags, wanted[i])) {
            (void)snprintf(found + length, sizeof(found) - length, "%s%s", length > 0 ? " " : "", wanted[i]);
        }
    }
    bool is_wide = has_word(flags, "avx2") || has_word(flags, "asimd");
    doctor_add(facts, section, "features", "Vectors copy and refill ids; bf16 and vnni are for the experts' matmul.",
               is_wide ? NULL : "There are no wide vectors here: the portable paths are used.", "%s",
               found[0] != '\0' ? found : "none of those that matter");
    bool is_x86 = has_word(flags, "fpu");
    bool is_steady = !is_x86 || (has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc"));
    doctor_add(facts, section, "counter",
               "A counter with one rate in all states makes clocks cheap and times comparable.",
               is_steady ? NULL : "Its rate varies: figures of `afd bench` are taken with the slower CLOCK_MONOTONIC.",
               "%s", is_steady ? "invariant" : "not invariant");
}

static void add_caches(doctor_facts *facts)
{
    char text[DOCTOR_TEXT_MAX] = "";
    int cpu = bench_cpus_allowed(0);
    for (int i = 0; i < CACHE_NUM_MAX; i++) {
        static const char *const files[] = { "level", "type", "size" };
        char parts[3][DOCTOR_TEXT_MAX];
        bool known = true;
        for (size_t f = 0; f < 3; f++) {
            char path[128];
            (void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/%s", cpu, i, files[f]);
            known = doctor_read_line(path, parts[f]) && known;
        }
        if (known && strcmp(parts[1], "Instruction") != 0) {
            size_t length = strlen(text);
            (void)snprintf(text + length, sizeof(text) - length, "%sL%.8s %.16s", length > 0 ? ", " : "", parts[0],
                           parts[2]);
        }
    }
    doctor_add(facts, section, "caches", "Of the first CPU. The descs of a call that fit are scheduled much faster.",
               NULL, "%s", text[0] != '\0' ? text : "unknown");
}

static void add_allowed(doctor_facts *facts)
{
    char text[DOCTOR_TEXT_MAX] = "";
    char limit[DOCTOR_TEXT_MAX];
    int num = bench_cpus_allowed_num();
    for (int i = 0; i < num; i++) {
        size_t length = strlen(text);
        if (length + 8 < sizeof(text)) {
            (void)snprintf(text + length, sizeof(text) - length, "%s%d", i > 0 ? " " : "", bench_cpus_allowed(i));
        }
    }
    doctor_add(facts, section, "allowed", "CPUs that this process may run on.",
               num >= 2 ? NULL : "With one CPU pollers must yield: use AFD_WAIT_YIELD or AFD_WAIT_BACKOFF.", "%d: %s",
               num, text);
    if (doctor_read_line("/sys/fs/cgroup/cpu.max", limit)) {
        bool is_free = strncmp(limit, "max", 3) == 0;
        doctor_add(facts, section, "quota", "CPU time of this control group: us allowed of each period of so many us.",
                   is_free ? NULL : "A poller that spins uses the quota up and is then stopped for the rest of the "
                                    "period: raise the quota, or wait with AFD_WAIT_BACKOFF.",
                   "%s", limit);
    }
}

/* The first CPU with each of some others. */
static void add_witnesses(doctor_facts *facts)
{
    bench_cpus cpus = { .mine = bench_cpus_allowed(0) };
    if (!bench_cpus_pin(cpus.mine)) {
        doctor_add(facts, section, "witness", "One cache line there and back between two CPUs.",
                   "Threads cannot be tied to CPUs here, so workers will wander.", "unknown: %s", strerror(errno));
        return;
    }
    bench_clock clock = bench_clock_start();
    for (int i = 1; i < bench_cpus_allowed_num() && i <= PAIR_NUM_MAX; i++) {
        bench_percentiles there_and_back;
        cpus.partner = bench_cpus_allowed(i);
        if (bench_pingpong(&cpus, &clock, BENCH_PINGPONG_SHORT, &there_and_back)) {
            doctor_add(facts, section, "witness",
                       "One cache line there and back between two CPUs, p50: about 130 ns on one core, 400 apart. "
                       "Figures across CPUs compare only where this is the same.",
                       NULL, "CPU %d and %d: %.0f ns", cpus.mine, cpus.partner, there_and_back.p50_ns);
        }
    }
    bench_cpus_unpin();
}

void doctor_probe_cpu(doctor_facts *facts)
{
    char model[DOCTOR_TEXT_MAX];
    (void)doctor_read_cpuinfo("model name", "CPU part", model, sizeof(model));
    doctor_add(facts, section, "model", "As the kernel names it.", NULL, "%s", model[0] != '\0' ? model : "unknown");
    add_features(facts);
    add_caches(facts);
    add_allowed(facts);
    add_witnesses(facts);
}
