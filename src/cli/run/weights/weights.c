/* SPDX-License-Identifier: Apache-2.0 */
#include "run/weights/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "out.h"
#include "run/random.h"

/* Sign and mantissa of four bf16 values in one word, and a one in each place of an exponent's lowest bit. */
#define SIGNS_AND_MANTISSAS UINT64_C(0x807F807F807F807F)
#define EXPONENT_ONES UINT64_C(0x0080008000800080)
enum { VALUES_PER_WORD = 4, BF16_BIAS = 127 };

static uint64_t element_num(const run_model *model)
{
    return (uint64_t)3 * model->hidden * model->expert_width;
}

/*
 * Values of random sign and mantissa and of one exponent e, which are +-[1, 2) * 2^e: a few instructions for four of
 * them. Their mean square is 7/3 * 4^e. Of the powers of four the largest is taken that keeps it at or below 1/inputs,
 * so that sums of products with inputs of order 1 stay of order 1.
 */
static uint64_t exponents_for(uint32_t input_num)
{
    uint64_t exponent = BF16_BIAS;
    for (uint64_t scaled = 3; scaled < (uint64_t)7 * input_num; scaled *= 4) {
        exponent--;
    }
    return exponent * EXPONENT_ONES;
}

static void fill(uint16_t *values, uint64_t value_num, uint64_t exponents, run_random random)
{
    for (uint64_t i = 0; i < value_num; i += VALUES_PER_WORD) {
        uint64_t word = (run_random_next(&random) & SIGNS_AND_MANTISSAS) | exponents;
        memcpy(&values[i], &word, sizeof(word));
    }
}

static void fill_pool(const run_weights *weights, uint16_t *pool)
{
    const run_model *model = weights->model;
    uint64_t down_num = (uint64_t)model->hidden * model->expert_width;
    for (uint64_t i = 0; i < weights->distinct_num; i++) {
        uint16_t *up = pool + i * element_num(model);
        fill(up, 2 * down_num, exponents_for(model->hidden), run_random_of(weights->seed, 'w', i, 0));
        fill(up + 2 * down_num, down_num, exponents_for(model->expert_width),
             run_random_of(weights->seed, 'w', i, 1));
    }
}

/* Whether both are multiples of a panel, and there is something in them. */
static bool has_panels(const run_model *model)
{
    return model->hidden > 0 && model->hidden % RUN_PANEL_OUTPUTS == 0 && model->expert_width > 0 &&
           model->expert_width % RUN_PANEL_OUTPUTS == 0;
}

static bool check_model(const run_model *model, uint32_t layer_num, run_failure *failure)
{
    if (layer_num == 0 || layer_num > model->moe_layers) {
        return run_fail(failure, "layers are %" PRIu32 ", must be in [1, %" PRIu32 "] for %s", layer_num,
                        model->moe_layers, model->name);
    }
    if (!has_panels(model)) {
        (void)run_fail(failure, "hidden is %" PRIu32 " and the expert width %" PRIu32
                       ", both must be positive multiples of %d", model->hidden, model->expert_width,
                       RUN_PANEL_OUTPUTS);
        return false;
    }
    return true;
}

static bool check_memory(uint64_t needed, uint64_t available, run_failure *failure)
{
    char needed_text[AFD_CLI_BYTES_TEXT];
    char available_text[AFD_CLI_BYTES_TEXT];
    if (needed <= available) {
        return true;
    }
    afd_cli_human_bytes(needed, needed_text, sizeof(needed_text));
    afd_cli_human_bytes(available, available_text, sizeof(available_text));
    return run_fail(failure, "the weights need %s of memory and %s are available; --weights asks for less", needed_text,
                    available_text);
}

bool run_weights_create(run_weights *weights, const run_model *model, uint32_t layer_num, uint64_t seed,
                        uint64_t byte_max, uint64_t available_bytes, run_failure *failure)
{
    if (!check_model(model, layer_num, failure)) {
        return false;
    }
    uint64_t expert_num = (uint64_t)layer_num * run_model_expert_num(model);
    uint64_t expert_bytes = element_num(model) * sizeof(uint16_t);
    uint64_t fitting_num = byte_max / expert_bytes;
    uint64_t distinct_num = fitting_num < expert_num ? fitting_num : expert_num;
    distinct_num = distinct_num > 0 ? distinct_num : 1;
    uint64_t pool_bytes = distinct_num * expert_bytes; /* the table of models bounds it: below 4 TiB */
    if (!check_memory(pool_bytes, available_bytes, failure)) {
        return false;
    }
    uint16_t *pool = mmap(NULL, pool_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pool == MAP_FAILED) {
        return run_fail(failure, "cannot map %" PRIu64 " bytes for the weights: %s", pool_bytes, strerror(errno));
    }
    (void)madvise(pool, pool_bytes, MADV_HUGEPAGE); /* where the kernel offers them; small pages do as well */
    *weights = (run_weights){
        .model = model,
        .layer_num = layer_num,
        .seed = seed,
        .expert_num = expert_num,
        .distinct_num = distinct_num,
        .expert_bytes = expert_bytes,
        .pool = pool,
    };
    fill_pool(weights, pool);
    if (mprotect(pool, pool_bytes, PROT_READ) != 0) {
        int cause = errno;
        run_weights_destroy(weights);
        return run_fail(failure, "cannot make the weights read-only: %s", strerror(cause));
    }
    return true;
}

void run_weights_destroy(run_weights *weights)
{
    if (weights->pool != NULL) {
        (void)munmap((void *)(uintptr_t)weights->pool, weights->distinct_num * weights->expert_bytes);
        weights->pool = NULL;
    }
}

run_expert run_weights_expert(const run_weights *weights, uint32_t layer, uint32_t expert)
{
    const run_model *model = weights->model;
    run_random random = run_random_of(weights->seed, 'e', layer, expert);
    float up_scale = 1.0F + 0.5F * run_random_unit(&random);
    float output_scale = 1.0F + 0.5F * run_random_unit(&random);
    /* With a matrix for everybody everybody has his own; with fewer, chance spreads them over layers and experts. */
    uint64_t number = weights->distinct_num == weights->expert_num
                          ? (uint64_t)layer * run_model_expert_num(model) + expert
                          : run_random_next(&random) % weights->distinct_num;
    const uint16_t *up = weights->pool + number * element_num(model);
    return (run_expert){
        .up = up,
        .down = up + (uint64_t)2 * model->hidden * model->expert_width,
        .up_scale = up_scale,
        .output_scale = output_scale,
    };
}
