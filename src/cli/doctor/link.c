/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/link.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/probe.h"
#include "bench/samples.h"
#include "out.h"
#include "run/signals.h"
#include "secret.h"

/* Enough for a p99 where rounds are quick; where they are not, no longer than a person waits. */
enum { ROUNDS_MIN = 20, ROUNDS_MAX = 2000, WARM_UP_NUM = 10 };

static const uint64_t second_ns = UINT64_C(1000000000);
static const uint64_t patience_ns = UINT64_C(10000000000);

static int32_t the_stop; /* raised by the first signal */

static afd_probe_options probe_options(const char *address, const afd_cli_secret *secret)
{
    afd_probe_options options = AFD_PROBE_OPTIONS_INIT;
    options.address = address;
    options.secret = secret->num > 0 ? secret->bytes : NULL;
    options.secret_bytes = secret->num;
    return options;
}

static afd_wait new_wait(void)
{
    afd_wait wait = AFD_WAIT_INIT(AFD_WAIT_YIELD);
    wait.stop = &the_stop;
    return wait;
}

/* ---- the other end ---- */

/* Until it is asked to end. */
static int serve(const doctor_link_options *options, const afd_cli_secret *secret)
{
    const afd_probe_options opening = probe_options(options->listen, secret);
    afd_probe *probe = NULL;
    afd_error error;
    afd_status status = afd_probe_listen(&opening, &probe, &error);
    if (status == AFD_OK) {
        const char *address = afd_probe_address(probe);
        afd_cli_note("doctor", "listening at %s: the other host measures with `afd doctor --connect %s`", address,
                     address);
    }
    while (status == AFD_OK) {
        uint64_t round_num = 0;
        afd_wait wait = new_wait();
        status = afd_probe_serve(probe, &wait, &round_num, &error);
        if (status == AFD_OK) {
            afd_cli_note("doctor", "sent %" PRIu64 " rounds back to somebody", round_num);
        }
    }
    if (status < 0) {
        afd_cli_error("doctor", &error);
    }
    afd_probe_close(probe);
    return afd_cli_exit_code(status);
}

/* ---- measuring ---- */

static afd_status round_trip(afd_probe *probe, const doctor_rounds *rounds, uint64_t *ns, afd_error *error)
{
    afd_wait wait = new_wait();
    wait.deadline_ns = afd_clock_ns() + patience_ns;
    /* The round without rows goes the way of the small ones. */
    uint32_t row_bytes = rounds->row_bytes != 0 ? rounds->row_bytes : AFD_PROBE_ROW_SMALL;
    return afd_probe_round_trip(probe, rounds->row_num, row_bytes, &wait, ns, error);
}

static afd_status measure(afd_probe *probe, doctor_rounds *rounds, afd_error *error)
{
    bench_samples samples = bench_samples_new(ROUNDS_MAX);
    afd_status status = AFD_OK;
    uint64_t began_ns = 0;
    for (int i = -WARM_UP_NUM; i < ROUNDS_MAX && status == AFD_OK; i++) {
        uint64_t ns = 0;
        began_ns = i == 0 ? afd_clock_ns() : began_ns;
        if (i >= ROUNDS_MIN && afd_clock_ns() - began_ns > second_ns) {
            break;
        }
        status = round_trip(probe, rounds, &ns, error);
        if (i >= 0 && status == AFD_OK) {
            bench_samples_add(&samples, (double)ns);
        }
    }
    bench_percentiles percentiles = bench_samples_percentiles(&samples);
    rounds->round_num = samples.num;
    rounds->p50_ns = percentiles.p50_ns;
    rounds->p99_ns = percentiles.p99_ns;
    bench_samples_free(&samples);
    return status;
}

/* Without rows, and with as many as an FFN worker gets of a micro-batch: from one to all of a large one. */
static void plan(doctor_link *link)
{
    static const uint32_t row_nums[] = { 1, 32, 128, 256 };
    static const uint32_t sizes[] = { AFD_PROBE_ROW_SMALL, AFD_PROBE_ROW_LARGE };
    doctor_rounds *next = link->rounds;
    *next++ = (doctor_rounds){ 0 };
    for (size_t size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
        for (size_t i = 0; i < sizeof(row_nums) / sizeof(row_nums[0]); i++) {
            *next++ = (doctor_rounds){ .row_num = row_nums[i], .row_bytes = sizes[size] };
        }
    }
}

static afd_status measure_all(doctor_link *link, const afd_cli_secret *secret, afd_error *error)
{
    const afd_probe_options opening = probe_options(link->address, secret);
    afd_wait wait = new_wait();
    afd_probe *probe = NULL;
    wait.deadline_ns = afd_clock_ns() + patience_ns;
    afd_status status = afd_probe_connect(&opening, &wait, &probe, error);
    for (size_t i = 0; i < DOCTOR_ROUNDS_NUM && status == AFD_OK; i++) {
        status = measure(probe, &link->rounds[i], error);
    }
    afd_probe_close(probe);
    return status;
}

static int examine(const doctor_link_options *options, const afd_cli_secret *secret)
{
    doctor_link link = { .address = options->connect };
    afd_error error;
    plan(&link);
    switch (measure_all(&link, secret, &error)) {
    case AFD_OK:
        break;
    case AFD_STOPPED:
        return AFD_EXIT_INTERRUPTED;
    case AFD_DEADLINE:
        afd_cli_note("doctor", "%s does not answer", options->connect);
        return AFD_EXIT_REFUSED;
    case AFD_ERR_PEER:
        afd_cli_error("doctor", &error);
        afd_cli_note("doctor", "is `afd doctor --listen` there, with the same token, and nobody else measuring?");
        return AFD_EXIT_REFUSED;
    default:
        afd_cli_error("doctor", &error);
        return afd_cli_exit_code(error.status);
    }
    if (options->json) {
        return doctor_link_print_json(&link);
    }
    doctor_link_print(&link);
    return AFD_EXIT_DONE;
}

int doctor_link_examine(const doctor_link_options *options)
{
    afd_cli_secret secret = { .num = 0 };
    if (options->token_file != NULL && !afd_cli_secret_read("doctor", options->token_file, &secret)) {
        return AFD_EXIT_REFUSED;
    }
    run_signals_catch(&the_stop);
    int code = options->listen != NULL ? serve(options, &secret) : examine(options, &secret);
    afd_cli_secret_forget(&secret);
    return code;
}
