/* SPDX-License-Identifier: Apache-2.0 */
/* Ties to other hosts: addresses, and the post that they share. */
#include <string.h>

#include "afd/wait.h"
#include "base/error.h"
#include "worker/member/tie.h"

enum { SPARE_LINE_NUM = 16 }; /* those that are closed and not gone yet */

/* Above every number of a tie. */
uint64_t afd__ties_post_tag(void)
{
    return UINT64_MAX - 2;
}

/* ---- addresses ---- */

void afd__ties_set_names(afd__ties *ties, const char *const *names)
{
    afd__ties_lock(ties);
    ties->names = names;
    for (uint32_t i = 0; i < ties->tie_num; i++) {
        ties->ties[i].is_remote = afd__address_is_one(names[i]);
        ties->ties[i].is_resolved = false;
        ties->ties[i].address.socket_bytes = 0;
        ties->ties[i].pause_ns = 0;
    }
    afd__ties_unlock(ties);
}

bool afd__ties_need_post(const afd__ties *ties)
{
    bool any = false;
    for (uint32_t i = 0; i < ties->tie_num; i++) {
        any = any || ties->ties[i].is_remote;
    }
    return any;
}

/* Only the worker's thread resolves, so it may look at what it has written itself; the keeper reads under the lock. */
static afd_status resolve(afd__ties *ties, afd__tie *tie, afd_error *error)
{
    afd__address address;
    afd_status status = afd__address_parse(ties->names[tie - ties->ties], false, &address, error);
    afd__ties_lock(ties);
    if (status == AFD_OK) {
        tie->address = address;
    }
    tie->is_resolved = tie->address.socket_bytes != 0; /* where it was is better than nowhere */
    afd__ties_unlock(ties);
    return status == AFD_ERR_NOT_FOUND ? AFD_OK : status;
}

static bool is_to_be_resolved(afd__ties *ties, const afd__tie *tie)
{
    afd__ties_lock(ties);
    bool is_due = tie->is_remote && !tie->is_resolved && !tie->is_missing && afd_clock_ns() >= tie->retry_ns;
    afd__ties_unlock(ties);
    return is_due;
}

afd_status afd__ties_resolve(afd__ties *ties, afd_error *error)
{
    afd_status status = AFD_OK;
    for (uint32_t i = 0; status == AFD_OK && i < ties->tie_num; i++) {
        if (is_to_be_resolved(ties, &ties->ties[i])) {
            status = resolve(ties, &ties->ties[i], error);
        }
    }
    return status;
}

static bool have_same_device(const afd__address *one, const afd__address *other)
{
    char one_name[AFD__DEVICE_NAME_BYTES];
    char other_name[AFD__DEVICE_NAME_BYTES];
    return afd__address_device(one, false, one_name, sizeof(one_name), NULL) == AFD_OK &&
           afd__address_device(other, false, other_name, sizeof(other_name), NULL) == AFD_OK &&
           strcmp(one_name, other_name) == 0;
}

/* NULL: there is none. */
static const afd__address *find_common_address(const afd__ties *ties)
{
    const afd__address *first = NULL;
    for (uint32_t i = 0; i < ties->tie_num; i++) {
        const afd__tie *tie = &ties->ties[i];
        if (!tie->is_remote) {
            continue;
        }
        if (!tie->is_resolved || (first != NULL && !have_same_device(first, &tie->address))) {
            return NULL;
        }
        first = &tie->address;
    }
    return first;
}

afd_status afd__ties_common_address(const afd__ties *ties, afd__address *address, afd_error *error)
{
    const afd__address *common = find_common_address(ties);
    if (common == NULL) {
        return afd__address_parse("*:0", true, address, error);
    }
    *address = *common;
    return AFD_OK;
}

/* ---- the post ---- */

afd_status afd__ties_open_post(afd__ties *ties, afd_error *error)
{
    afd__address address;
    const afd__post_options options = { .connect = &address, .line_max = ties->tie_num + SPARE_LINE_NUM };
    afd_status status = afd__ties_common_address(ties, &address, error);
    if (status != AFD_OK) {
        return status;
    }
    afd__post *post = NULL;
    afd__ties_lock(ties);
    status = afd__post_open(&options, &post, error);
    if (status == AFD_OK) {
        afd__post_progress(post); /* so that its descriptor says from now on when there is something */
        status = afd__keeper_watch(&ties->keeper, afd__post_fd(post), afd__ties_post_tag(), error);
    }
    if (status == AFD_OK) {
        ties->post = post;
    } else { /* one that nobody watches would be found by the next try, and not opened again */
        afd__post_close(post);
    }
    afd__ties_unlock(ties);
    return status;
}

void afd__ties_hear_post(afd__ties *ties)
{
    uint64_t tag = 0;
    if (ties->post == NULL) {
        return;
    }
    afd__post_progress(ties->post);
    while (afd__post_next_ready(ties->post, &tag)) {
        afd__tie *tie = afd__tie_of(ties, tag);
        if (tie != NULL) {
            afd__tie_read(ties, tie);
        }
    }
}

/* ---- connecting ---- */

afd_status afd__tie_connect_post(const afd__ties *ties, const afd__tie *tie, afd__channel *channel, afd_error *error)
{
    afd__line *line = NULL;
    if (!tie->is_resolved || ties->post == NULL) {
        return AFD_NOT_YET;
    }
    afd_status status = afd__line_connect(ties->post, &tie->address, &line, error);
    if (status != AFD_OK) { /* a host that cannot be reached now can be reached later */
        return status == AFD_ERR_NO_MEMORY ? status : AFD_NOT_YET;
    }
    *channel = (afd__channel){ .fd = -1, .line = line };
    return AFD_OK;
}

uint64_t afd__tie_next_pause(afd__tie *tie, uint64_t least_ns)
{
    if (!tie->is_remote) {
        return least_ns;
    }
    uint64_t pause_ns = tie->pause_ns > least_ns ? tie->pause_ns : least_ns;
    tie->pause_ns = 2 * pause_ns < AFD__TIE_RETRY_MAX_NS ? 2 * pause_ns : AFD__TIE_RETRY_MAX_NS;
    return pause_ns;
}
