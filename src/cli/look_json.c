/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's counters for programs. */
#include "look.h"
#include "out.h"

static json_t *age_json(const afd_cli_look *look, uint64_t then_ns)
{
    uint64_t age_ns = 0;
    return afd_cli_look_age(look, then_ns, &age_ns) ? afd_cli_json_u64(age_ns) : json_null();
}

/* A pid or an epoch, of which 0 is none. */
static json_t *identity_json(uint64_t value)
{
    return value != 0 ? afd_cli_json_u64(value) : json_null();
}

/* How one counter grew. */
typedef struct rate_pair {
    const char *key;
    uint64_t before;
    uint64_t now;
} rate_pair;

static void add_rates(json_t *object, const afd_cli_look *before, const afd_cli_look *look, const rate_pair *pairs,
                      size_t pair_num)
{
    for (size_t i = 0; i < pair_num; i++) {
        json_t *rate = json_null();
        if (afd_cli_look_has_rates(before, look)) {
            rate = json_real(afd_cli_look_rate(before, look, pairs[i].before, pairs[i].now));
        }
        afd_cli_json_set(object, pairs[i].key, rate);
    }
}

static void add_worker_rates(json_t *object, const afd_cli_look *before, const afd_cli_look *look)
{
    const afd_worker_stats none = { 0 };
    const afd_worker_stats *old = before != NULL ? &before->worker : &none;
    const afd_worker_stats *now = &look->worker;
    const rate_pair pairs[] = {
        { "steps_per_second", old->step_num, now->step_num },
        { "micro_batches_per_second", old->micro_batch_num, now->micro_batch_num },
        { "rows_per_second", old->row_num, now->row_num },
        { "bytes_per_second", old->byte_num, now->byte_num },
    };
    add_rates(object, before, look, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

json_t *afd_cli_look_worker_json(const afd_cli_look *before, const afd_cli_look *look, bool with_rates)
{
    const afd_worker_stats *stats = &look->worker;
    if (!afd_cli_look_has_worker(look)) {
        return json_null();
    }
    json_t *object = json_object();
    afd_cli_json_set(object, "up_ns", age_json(look, stats->started_ns));
    afd_cli_json_set(object, "beat_age_ns", age_json(look, stats->beat_ns));
    afd_cli_json_set(object, "draining", json_boolean(stats->draining != 0));
    afd_cli_json_set(object, "step_num", afd_cli_json_u64(stats->step_num));
    afd_cli_json_set(object, "micro_batch_num", afd_cli_json_u64(stats->micro_batch_num));
    afd_cli_json_set(object, "row_num", afd_cli_json_u64(stats->row_num));
    afd_cli_json_set(object, "byte_num", afd_cli_json_u64(stats->byte_num));
    afd_cli_json_set(object, "wild_num", afd_cli_json_u64(stats->wild_num));
    afd_cli_json_set(object, "join_num", afd_cli_json_u64(stats->join_num));
    afd_cli_json_set(object, "leave_num", afd_cli_json_u64(stats->leave_num));
    afd_cli_json_set(object, "drop_num", afd_cli_json_u64(stats->drop_num));
    afd_cli_json_set(object, "refuse_num", afd_cli_json_u64(stats->refuse_num));
    afd_cli_json_set(object, "late_num", afd_cli_json_u64(stats->late_num));
    afd_cli_json_set(object, "lost_round_num", afd_cli_json_u64(stats->lost_round_num));
    afd_cli_json_set(object, "stale_num", afd_cli_json_u64(stats->stale_num));
    afd_cli_json_set(object, "garbage_num", afd_cli_json_u64(stats->garbage_num));
    afd_cli_json_set(object, "credit_wait_num", afd_cli_json_u64(stats->credit_wait_num));
    if (with_rates) {
        add_worker_rates(object, before, look);
    }
    return object;
}

static void add_member_rates(json_t *object, const afd_cli_look *before, const afd_cli_look *look,
                             const afd_cli_member *member)
{
    const afd_member_stats none = { 0 };
    const afd_member_stats old = before != NULL ? afd_cli_look_member(before, member->number) : none;
    const rate_pair pairs[] = {
        { "rows_per_second", old.row_num, member->stats.row_num },
        { "bytes_per_second", old.byte_num, member->stats.byte_num },
    };
    add_rates(object, before, look, pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static json_t *member_json(const afd_cli_look *look, const afd_cli_member *member)
{
    const afd_member_stats *stats = &member->stats;
    bool has_sent = stats->micro_batch_num > 0;
    json_t *object = json_object();
    afd_cli_json_set(object, "member", json_integer(member->number));
    afd_cli_json_set(object, "state", json_string(afd_cli_member_state(stats->state)));
    afd_cli_json_set(object, "pid", identity_json(stats->pid));
    afd_cli_json_set(object, "epoch", identity_json(stats->epoch));
    afd_cli_json_set(object, "joined_age_ns", age_json(look, stats->joined_ns));
    afd_cli_json_set(object, "heard_age_ns", age_json(look, stats->heard_ns));
    afd_cli_json_set(object, "delivered_age_ns", age_json(look, stats->delivered_ns));
    afd_cli_json_set(object, "micro_batch_num", afd_cli_json_u64(stats->micro_batch_num));
    afd_cli_json_set(object, "row_num", afd_cli_json_u64(stats->row_num));
    afd_cli_json_set(object, "byte_num", afd_cli_json_u64(stats->byte_num));
    afd_cli_json_set(object, "in_flight_num", afd_cli_json_u64(stats->in_flight_num));
    afd_cli_json_set(object, "late_num", afd_cli_json_u64(stats->late_num));
    afd_cli_json_set(object, "drop_num", afd_cli_json_u64(stats->drop_num));
    afd_cli_json_set(object, "wild_num", afd_cli_json_u64(stats->wild_num));
    afd_cli_json_set(object, "join_num", afd_cli_json_u64(stats->join_num));
    afd_cli_json_set(object, "micro_batch", has_sent ? afd_cli_json_u64(stats->micro_batch) : json_null());
    afd_cli_json_set(object, "layer_id", has_sent ? json_integer((json_int_t)stats->layer_id) : json_null());
    return object;
}

json_t *afd_cli_look_members_json(const afd_cli_look *before, const afd_cli_look *look, bool with_rates)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < look->member_num; i++) {
        json_t *object = member_json(look, &look->members[i]);
        if (with_rates) {
            add_member_rates(object, before, look, &look->members[i]);
        }
        afd_cli_json_append(list, object);
    }
    return list;
}
