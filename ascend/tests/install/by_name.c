/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the operator library and the runtime at run time and runs the scheduler through pointers, as wrappers do: with
 * int64_t where the prototype has int32_t, and on a context whose run flag is 0. Looks every other operator up, both
 * phases. Then closes both while a stream lives.
 *
 *     by_name OPERATOR_LIBRARY RUNTIME_LIBRARY
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*get_workspace_size)(void *tensor, int64_t group_size, int64_t execute_mode, uint64_t *size,
                                  void **executor);
typedef int (*launch)(void *workspace, uint64_t size, void *executor, void *stream);
typedef void *(*create_tensor)(const int64_t *, uint64_t, int, const int64_t *, int64_t, int, const int64_t *, uint64_t,
                               void *);
typedef int (*number_call)(int32_t);
typedef int (*create_stream)(void **);
typedef int (*stream_call)(void *);

/* A function behind a name; the program ends if there is none. */
#define SYMBOL(library, type, name, variable)                     \
    type variable;                                                \
    *(void **)(&variable) = dlsym(library, name);                 \
    if (variable == NULL) {                                       \
        printf("%s: %s\n", name, dlerror());                      \
        return 1;                                                 \
    }

/* Both phases of every operator. */
static int has_operators(void *library)
{
    static const char *const names[] = {
        "aclnnInplaceFfnWorkerScheduler", "aclnnInplaceAttentionWorkerScheduler", "aclnnFfnWorkerBatching",
        "aclnnAttentionWorkerCombine",    "aclnnAttentionToFFN",                  "aclnnFFNToAttention",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char first[128];
        snprintf(first, sizeof(first), "%sGetWorkspaceSize", names[i]);
        if (dlsym(library, names[i]) == NULL || dlsym(library, first) == NULL) {
            printf("%s\n", dlerror());
            return 0;
        }
    }
    return 1;
}

int main(int argc, char **argv)
{
    static uint64_t context[128];
    static uint64_t buffers[16];
    const uint32_t counts[8] = { 1, 1, 1, 1, 1, 0, 0, 0 };
    const int64_t dim = sizeof(context);
    const int64_t stride = 1;
    uint64_t size = 1;
    void *executor = NULL;
    void *stream = NULL;
    if (argc != 3) {
        return 2;
    }
    void *operators = dlopen(argv[1], RTLD_LAZY);
    void *runtime = dlopen(argv[2], RTLD_LAZY);
    if (operators == NULL || runtime == NULL) {
        printf("%s\n", dlerror());
        return 1;
    }
    if (operators != runtime) {
        printf("two names, two runtimes\n");
        return 1;
    }
    if (!has_operators(operators)) {
        return 1;
    }
    SYMBOL(operators, get_workspace_size, "aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize", plan)
    SYMBOL(operators, launch, "aclnnInplaceFfnWorkerScheduler", run)
    SYMBOL(runtime, create_tensor, "aclCreateTensor", tensor_of)
    SYMBOL(runtime, number_call, "aclrtSetDevice", set_device)
    SYMBOL(runtime, create_stream, "aclrtCreateStream", new_stream)
    SYMBOL(runtime, stream_call, "aclrtSynchronizeStream", synchronize)

    memcpy(context, counts, sizeof(counts));
    for (int field = 384; field <= 560; field += 16) { /* address, size of every FFN buffer */
        if (field != 416 && (field < 424 || field >= 512)) {
            context[field / 8] = (uint64_t)(uintptr_t)buffers;
            context[field / 8 + 1] = sizeof(buffers);
        }
    }
    void *tensor = tensor_of(&dim, 1, 2, &stride, 0, 2, &dim, 1, context);
    if (tensor == NULL || set_device(0) != 0 || new_stream(&stream) != 0 ||
        plan(tensor, 1, 0, &size, &executor) != 0 || size != 0 || run(NULL, 0, executor, stream) != 0 ||
        synchronize(stream) != 0) {
        printf("a call failed\n");
        return 1;
    }
    dlclose(operators);
    dlclose(runtime);
    return 0;
}
