/* SPDX-License-Identifier: Apache-2.0 */
#include "run/model.h"

#include <inttypes.h>
#include <string.h>

/* From the models' published configurations. */
static const run_model models[] = {
    { "deepseek-v2-lite", 2048, 26, 64, 2, 6, 1408 },
    { "deepseek-v3", 7168, 58, 256, 1, 8, 2048 },
    { "glm-4.5", 5120, 89, 160, 1, 8, 1536 },
    { "gpt-oss-120b", 2880, 36, 128, 0, 4, 2880 },
    { "kimi-k2", 7168, 60, 384, 1, 8, 2048 },
    { "mixtral-8x7b", 4096, 32, 8, 0, 2, 14336 },
    { "qwen3-235b", 4096, 94, 128, 0, 8, 1536 },
    { "qwen3-30b", 2048, 48, 128, 0, 8, 768 },
    { "step-3", 7168, 56, 48, 1, 3, 5120 },
};

enum { MODEL_NUM = sizeof(models) / sizeof(models[0]) };

const run_model *run_model_find(const char *name)
{
    for (size_t i = 0; i < MODEL_NUM; i++) {
        if (strcmp(models[i].name, name) == 0) {
            return &models[i];
        }
    }
    return NULL;
}

void run_model_list(FILE *stream)
{
    fprintf(stream, "%-18s %6s %10s %6s %6s %5s %5s\n", "MODEL", "HIDDEN", "MOE LAYERS", "ROUTED", "SHARED", "TOP-K",
            "WIDTH");
    for (size_t i = 0; i < MODEL_NUM; i++) {
        const run_model *model = &models[i];
        fprintf(stream, "%-18s %6" PRIu32 " %10" PRIu32 " %6" PRIu32 " %6" PRIu32 " %5" PRIu32 " %5" PRIu32 "\n",
                model->name, model->hidden, model->moe_layers, model->routed_expert_num, model->shared_expert_num,
                model->top_k, model->expert_width);
    }
}
