/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at the counters of a worker (afd/stats.h), and how they are shown: `afd top`, `afd metrics` and `afd inspect`
 * say the same of them. Each figure is true of its own moment, and whoever could write the window could write any.
 */
#ifndef AFD_CLI_LOOK_H
#define AFD_CLI_LOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "afd/stats.h"
#include "afd/window.h"

/* Far more than any deployment has; a damaged or hostile file can claim thousands of times more. */
enum { AFD_CLI_MEMBER_NUM_MAX = 1 << 20 };

enum { AFD_CLI_STATE_NUM = AFD_MEMBER_DROPPED + 1 };

typedef struct afd_cli_member {
    uint32_t number; /* the session, or the rank of the FFN worker */
    afd_member_stats stats;
} afd_cli_member;

typedef struct afd_cli_look {
    afd_window_info info;
    uint64_t taken_ns; /* on CLOCK_MONOTONIC, when all was read; 0 where its times are of another boot, of a dump */
    afd_worker_stats worker;
    uint32_t state_nums[AFD_CLI_STATE_NUM + 1]; /* of all members, by state; the last: in a state that is none */
    uint32_t member_num;     /* of those that were ever there */
    afd_cli_member *members; /* by number; the others are left out */
} afd_cli_look;

/* Whether there are few enough members to look at. */
bool afd_cli_look_fits(const afd_window *window);

/* Looks at a window that fits. `is_dump`: its times are not of this boot. */
void afd_cli_look_take(const afd_window *window, bool is_dump, afd_cli_look *look);
void afd_cli_look_drop(afd_cli_look *look);

/* Whether a worker has ever counted in the window. */
bool afd_cli_look_has_worker(const afd_cli_look *look);

/* The member of the number; all 0 if it was not there. */
afd_member_stats afd_cli_look_member(const afd_cli_look *look, uint32_t number);

/* How long before the look it was; false if never, or if that cannot be known. Not below 0, whatever is claimed. */
bool afd_cli_look_age(const afd_cli_look *look, uint64_t then_ns, uint64_t *age_ns);

enum { AFD_CLI_LOOK_AGE_TEXT = 24 };

/* "0.2 s", "12 s", "5 min"; "-" if never or not known. */
void afd_cli_look_age_text(const afd_cli_look *look, uint64_t then_ns, char text[AFD_CLI_LOOK_AGE_TEXT]);

/* "live"; "unknown" for a number that is no state. */
const char *afd_cli_member_state(uint64_t state);

/* ---- two looks ---- */

/* How much more a second, from one look to the next; what has grown past 2^64 has still grown. */
double afd_cli_look_rate(const afd_cli_look *before, const afd_cli_look *now, uint64_t before_value,
                         uint64_t now_value);

/* Whether the two are of one worker and some time apart, so that there are rates. `before` may be NULL. */
bool afd_cli_look_has_rates(const afd_cli_look *before, const afd_cli_look *now);

/* ---- shown ---- */

/* "worker" and "members", a line each, as `afd inspect` writes its configuration. */
void afd_cli_look_print_worker(const afd_cli_look *look, FILE *stream);

/* A table with a row a member; with rates if `before` gives them. At most row_max members, then "and N more". */
void afd_cli_look_print_members(const afd_cli_look *before, const afd_cli_look *look, uint32_t row_max, bool colour,
                                FILE *stream);

/* An object, or null if there is no worker; an array of objects. With rates, null where there are none, where
 * `with_rates`. */
json_t *afd_cli_look_worker_json(const afd_cli_look *before, const afd_cli_look *look, bool with_rates);
json_t *afd_cli_look_members_json(const afd_cli_look *before, const afd_cli_look *look, bool with_rates);

#endif
