/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attention worker sends, collects and sends again, against FFN workers that are played here: they insist on
 * the order of micro-batches, give right results, and die, come back and are late as a seed has it. The library's
 * functions are this file's.
 */
#include "cmocka_headers.h"
#include "run/hidden/hidden.h"
#include "serve/attention.h"
#include "small_model.h"

enum { MICRO_BATCHES = 3, STEPS = 4, LAYERS = 3, ROUNDS = STEPS * LAYERS, CASES = 100 };

typedef struct fake {
    random_numbers numbers;
    uint32_t trouble;            /* one call in so many goes wrong; 0: none */
    bool is_lost;                /* an FFN worker */
    bool wants_rejoin;
    bool is_joined;
    bool is_late;                /* always, with results */
    uint32_t turn;               /* of the next dispatch */
    bool is_open[MICRO_BATCHES];
    bool is_filler[MICRO_BATCHES];
    bool can_end[MICRO_BATCHES]; /* its results are all here */
    uint64_t collected[MICRO_BATCHES]; /* rounds, of those that are none of an empty filler */
    uint64_t given_up;           /* rounds that were open when somebody was lost, and had not all results */
    uint64_t stop_at;            /* dispatches until the person asks for the end; 0: never */
    uint64_t dispatch_num;
    uint64_t rejoin_num;
} fake;

static fake the_fake;
static serve_attention *the_worker;
static serve_checker prophet; /* knows what a right result is */
static run_findings ignored;

static bool happens(void)
{
    return the_fake.trouble != 0 && random_below(&the_fake.numbers, the_fake.trouble) == 0;
}

static void strike(void)
{
    the_fake.is_lost = true;
    for (uint32_t m = 0; m < MICRO_BATCHES; m++) {
        the_fake.can_end[m] = the_fake.is_open[m] && random_below(&the_fake.numbers, 3) == 0;
    }
}

static afd_status peer_error(afd_error *error)
{
    *error = (afd_error){ .status = AFD_ERR_PEER, .message = "somebody was lost" };
    return AFD_ERR_PEER;
}

static void give_up(uint32_t micro_batch)
{
    the_fake.is_open[micro_batch] = false;
    the_fake.given_up += the_fake.is_filler[micro_batch] ? 0 : 1;
}

static afd_status enter(afd_wait *wait, afd_error *error)
{
    for (uint32_t m = 0; m < MICRO_BATCHES; m++) {
        if (the_fake.is_open[m]) { /* else whatever could still be collected was */
            assert_int_equal(the_worker->plan.options.on_deadline, SERVE_ON_DEADLINE_REJOIN);
            give_up(m);
        }
    }
    if (happens()) {
        wait->late_num = 0;
        return AFD_DEADLINE;
    }
    if (happens()) {
        return peer_error(error);
    }
    the_fake.is_lost = false;
    the_fake.wants_rejoin = false;
    the_fake.is_joined = true;
    the_fake.turn = 0;
    return AFD_OK;
}

afd_status afd_attention_worker_join(afd_attention_worker *worker, const char *const *names,
                                     const afd_member_options *options, afd_wait *wait, afd_error *error)
{
    (void)worker;
    (void)names;
    (void)options;
    return enter(wait, error);
}

afd_status afd_attention_worker_rejoin(afd_attention_worker *worker, afd_wait *wait, afd_error *error)
{
    (void)worker;
    afd_status status = enter(wait, error);
    the_fake.rejoin_num += status == AFD_OK ? 1 : 0;
    return status;
}

bool afd_attention_worker_wants_rejoin(const afd_attention_worker *worker)
{
    (void)worker;
    the_fake.wants_rejoin = the_fake.wants_rejoin || happens();
    return the_fake.wants_rejoin;
}

uint32_t afd_attention_worker_session(const afd_attention_worker *worker)
{
    (void)worker;
    return 0;
}

int32_t afd_attention_worker_late_rank(const afd_attention_worker *worker, uint32_t micro_batch, uint32_t token,
                                       uint32_t slot)
{
    (void)worker;
    (void)micro_batch;
    (void)token;
    (void)slot;
    return -1;
}

const char *afd_drop_reason_text(afd_drop_reason reason)
{
    (void)reason;
    return "";
}

afd_status afd_attention_worker_dispatch(afd_attention_worker *worker, uint32_t micro_batch, int32_t layer_id,
                                         const void *tokens, uint32_t token_num, const int32_t *expert_ids,
                                         afd_wait *wait, afd_error *error)
{
    const serve_flight *flight = &the_worker->flights[micro_batch];
    (void)worker;
    (void)expert_ids;
    assert_true(the_fake.is_joined);
    assert_false(the_fake.is_open[micro_batch]);
    assert_int_equal(micro_batch, the_fake.turn);
    assert_ptr_equal(tokens, flight->course.states);
    assert_int_equal(token_num, flight->is_filler ? 0 : flight->course.token_num);
    assert_int_equal(layer_id, (flight->course.round - 1) % LAYERS);
    if (the_fake.stop_at != 0 && the_fake.dispatch_num == the_fake.stop_at) {
        assert_non_null(wait->stop);
        return AFD_STOPPED;
    }
    if (happens()) {
        wait->late_num = 0;
        return AFD_DEADLINE;
    }
    if (happens()) {
        strike();
    }
    if (the_fake.is_lost) {
        return peer_error(error);
    }
    the_fake.dispatch_num++;
    the_fake.turn = (the_fake.turn + 1) % MICRO_BATCHES;
    the_fake.is_open[micro_batch] = true;
    the_fake.is_filler[micro_batch] = flight->is_filler;
    return AFD_OK;
}

/* The combined rows that the experts make, as the checker itself computes them; test_check holds it against others. */
static void foretell(const run_flight *course, void *output)
{
    for (uint32_t token = 0; token < course->token_num; token++) {
        run_flight one = *course;
        size_t at = (size_t)token * small_model.hidden;
        one.states = &course->states[at];
        one.experts = &course->experts[(size_t)token * small_model.top_k];
        one.weights = &course->weights[(size_t)token * small_model.top_k];
        one.token_num = 1;
        serve_checker_look(&prophet, &one);
        memcpy((uint16_t *)output + at, prophet.expected, small_model.hidden * sizeof(uint16_t));
    }
}

afd_status afd_attention_worker_collect(afd_attention_worker *worker, uint32_t micro_batch, const float *expert_scales,
                                        void *output, afd_wait *wait, afd_error *error)
{
    const serve_flight *flight = &the_worker->flights[micro_batch];
    (void)worker;
    (void)expert_scales;
    assert_true(the_fake.is_open[micro_batch]);
    assert_null(wait->stop);
    if (the_fake.is_late || (!the_fake.is_lost && happens())) {
        wait->late_num = 0;
        return AFD_DEADLINE;
    }
    if (!the_fake.is_lost && happens()) {
        strike();
    }
    if (the_fake.is_lost && !the_fake.can_end[micro_batch]) {
        give_up(micro_batch);
        return peer_error(error);
    }
    the_fake.is_open[micro_batch] = false;
    if (!flight->is_filler) {
        the_fake.collected[micro_batch]++;
        assert_int_equal(flight->course.round, the_fake.collected[micro_batch]);
        foretell(&flight->course, output);
    }
    return AFD_OK;
}

/* ---- */

static void begin(serve_attention *self, uint64_t seed, uint32_t trouble)
{
    the_fake = (fake){ .numbers = { seed }, .trouble = trouble };
    the_worker = self;
    *self = (serve_attention){ .worker = NULL };
    self->plan.options = (serve_options){
        .side = SERVE_ATTENTION,
        .model = &small_model,
        .layer_num = LAYERS,
        .session_num = 1,
        .micro_batch_num = MICRO_BATCHES,
        .batch_size = 4,
        .sync_group_size = 1,
        .ffn_num = 1,
        .copy_num = 1,
        .checks_experts = true,
        .seed = seed,
        .step_num = STEPS,
        .deadline_ns = UINT64_C(1000000000),
    };
    assert_true(serve_plan_create(&self->plan));
    self->wait = (afd_wait)AFD_WAIT_INIT(AFD_WAIT_YIELD);
    self->join_wait = self->wait;
    serve_checker_create(&self->checker, &self->findings, small_model.hidden);
    serve_checker_create(&prophet, &ignored, small_model.hidden);
    self->flights = test_calloc(MICRO_BATCHES, sizeof(serve_flight));
    for (uint32_t m = 0; m < MICRO_BATCHES; m++) {
        run_flight_create(&self->flights[m].course, &self->plan.traffic, 0, m);
        run_flight_next(&self->flights[m].course);
    }
}

static void end(serve_attention *self)
{
    for (uint32_t m = 0; m < MICRO_BATCHES; m++) {
        run_flight_destroy(&self->flights[m].course);
    }
    test_free(self->flights);
    serve_checker_destroy(&prophet);
    serve_checker_destroy(&self->checker);
    serve_plan_destroy(&self->plan);
}

/* Until it has joined, and flies until it lands. */
static afd_status travel(serve_attention *self, afd_error *error)
{
    while (serve_attention_join(self, error) == AFD_ERR_PEER) {
    }
    return serve_attention_fly(self, error);
}

static void check_all_is_here(const serve_attention *self)
{
    for (uint32_t m = 0; m < MICRO_BATCHES; m++) {
        assert_int_equal(the_fake.collected[m], ROUNDS);
        assert_int_equal(self->flights[m].state, SERVE_FLIGHT_DONE);
        assert_false(the_fake.is_open[m]);
    }
    assert_int_equal(self->round_num, ROUNDS * MICRO_BATCHES);
    assert_int_equal(self->findings.wrong_num, 0);
    assert_int_equal(self->lost_num, the_fake.given_up);
    assert_int_equal(self->resent_num, the_fake.given_up);
    assert_int_equal(self->rejoin_num, the_fake.rejoin_num);
}

static void without_trouble_every_round_is_sent_once(void **state)
{
    static serve_attention self;
    afd_error error;
    (void)state;
    begin(&self, 1, 0);
    assert_int_equal(travel(&self, &error), AFD_OK);
    check_all_is_here(&self);
    assert_int_equal(the_fake.dispatch_num, ROUNDS * MICRO_BATCHES);
    assert_int_equal(self.rejoin_num, 0);
    end(&self);
}

static void whatever_is_lost_is_sent_again(void **state)
{
    random_numbers numbers = random_case();
    uint64_t lost_num = 0;
    (void)state;
    for (uint32_t i = 0; i < CASES; i++) {
        static serve_attention self;
        afd_error error;
        begin(&self, random_u64(&numbers), 4 + random_below(&numbers, 40));
        assert_int_equal(travel(&self, &error), AFD_OK);
        check_all_is_here(&self);
        lost_num += self.lost_num;
        end(&self);
    }
    assert_true(lost_num > CASES);
}

static void a_deadline_can_mean_that_it_joins_anew(void **state)
{
    random_numbers numbers = random_case();
    (void)state;
    for (uint32_t i = 0; i < CASES; i++) {
        static serve_attention self;
        afd_error error;
        begin(&self, random_u64(&numbers), 4 + random_below(&numbers, 40));
        self.plan.options.on_deadline = SERVE_ON_DEADLINE_REJOIN;
        assert_int_equal(travel(&self, &error), AFD_OK);
        check_all_is_here(&self);
        end(&self);
    }
}

static void who_is_asked_to_end_collects_what_is_open(void **state)
{
    (void)state;
    for (uint32_t stop_at = 1; stop_at < ROUNDS * MICRO_BATCHES; stop_at++) {
        static serve_attention self;
        afd_error error;
        begin(&self, stop_at, 0);
        the_fake.stop_at = stop_at;
        assert_int_equal(travel(&self, &error), AFD_OK);
        assert_true(self.is_over);
        assert_int_equal(self.round_num, stop_at);
        assert_int_equal(the_fake.collected[0] + the_fake.collected[1] + the_fake.collected[2], stop_at);
        end(&self);
    }
}

static void a_deadline_can_mean_the_end(void **state)
{
    static serve_attention self;
    afd_error error;
    (void)state;
    begin(&self, 3, 0);
    self.plan.options.on_deadline = SERVE_ON_DEADLINE_STOP;
    assert_int_equal(serve_attention_join(&self, &error), AFD_OK);
    the_fake.is_late = true;
    assert_int_equal(serve_attention_fly(&self, &error), AFD_DEADLINE);
    assert_int_equal(self.deadline_num, 1);
    end(&self);
}

/* The first round comes back with a number that no expert made. */
static void the_first_wrong_row_is_the_last_that_is_sent(void **state)
{
    static serve_attention self;
    afd_error error;
    (void)state;
    begin(&self, 4, 0);
    assert_int_equal(serve_attention_join(&self, &error), AFD_OK);
    self.findings.wrong_num = 1;
    assert_int_equal(serve_attention_fly(&self, &error), AFD_OK);
    assert_int_equal(the_fake.dispatch_num, 0);
    end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_trouble_every_round_is_sent_once),
        cmocka_unit_test(whatever_is_lost_is_sent_again),
        cmocka_unit_test(a_deadline_can_mean_that_it_joins_anew),
        cmocka_unit_test(who_is_asked_to_end_collects_what_is_open),
        cmocka_unit_test(a_deadline_can_mean_the_end),
        cmocka_unit_test(the_first_wrong_row_is_the_last_that_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
