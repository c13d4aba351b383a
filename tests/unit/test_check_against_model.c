/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of a call against those of the plain model, on random contexts: sound ones, ones with a fault or two, and
 * valid ones that nobody has. There are two ways to the same plan (ffn/plan.c): a short one for calls that are as
 * nearly all are, and one that can explain. A call with a part runner always takes the second, so each context is asked
 * about with and without a runner, and the two plans must be one.
 *
 *     test_check_against_model [SEED]        or AFD_TEST_SEED=SEED; the seed is printed
 *
 * The buffers do not exist: a check looks into none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "afd/ffn.h"
#include "ffn/plan.h"
#include "plain_scheduler.h"
#include "random_numbers.h"

enum { CASE_NUM = 300000, FAULT_NUM = 22 };

static const uint64_t default_seed = 20261124;

static uint64_t failure_num;

/* Around powers of two, where products begin to wrap, and small. */
static uint32_t random_count(random_numbers *numbers, uint32_t bits)
{
    uint64_t most = UINT64_C(1) << random_below(numbers, bits + 1);
    uint64_t count = random_chance(numbers, 30) ? most + random_below(numbers, 3) - 1
                                                : 1 + random_u64(numbers) % most;
    return count == 0 ? 1 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
}

static uint64_t random_address(random_numbers *numbers)
{
    uint64_t address = random_u64(numbers) & ~UINT64_C(3);
    return address == 0 ? 4 : address;
}

/* bytes, or more; *bytes == 0 where the true size does not fit 64 bits. */
static uint64_t random_size(random_numbers *numbers, uint64_t bytes)
{
    uint64_t spare = UINT64_MAX - bytes;
    switch (random_below(numbers, 4)) {
    case 0:
        return bytes + (spare < 1 ? 0 : random_u64(numbers) % (spare < UINT64_MAX ? spare + 1 : spare));
    case 1:
        return UINT64_MAX;
    default:
        return bytes;
    }
}

/* The product, or all ones where it does not fit. */
static uint64_t product(uint64_t a, uint64_t b)
{
    return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static int32_t random_group(random_numbers *numbers, uint32_t session_num)
{
    uint32_t most = session_num < INT32_MAX ? session_num : INT32_MAX;
    switch (random_below(numbers, 4)) {
    case 0:
        return 1;
    case 1:
        return (int32_t)most;
    case 2:
        return (int32_t)(most % 2 == 0 ? most / 2 : most);
    default:
        for (int i = 0; i < 20; i++) {
            uint32_t group_size = 1 + random_below(numbers, most);
            if (session_num % group_size == 0) {
                return (int32_t)group_size;
            }
        }
        return 1;
    }
}

/* A context that is right if its sizes fit 64 bits at all, and the arguments for it. */
static void make_sound(random_numbers *numbers, afd_schedule_context *context, afd_ffn_schedule_args *args)
{
    static const uint32_t bits[][4] = { { 6, 3, 8, 4 }, { 32, 3, 2, 1 }, { 12, 32, 2, 1 }, { 3, 2, 32, 5 },
                                        { 2, 2, 16, 16 }, { 16, 16, 16, 16 }, { 30, 1, 30, 1 }, { 32, 32, 32, 32 } };
    const uint32_t *most = bits[random_below(numbers, 8)];
    memset(context, (int)random_below(numbers, 256), sizeof(*context));
    context->common.session_num = random_count(numbers, most[0]);
    context->common.micro_batch_num = random_count(numbers, most[1]);
    context->common.micro_batch_size = random_count(numbers, most[2]);
    context->common.selected_expert_num = random_count(numbers, most[3]);
    context->common.schedule_mode = AFD_SCHEDULE_MODE_FFN;
    uint64_t row_bytes = 4 * (uint64_t)context->common.session_num;
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    uint64_t desc_num = (uint64_t)context->common.session_num * context->common.micro_batch_num;
    uint64_t desc_bytes = product(4, id_num) > UINT64_MAX - 8 ? UINT64_MAX : 8 + 4 * id_num;
    context->ffn.window.token_info_buf = random_address(numbers);
    context->ffn.window.token_info_buf_size = random_size(numbers, product(desc_num, desc_bytes));
    context->ffn.window.token_data_buf = random_u64(numbers) | 1;
    context->ffn.polling_index = random_below(numbers, context->common.micro_batch_num);
    context->ffn.layer_ids_buf = random_address(numbers);
    context->ffn.layer_ids_buf_size = random_size(numbers, row_bytes);
    context->ffn.session_ids_buf = random_address(numbers);
    context->ffn.session_ids_buf_size = random_size(numbers, row_bytes);
    context->ffn.micro_batch_ids_buf = random_address(numbers);
    context->ffn.micro_batch_ids_buf_size = random_size(numbers, row_bytes);
    context->ffn.expert_ids_buf = random_address(numbers);
    context->ffn.expert_ids_buf_size = random_size(numbers, product(row_bytes, id_num));
    *args = (afd_ffn_schedule_args)AFD_FFN_SCHEDULE_ARGS_INIT(random_group(numbers, context->common.session_num));
}

static void make_fault(random_numbers *numbers, afd_schedule_context *context, afd_ffn_schedule_args *args)
{
    uint64_t *addresses[] = { &context->ffn.window.token_info_buf, &context->ffn.window.token_data_buf,
                              &context->ffn.layer_ids_buf, &context->ffn.session_ids_buf,
                              &context->ffn.micro_batch_ids_buf, &context->ffn.expert_ids_buf };
    uint64_t *sizes[] = { &context->ffn.window.token_info_buf_size, &context->ffn.layer_ids_buf_size,
                          &context->ffn.session_ids_buf_size, &context->ffn.micro_batch_ids_buf_size,
                          &context->ffn.expert_ids_buf_size };
    uint32_t which = random_below(numbers, FAULT_NUM);
    switch (which) {
    case 0: context->common.schedule_mode = (int32_t)random_u64(numbers); break;
    case 1: context->common.session_num = 0; break;
    case 2: context->common.micro_batch_num = 0; break;
    case 3: context->common.micro_batch_size = 0; break;
    case 4: context->common.selected_expert_num = 0; break;
    case 5: context->ffn.polling_index = context->common.micro_batch_num; break;
    case 6: context->ffn.polling_index += UINT64_C(1) << (32 + random_below(numbers, 32)); break;
    case 7: args->sync_group_size = (int32_t)random_u64(numbers); break;
    case 8: args->sync_group_size = random_chance(numbers, 50) ? 0 : -args->sync_group_size; break;
    case 9: args->execute_mode = (int32_t)random_u64(numbers); break;
    case 10: context->common.micro_batch_num = random_count(numbers, 32); break;
    default:
        if (which < 17) {
            uint64_t *address = addresses[which - 11];
            *address = random_chance(numbers, 50) ? 0 : *address + 1 + random_below(numbers, 3);
        } else {
            *sizes[which - 17] = random_chance(numbers, 50) ? *sizes[which - 17] - 1 : random_u64(numbers);
        }
    }
}

static void complain(const afd_schedule_context *context, const afd_ffn_schedule_args *args, const char *what,
                     int64_t got, int64_t expected)
{
    failure_num++;
    (void)printf("FAILED: %s: %" PRId64 ", expected %" PRId64 " (S=%" PRIu32 " M=%" PRIu32 " BS=%" PRIu32 " E=%" PRIu32
                 " G=%" PRId32 ")\n",
                 what, got, expected, context->common.session_num, context->common.micro_batch_num,
                 context->common.micro_batch_size, context->common.selected_expert_num, args->sync_group_size);
}

static void run_nothing(void *run_arg, void (*part)(void *part_arg, uint32_t index), void *part_arg, uint32_t part_num)
{
    (void)run_arg;
    (void)part;
    (void)part_arg;
    (void)part_num;
}

/* The plan of a context that is right, field by field, from the context alone. */
static bool plan_is_of(const afd__ffn_plan *plan, const afd_schedule_context *context,
                       const afd_ffn_schedule_args *args)
{
    uint64_t id_num = (uint64_t)context->common.micro_batch_size * context->common.selected_expert_num;
    return (uint64_t)(uintptr_t)plan->token_info == context->ffn.window.token_info_buf && plan->id_num == id_num &&
           plan->desc_bytes == 8 + 4 * id_num && plan->session_num == context->common.session_num &&
           plan->micro_batch_num == context->common.micro_batch_num &&
           plan->group_size == (uint32_t)args->sync_group_size && plan->polling_index == context->ffn.polling_index &&
           (uint64_t)(uintptr_t)plan->layer_ids == context->ffn.layer_ids_buf &&
           (uint64_t)(uintptr_t)plan->session_ids == context->ffn.session_ids_buf &&
           (uint64_t)(uintptr_t)plan->micro_batch_ids == context->ffn.micro_batch_ids_buf &&
           (uint64_t)(uintptr_t)plan->expert_ids == context->ffn.expert_ids_buf &&
           plan->run_flag == &context->control.run_flag && plan->scheduler == args->scheduler &&
           plan->parts == args->parts;
}

static afd_status check_case(const afd_schedule_context *context, afd_ffn_schedule_args *args)
{
    static const afd_part_runner parts = { sizeof(parts), 1, run_nothing, NULL };
    afd_error errors[2];
    afd_status expected = plain_check((const uint8_t *)context, args->sync_group_size, args->execute_mode, NULL);
    memset(errors, 0, sizeof(errors));
    for (int with_parts = 0; with_parts < 2; with_parts++) {
        afd__ffn_plan plan;
        args->parts = with_parts ? &parts : NULL;
        afd_status status = afd_ffn_schedule_check(context, args, &errors[with_parts]);
        if (status != expected) {
            complain(context, args, with_parts ? "the explaining check" : "the check", status, expected);
        }
        if (afd__ffn_plan_make(&plan, context, args, NULL) != status ||
            (status == AFD_OK && !plan_is_of(&plan, context, args))) {
            complain(context, args, "a field of the plan, with parts", with_parts, with_parts);
        }
    }
    if (expected != AFD_OK && strcmp(errors[0].message, errors[1].message) != 0) {
        (void)printf("FAILED: \"%s\" or \"%s\"\n", errors[0].message, errors[1].message);
        failure_num++;
    }
    return expected;
}

int main(int argc, char **argv)
{
    const char *given = argc > 1 ? argv[1] : getenv("AFD_TEST_SEED");
    random_numbers numbers = { given != NULL ? strtoull(given, NULL, 0) : default_seed };
    uint64_t sound_num = 0;
    uint64_t refused_num = 0;
    uint64_t overflow_num = 0;
    (void)printf("seed %" PRIu64 ", %d cases\n", numbers.state, CASE_NUM);
    for (int i = 0; i < CASE_NUM && failure_num < 10; i++) {
        afd_schedule_context context;
        afd_ffn_schedule_args args;
        make_sound(&numbers, &context, &args);
        for (uint32_t faults = random_below(&numbers, 3); faults > 0; faults--) {
            make_fault(&numbers, &context, &args);
        }
        afd_status status = check_case(&context, &args);
        sound_num += status == AFD_OK;
        refused_num += status == AFD_ERR_INVALID;
        overflow_num += status == AFD_ERR_OVERFLOW;
    }
    (void)printf("%" PRIu64 " sound, %" PRIu64 " refused, %" PRIu64 " too large: %s\n", sound_num, refused_num,
                 overflow_num, failure_num == 0 ? "all equal" : "NOT equal");
    bool all_came_up = sound_num > CASE_NUM / 10 && refused_num > CASE_NUM / 10 && overflow_num > CASE_NUM / 100;
    return failure_num == 0 && all_came_up ? 0 : 1;
}
