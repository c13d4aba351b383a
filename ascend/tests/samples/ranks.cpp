/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen devices in one process, a thread each, in the way of multi-rank samples: the main thread makes devices,
 * contexts and streams, every rank sets its own current and works on its own stream. Every rank plans the scheduler;
 * the odd ones never run it, and leave their executor behind. `ranks N` expects N devices, for a process that has
 * another setting.
 */
#include <cstddef>
#include <thread>
#include <vector>

#include "acl/acl.h"
#include "aclnn_ffn_worker_scheduler.h"
#include "world.h"

namespace {
struct Rank {
    uint32_t id = 0;
    aclrtContext context = nullptr;
    aclrtStream stream = nullptr;
    int result = -1;
};

int Work(const Rank &rank)
{
    if (aclrtSetCurrentContext(rank.context) != ACL_SUCCESS) {
        return 1;
    }
    int32_t device = -1;
    if (aclrtGetDevice(&device) != ACL_SUCCESS || device != static_cast<int32_t>(rank.id)) {
        return 2;
    }
    world w;
    if (world_create(&w, 2, 1) != 0) {
        return 3;
    }
    world_publish(&w, 0, 0, static_cast<int32_t>(rank.id));
    world_publish(&w, 1, 0, static_cast<int32_t>(rank.id) + 100);
    uint64_t workspaceSize = 7;
    aclOpExecutor *executor = nullptr;
    if (aclnnInplaceFfnWorkerSchedulerGetWorkspaceSize(w.tensor, 2, 0, &workspaceSize, &executor) != 0) {
        return 4;
    }
    int result = 0;
    if (rank.id % 2 == 0) {
        if (aclnnInplaceFfnWorkerScheduler(nullptr, workspaceSize, executor, rank.stream) != 0 ||
            aclrtSynchronizeStreamWithTimeout(rank.stream, 10000) != ACL_SUCCESS) {
            result = 5;
        } else if (world_out_num(&w) != 2 || w.layer_ids[1] != static_cast<int32_t>(rank.id) + 100) {
            result = 6;
        }
    }
    world_destroy(&w);
    return result;
}
} // namespace

int main(int argc, char **argv)
{
    const uint32_t expected = argc > 1 ? static_cast<uint32_t>(std::stoul(argv[1])) : 16;
    uint32_t count = 0;
    if (aclInit(nullptr) != ACL_SUCCESS || aclrtGetDeviceCount(&count) != ACL_SUCCESS || count != expected) {
        return 1;
    }
    std::vector<Rank> ranks(count);
    for (uint32_t id = 0; id < count; id++) {
        ranks[id].id = id;
        if (aclrtSetDevice(static_cast<int32_t>(id)) != ACL_SUCCESS ||
            aclrtCreateContext(&ranks[id].context, static_cast<int32_t>(id)) != ACL_SUCCESS ||
            aclrtCreateStream(&ranks[id].stream) != ACL_SUCCESS) {
            return 2;
        }
    }
    std::vector<std::unique_ptr<std::thread>> threads;
    for (Rank &rank : ranks) {
        threads.emplace_back(new std::thread([&rank] {
            rank.result = Work(rank);
            aclrtDestroyStream(rank.stream);
            aclrtDestroyContext(rank.context);
            aclrtResetDevice(static_cast<int32_t>(rank.id));
        }));
    }
    for (auto &thread : threads) {
        thread->join();
    }
    for (const Rank &rank : ranks) {
        if (rank.result != 0) {
            printf("rank %u failed with %d: %s\n", rank.id, rank.result, std::to_string(rank.result).c_str());
            return 3;
        }
    }
    aclFinalize();
    printf("%u ranks done\n", count);
    return 0;
}
