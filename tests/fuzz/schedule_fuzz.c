/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: one to four scheduling calls over arbitrary context fields and arbitrary window bytes. Nobody else
 * writes meanwhile, so the result of each call is known: refused exactly when the contract says so, and then nothing is
 * written; else the status, the rows taken, and every byte of context, window and outputs afterwards.
 */
#include <string.h>

#include "afd/window.h"
#include "fuzz.h"
#include "schedule_case.h"

/* The counts of an accepted context: small, because its buffers are. */
typedef struct call_shape {
    uint32_t session_num;
    uint32_t micro_batch_num;
    uint32_t group_size;
    uint64_t id_num;
    uint64_t desc_bytes;
    bool all_sync;
} call_shape;

/* ---- which calls have to be refused ---- */

static bool sizes_suffice(const schedule_case *fuzzed)
{
    const afd_schedule_context *context = fuzzed->context;
    uint64_t session_num = context->common.session_num;
    uint64_t desc_num = session_num * context->common.micro_batch_num;
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    /* More than this is needed than any buffer has; below, no product overflows. */
    if (desc_num > CASE_BUFFER_BYTES_MAX || id_num > CASE_BUFFER_BYTES_MAX) {
        return false;
    }
    return context->ffn.window.token_info_buf_size >= desc_num * (8 + 4 * id_num) &&
           context->ffn.layer_ids_buf_size >= 4 * session_num &&
           context->ffn.session_ids_buf_size >= 4 * session_num &&
           context->ffn.micro_batch_ids_buf_size >= 4 * session_num &&
           context->ffn.expert_ids_buf_size >= 4 * session_num * id_num;
}

static bool buffers_are_good(const schedule_case *fuzzed)
{
    for (int i = 0; i < CASE_BUFFER_NUM; i++) {
        const uint8_t *start = fuzzed->buffers[i].start;
        if (start == NULL || (i != TOKEN_DATA && (uintptr_t)start % 4 != 0)) {
            return false;
        }
    }
    return true;
}

static bool must_be_accepted(const schedule_case *fuzzed)
{
    const afd_schedule_context *context = fuzzed->context;
    int32_t group_size = fuzzed->args.sync_group_size;
    bool counts_are_good = context->common.session_num > 0 && context->common.micro_batch_num > 0 &&
                           context->common.micro_batch_size > 0 && context->common.selected_expert_num > 0;
    return counts_are_good && context->common.schedule_mode == AFD_SCHEDULE_MODE_FFN && buffers_are_good(fuzzed) &&
           sizes_suffice(fuzzed) && context->ffn.polling_index < context->common.micro_batch_num && group_size > 0 &&
           (uint32_t)group_size <= context->common.session_num &&
           context->common.session_num % (uint32_t)group_size == 0 && fuzzed->args.execute_mode == 0;
}

/* An object is made for at most 64 sessions and micro-batches; a context with more is not what it was made for. */
static bool object_fits(const schedule_case *fuzzed)
{
    return fuzzed->scheduler == NULL ||
           ((fuzzed->input.options & INPUT_OTHER_OBJECT) == 0 && fuzzed->context->common.session_num <= 64 &&
            fuzzed->context->common.micro_batch_num <= 64);
}

/* ---- what an accepted call does, from the copy of before ---- */

static uint8_t *desc_before(const schedule_case *fuzzed, const call_shape *shape, uint32_t session,
                            uint32_t micro_batch)
{
    uint64_t number = (uint64_t)session * shape->micro_batch_num + micro_batch;
    return fuzzed->buffers[TOKEN_INFO].before + number * shape->desc_bytes;
}

static int32_t word_at(const uint8_t *bytes)
{
    int32_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static bool is_ready(const schedule_case *fuzzed, const call_shape *shape, uint32_t session, uint32_t micro_batch)
{
    return word_at(desc_before(fuzzed, shape, session, micro_batch)) == AFD_FLAG_READY;
}

typedef struct membership {
    afd_session_state states[CASE_BUFFER_BYTES_MAX / 4]; /* [S]; a larger S does not fit the buffers */
    uint32_t present_num;                                /* live or joining */
} membership;

static membership members; /* too large for the stack */

static void note_members(const schedule_case *fuzzed, const call_shape *shape)
{
    members.present_num = 0;
    for (uint32_t s = 0; s < shape->session_num; s++) {
        members.states[s] = fuzzed->scheduler == NULL ? AFD_SESSION_LIVE
                                                       : afd_ffn_scheduler_state(fuzzed->scheduler, s);
        members.present_num += members.states[s] != AFD_SESSION_AWAY;
    }
}

/* All live members have it ready, and somebody does. */
static bool may_take(const schedule_case *fuzzed, const call_shape *shape, uint32_t first, uint32_t micro_batch)
{
    bool anybody = false;
    for (uint32_t s = first; s < first + shape->group_size; s++) {
        bool ready = members.states[s] != AFD_SESSION_AWAY && is_ready(fuzzed, shape, s, micro_batch);
        if (members.states[s] == AFD_SESSION_LIVE && !ready) {
            return false;
        }
        anybody = anybody || ready;
    }
    return anybody;
}

/* The lowest micro-batch that the group may take, or micro_batch_num. */
static uint32_t lowest_to_take(const schedule_case *fuzzed, const call_shape *shape, uint32_t first)
{
    uint32_t from = shape->all_sync ? (uint32_t)fuzzed->context_before.ffn.polling_index : 0;
    uint32_t end = shape->all_sync ? from + 1 : shape->micro_batch_num;
    for (uint32_t m = from; m < end; m++) {
        if (may_take(fuzzed, shape, first, m)) {
            return m;
        }
    }
    return shape->micro_batch_num;
}

static bool something_to_take(const schedule_case *fuzzed, const call_shape *shape)
{
    for (uint32_t first = 0; first < shape->session_num; first += shape->group_size) {
        if (lowest_to_take(fuzzed, shape, first) < shape->micro_batch_num) {
            return true;
        }
    }
    return false;
}

static afd_status expected_status(const schedule_case *fuzzed, const call_shape *shape)
{
    bool waits = (fuzzed->input.options & INPUT_WAIT) != 0;
    bool stop_raised = waits && (fuzzed->input.options & INPUT_STOP_WORD) != 0;
    if (fuzzed->context_before.control.run_flag == 0 || stop_raised) {
        return AFD_STOPPED;
    }
    if (something_to_take(fuzzed, shape)) {
        return AFD_OK;
    }
    if (members.present_num == 0) {
        return AFD_NOBODY_LIVE;
    }
    return waits ? AFD_DEADLINE : AFD_NOT_YET;
}

/* Does to the copy what taking does to the memory: a row of outputs, and the desc refilled and given back. */
static void take_in_copy(schedule_case *fuzzed, const call_shape *shape, uint32_t row, uint32_t session,
                         uint32_t micro_batch)
{
    static const int32_t free_flag = AFD_FLAG_FREE;
    uint8_t *desc = desc_before(fuzzed, shape, session, micro_batch);
    memcpy(fuzzed->buffers[LAYER_IDS].before + 4 * row, desc + 4, 4);
    memcpy(fuzzed->buffers[SESSION_IDS].before + 4 * row, &session, 4);
    memcpy(fuzzed->buffers[MICRO_BATCH_IDS].before + 4 * row, &micro_batch, 4);
    memcpy(fuzzed->buffers[EXPERT_IDS].before + 4 * shape->id_num * row, desc + 8, 4 * shape->id_num);
    memset(desc + 8, 0x7F, 4 * shape->id_num);
    memcpy(desc, &free_flag, sizeof(free_flag));
}

/* Which of its micro-batches a group took: the lowest, but a fair choice may be another that it may take. */
static uint32_t taken_micro_batch(const schedule_case *fuzzed, const call_shape *shape, uint32_t first, uint32_t row)
{
    uint32_t lowest = lowest_to_take(fuzzed, shape, first);
    bool fair = fuzzed->scheduler != NULL && (fuzzed->input.options & INPUT_FAIR) != 0;
    if (!fair || lowest == shape->micro_batch_num || shape->all_sync) {
        return lowest;
    }
    uint32_t taken = (uint32_t)word_at(fuzzed->buffers[MICRO_BATCH_IDS].start + 4 * row);
    fuzz_expect(taken < shape->micro_batch_num && may_take(fuzzed, shape, first, taken),
                "a fair choice is a micro-batch that the group may take");
    return taken;
}

static void take_all_in_copy(schedule_case *fuzzed, const call_shape *shape, uint32_t taken_num)
{
    uint32_t row = 0;
    for (uint32_t first = 0; first < shape->session_num; first += shape->group_size) {
        uint32_t m = row < taken_num ? taken_micro_batch(fuzzed, shape, first, row)
                                     : lowest_to_take(fuzzed, shape, first);
        for (uint32_t s = first; m < shape->micro_batch_num && s < first + shape->group_size; s++) {
            if (members.states[s] != AFD_SESSION_AWAY && is_ready(fuzzed, shape, s, m)) {
                fuzz_expect(row < taken_num, "everybody who was to be taken was taken");
                take_in_copy(fuzzed, shape, row++, s, m);
            }
        }
    }
    fuzz_expect(row == taken_num, "nobody else was taken");
    if (shape->all_sync) {
        uint64_t *polling_index = &fuzzed->context_before.ffn.polling_index;
        *polling_index = (*polling_index + 1) % shape->micro_batch_num;
    }
}

/* All-sync with an object may leave early copies in the outputs of a call that took nothing: of who is ready, each in
 * the row that it would have, whole. What is there is entered into the copy; anything else shows as a difference. */
static void allow_early_copies(schedule_case *fuzzed, const call_shape *shape)
{
    uint32_t micro_batch = (uint32_t)fuzzed->context_before.ffn.polling_index;
    uint64_t ids_bytes = 4 * shape->id_num;
    uint32_t row = 0;
    for (uint32_t s = 0; s < shape->session_num; s++) {
        const uint8_t *desc = desc_before(fuzzed, shape, s, micro_batch);
        if (members.states[s] != AFD_SESSION_LIVE) {
            continue;
        }
        if (is_ready(fuzzed, shape, s, micro_batch) &&
            memcmp(fuzzed->buffers[LAYER_IDS].start + 4 * row, desc + 4, 4) == 0 &&
            memcmp(fuzzed->buffers[EXPERT_IDS].start + ids_bytes * row, desc + 8, ids_bytes) == 0) {
            memcpy(fuzzed->buffers[LAYER_IDS].before + 4 * row, desc + 4, 4);
            memcpy(fuzzed->buffers[EXPERT_IDS].before + ids_bytes * row, desc + 8, ids_bytes);
        }
        row++;
    }
}

/* ---- the calls ---- */

static void check_late(const call_shape *shape, const afd_wait *wait)
{
    fuzz_expect(wait->late_num <= shape->session_num, "a session is late once");
    for (uint32_t i = 0; i < wait->late_num && i < wait->late_capacity; i++) {
        const afd_late *late = &wait->late[i];
        fuzz_expect(late->session < shape->session_num && members.states[late->session] == AFD_SESSION_LIVE,
                    "a session that is late is awaited");
        fuzz_expect(late->micro_batch < shape->micro_batch_num || late->micro_batch == AFD_MICRO_BATCH_ANY,
                    "a micro-batch that is late exists");
        fuzz_expect(late->flag != AFD_FLAG_READY, "what is late is not ready");
    }
}

static afd_status call_once(schedule_case *fuzzed, afd_wait *wait, uint32_t *taken_num, afd_error *error)
{
    if ((fuzzed->input.options & INPUT_WAIT) != 0) {
        return afd_ffn_schedule(fuzzed->context, &fuzzed->args, wait, taken_num, error);
    }
    return afd_ffn_schedule_poll(fuzzed->context, &fuzzed->args, taken_num, error);
}

static void check_refused(const schedule_case *fuzzed, afd_status status, uint32_t taken_num)
{
    fuzz_expect(status == AFD_ERR_INVALID || status == AFD_ERR_OVERFLOW, "a refused call says why");
    fuzz_expect(taken_num == 0, "a refused call takes nothing");
    fuzz_expect(case_equals_copy(fuzzed), "a refused call writes nothing");
}

static void check_accepted(schedule_case *fuzzed, afd_status status, uint32_t taken_num, const afd_wait *wait)
{
    const afd_schedule_context *context = &fuzzed->context_before;
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    call_shape shape = {
        .session_num = context->common.session_num,
        .micro_batch_num = context->common.micro_batch_num,
        .group_size = (uint32_t)fuzzed->args.sync_group_size,
        .id_num = id_num,
        .desc_bytes = 8 + 4 * id_num,
        .all_sync = (uint32_t)fuzzed->args.sync_group_size == context->common.session_num,
    };
    fuzz_expect(status == expected_status(fuzzed, &shape), "the status is the one that the window asks for");
    fuzz_expect((status == AFD_OK) == (taken_num > 0) && taken_num <= shape.session_num, "rows go with AFD_OK");
    if (status == AFD_OK) {
        take_all_in_copy(fuzzed, &shape, taken_num);
    } else if (status == AFD_DEADLINE) {
        check_late(&shape, wait);
    }
    if (status != AFD_OK && shape.all_sync && fuzzed->scheduler != NULL) {
        allow_early_copies(fuzzed, &shape);
    }
    fuzzed->context_before.ffn.out_num = taken_num;
    fuzz_expect(case_equals_copy(fuzzed), "every byte is what it should be");
}

static void run_call(schedule_case *fuzzed, afd_wait *wait)
{
    const afd_schedule_context *context = fuzzed->context;
    uint32_t taken_num = 1;
    afd_error error;
    bool waits = (fuzzed->input.options & INPUT_WAIT) != 0;
    bool good_wait = !waits || (unsigned int)wait->strategy <= (unsigned int)AFD_WAIT_BACKOFF;
    bool good_call = must_be_accepted(fuzzed) && object_fits(fuzzed);
    afd_status checked = afd_ffn_schedule_check(context, &fuzzed->args, &error);
    fuzz_expect((checked == AFD_OK) == good_call, "the check alone accepts what is good, and only that");
    case_copy(fuzzed);
    if (good_call) {
        note_members(fuzzed, &(call_shape){ .session_num = context->common.session_num });
    }
    afd_status status = call_once(fuzzed, wait, &taken_num, &error);
    fuzz_expect((status >= 0) == (good_call && good_wait), "a call accepts what is good, and only that");
    if (status < 0) {
        fuzz_expect(error.status == status && error.field != NULL, "an error names a field");
        check_refused(fuzzed, status, taken_num);
    } else {
        check_accepted(fuzzed, status, taken_num, wait);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t raised = 1;
    schedule_case fuzzed;
    case_make(&fuzzed, data, size);
    afd_wait wait = AFD_WAIT_INIT((afd_wait_strategy)(fuzzed.input.strategy % 4)); /* one of the four does not exist */
    wait.deadline_ns = 1;
    wait.stop = (fuzzed.input.options & INPUT_STOP_WORD) != 0 ? &raised : NULL;
    wait.late_capacity = fuzzed.input.late_capacity % 9;
    wait.late = malloc(wait.late_capacity * sizeof(*wait.late) + 1);
    fuzz_expect(wait.late != NULL, "no memory for the late");
    for (int call = 0; call <= fuzzed.input.call_num % 4; call++) {
        run_call(&fuzzed, &wait);
    }
    free(wait.late);
    case_free(&fuzzed);
    return 0;
}
