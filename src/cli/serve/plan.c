/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/plan.h"

#include <inttypes.h>
#include <stdio.h>

#include "afd/window.h"
#include "out.h"
#include "run/weights/memory.h"

static bool create_weights(serve_plan *plan, run_failure *failure)
{
    const serve_options *options = &plan->options;
    if (options->checks_experts) {
        return true;
    }
    return run_weights_create(&plan->weights, options->model, options->layer_num, options->seed,
                              options->weights_bytes, run_memory_available(""), failure);
}

static bool read_token(serve_plan *plan)
{
    const serve_options *options = &plan->options;
    return options->token_file == NULL ||
           afd_cli_secret_read(serve_verb(options->side), options->token_file, &plan->secret);
}

bool serve_plan_create(serve_plan *plan)
{
    const serve_options *options = &plan->options;
    run_failure failure = { "" };
    if (!read_token(plan)) {
        return false;
    }
    run_router_create(&plan->router, options->model, options->layer_num, options->seed);
    run_placement_create(&plan->placement, options->model, options->layer_num, options->ffn_num, options->copy_num);
    plan->traffic = (run_traffic){
        .model = options->model,
        .layer_num = options->layer_num,
        .micro_batch_num = options->micro_batch_num,
        .batch_size = options->batch_size,
        .quantize = options->quantize,
        .seed = options->seed,
        .router = &plan->router,
    };
    plan->shape = run_traffic_shape(&plan->traffic, options->session_num);
    if (!run_stages_create(&plan->stages, 1, &failure) || !create_weights(plan, &failure)) {
        afd_cli_note(serve_verb(options->side), "%s", failure.text);
        return false;
    }
    plan->watch = (run_stage_watch){ .table = plan->stages };
    return true;
}

void serve_plan_destroy(serve_plan *plan)
{
    if (plan->weights.pool != NULL) {
        run_weights_destroy(&plan->weights);
    }
    run_stages_destroy(plan->stages, 1);
    run_placement_destroy(&plan->placement);
    run_router_destroy(&plan->router);
    afd_cli_secret_forget(&plan->secret);
}

afd_member_options serve_plan_member_options(const serve_plan *plan)
{
    /* However long somebody may be silent here, the other side may have been told to be less patient. */
    static const uint64_t heartbeat_max_ns = UINT64_C(250000000);
    uint64_t dead_ns = plan->options.dead_ns;
    afd_member_options options = AFD_MEMBER_OPTIONS_INIT;
    options.dead_ns = dead_ns;
    options.heartbeat_ns = dead_ns / 8 < heartbeat_max_ns ? dead_ns / 8 : heartbeat_max_ns;
    options.secret = plan->secret.num > 0 ? plan->secret.bytes : NULL;
    options.secret_bytes = plan->secret.num;
    return options;
}

static void print_experts(const serve_plan *plan)
{
    char pool[AFD_CLI_BYTES_TEXT];
    if (plan->options.checks_experts) {
        (void)printf("experts          cheap ones, whose every result is known\n");
        return;
    }
    afd_cli_human_bytes(plan->weights.distinct_num * plan->weights.expert_bytes, pool, sizeof(pool));
    (void)printf("weights          %s, %" PRIu64 " distinct of %" PRIu64 " experts\n", pool, plan->weights.distinct_num,
                 plan->weights.expert_num);
}

void serve_plan_print(const serve_plan *plan)
{
    const serve_options *options = &plan->options;
    const run_model *model = options->model;
    (void)printf("model            %s: %" PRIu32 " layers, hidden %" PRIu32 ", %" PRIu32 " experts of width %" PRIu32
                 ", top-%" PRIu32 " and %" PRIu32 " shared\n", model->name, options->layer_num, model->hidden,
                 model->routed_expert_num, model->expert_width, model->top_k, model->shared_expert_num);
    print_experts(plan);
    (void)printf("windows          %" PRIu32 " sessions, %" PRIu32 " micro-batches of %" PRIu32 " tokens x %" PRIu32
                 " slots, %s\n", options->session_num, options->micro_batch_num, options->batch_size,
                 plan->shape.selected_expert_num, options->quantize ? "int8" : "bf16");
    if (options->sync_group_size == options->session_num) {
        (void)printf("scheduling       all-sync\n");
    } else {
        (void)printf("scheduling       groups of %" PRIu32 "%s\n", options->sync_group_size,
                     options->fair ? ", fair" : "");
    }
}

json_t *serve_plan_json(const serve_plan *plan)
{
    const serve_options *options = &plan->options;
    json_t *object = json_object();
    afd_cli_json_set(object, "model", afd_cli_json_text(options->model->name));
    afd_cli_json_set(object, "layers", json_integer(options->layer_num));
    afd_cli_json_set(object, "sessions", json_integer(options->session_num));
    afd_cli_json_set(object, "ffn", json_integer(options->ffn_num));
    afd_cli_json_set(object, "copies", json_integer(options->copy_num));
    afd_cli_json_set(object, "micro_batches", json_integer(options->micro_batch_num));
    afd_cli_json_set(object, "batch", json_integer(options->batch_size));
    afd_cli_json_set(object, "slots", json_integer(plan->shape.selected_expert_num));
    afd_cli_json_set(object, "experts", json_integer(plan->shape.expert_num));
    afd_cli_json_set(object, "sync_group", json_integer(options->sync_group_size));
    afd_cli_json_set(object, "quantize", json_boolean(options->quantize));
    afd_cli_json_set(object, "checks_experts", json_boolean(options->checks_experts));
    afd_cli_json_set(object, "weights_bytes",
                     afd_cli_json_u64(plan->weights.distinct_num * plan->weights.expert_bytes));
    afd_cli_json_set(object, "seed", afd_cli_json_u64(options->seed));
    return object;
}

void serve_plan_note_window(const serve_plan *plan, const afd_window *window)
{
    afd_window_info info;
    afd_window_describe(window, &info);
    if (info.replaced_pid != 0) {
        afd_cli_note(serve_verb(plan->options.side), "window %s replaces one that process %" PRIu32
                     " left behind when it died", info.name, info.replaced_pid);
    }
}
