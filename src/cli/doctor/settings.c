/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every setting of libafd and its program. What the public headers do not say is repeated here from src/base/wait.c;
 * tests/cli/settings.sh sees to it that both say the same.
 */
#include <stdlib.h>

#include "afd/context.h"
#include "afd/wait.h"
#include "afd/window.h"
#include "doctor/facts.h"

static const char constants[] = "setting";
static const char environment[] = "environment";

static void add_constants(doctor_facts *facts)
{
    static const struct {
        const char *name;
        long value;
        const char *note;
    } known[] = {
        { "AFD_WAIT_CLOCK_PASSES", AFD_WAIT_CLOCK_PASSES,
          "While it spins, a wait with a deadline reads the clock once in so many empty passes." },
        { "SPIN_PASS_NUM", 64, "AFD_WAIT_YIELD and AFD_WAIT_BACKOFF spin for so many empty passes, then yield." },
        { "YIELD_PASS_NUM", 128, "AFD_WAIT_BACKOFF yields for so many more, then sleeps." },
        { "SLEEP_NS_MIN", 1000, "Its first sleep, in ns; each is twice as long as the one before." },
        { "SLEEP_NS_MAX", 50000, "Its longest sleep, in ns; the kernel adds its timer slack." },
        { "AFD_EXPERT_ID_LIMIT", AFD_EXPERT_ID_LIMIT, "Expert ids from here on are empty slots." },
        { "AFD_WINDOW_NAME_MAX", AFD_WINDOW_NAME_MAX, "Characters of a window's name." },
        { "AFD_TOKEN_INFO_ALIGN_BYTES", AFD_TOKEN_INFO_ALIGN_BYTES, "Token info is padded to a multiple of it." },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        doctor_add(facts, constants, known[i].name, known[i].note, NULL, "%ld", known[i].value);
    }
}

static void add_environment(doctor_facts *facts)
{
    static const struct {
        const char *name;
        const char *note;
    } known[] = {
        { "NO_COLOR", "Set and not empty: afd prints no colours." },
        { "TERM", "Unset or \"dumb\": the same." },
        { "AFD_NO_INSTALL", "1: make says which packages are missing and installs none." },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const char *value = getenv(known[i].name);
        doctor_add(facts, environment, known[i].name, known[i].note, NULL, "%s", value != NULL ? value : "unset");
    }
}

void doctor_probe_settings(doctor_facts *facts)
{
    add_constants(facts);
    add_environment(facts);
}
