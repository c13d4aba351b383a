/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel and its clocks. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>

#include "afd/wait.h"
#include "bench/samples.h"
#include "doctor/facts.h"

enum { CLOCK_READINGS_TOGETHER = 100, CLOCK_SAMPLE_NUM = 100, SLEEP_SAMPLE_NUM = 50, CLOCK_NS_MAX = 200 };

static const char section[] = "time";

static void add_kernel(doctor_facts *facts)
{
    struct utsname name;
    if (uname(&name) == 0) {
        doctor_add(facts, "kernel", "release", "Name, release and machine.", NULL, "%.80s %.80s %.80s", name.sysname,
                   name.release, name.machine);
    }
}

static void add_clock(doctor_facts *facts)
{
    char source[DOCTOR_TEXT_MAX];
    bench_samples samples = bench_samples_new(CLOCK_SAMPLE_NUM);
    for (int i = 0; i < CLOCK_SAMPLE_NUM; i++) {
        uint64_t began_ns = afd_clock_ns();
        uint64_t ended_ns = began_ns;
        for (int j = 0; j < CLOCK_READINGS_TOGETHER; j++) {
            ended_ns = afd_clock_ns();
        }
        bench_samples_add(&samples, (double)(ended_ns - began_ns) / CLOCK_READINGS_TOGETHER);
    }
    double cost_ns = bench_samples_percentiles(&samples).p50_ns;
    bench_samples_free(&samples);
    if (!doctor_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source)) {
        (void)snprintf(source, sizeof(source), "unknown");
    }
    doctor_add(facts, section, "clock", "The kernel's clock source, and what one reading of afd_clock_ns() costs.",
               cost_ns < CLOCK_NS_MAX ? NULL
                                      : "Readings leave user space, so deadlines cost more: available_clocksource in "
                                        "/sys/devices/system/clocksource/clocksource0 says what else there is.",
               "%s, %.0f ns a reading", source, cost_ns);
}

static void add_sleep(doctor_facts *facts)
{
    const struct timespec shortest = { .tv_sec = 0, .tv_nsec = 1000 };
    bench_samples samples = bench_samples_new(SLEEP_SAMPLE_NUM);
    for (int i = 0; i < SLEEP_SAMPLE_NUM; i++) {
        uint64_t began_ns = afd_clock_ns();
        (void)nanosleep(&shortest, NULL);
        bench_samples_add(&samples, (double)(afd_clock_ns() - began_ns));
    }
    double sleep_ns = bench_samples_percentiles(&samples).p50_ns;
    bench_samples_free(&samples);
    int slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    doctor_add(facts, section, "timer slack",
               "How late the kernel may wake a sleeper, and how long a sleep of 1 us takes: what AFD_WAIT_BACKOFF "
               "costs when work comes after it went to sleep.",
               NULL, "%d ns, %.0f us", slack_ns, sleep_ns / 1000);
}

void doctor_probe_time(doctor_facts *facts)
{
    add_kernel(facts);
    add_clock(facts);
    add_sleep(facts);
}
