/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole attention-FFN disaggregated loop, written against CANN alone: acl, aclnn and hccl. Attention ranks send
 * micro-batches of tokens to the ranks of their experts and combine what comes back, layer after layer; the ranks are
 * threads of one process, or with --processes processes of one host. It prints a digest of the combined rows for each
 * (rank, step, layer, micro-batch), and nothing else on stdout.
 *
 *     g++ -std=c++14 loop_acl.cpp -I$A/include -I$A/include/aclnn -I$A/include/aclnnop \
 *         -L$A/lib64 -lascendcl -lnnopbase -lopapi_math -lop_common -lpthread -lhccl
 *
 * attention_rank.h and ffn_rank.h have the two sides, schedule_context.h the context that both fill in, cann.h owners
 * of CANN's objects; loop_model.h is the model, and loop_ranks.h starts ranks. Those two know nothing of CANN.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "attention_rank.h"
#include "ffn_rank.h"

namespace {
/* How the ranks of one communicator come to it. */
struct Communicators {
    std::vector<HcclComm> ofThreads; /* HcclCommInitAll made all of them at once */
    std::vector<int> readEnds;       /* processes: where a rank reads rank 0's root info, */
    std::vector<int> writeEnds;      /* and where rank 0 writes it */
};

[[noreturn]] void Die(const char *what)
{
    std::fprintf(stderr, "loop_acl: %s\n", what);
    std::_Exit(1); /* the other threads may be anywhere */
}

void OpenPipes(uint32_t rankNum, Communicators *comms)
{
    for (uint32_t rank = 0; rank < rankNum; rank++) {
        int ends[2] = { -1, -1 };
        if (pipe(ends) != 0) {
            Die("cannot make a pipe");
        }
        comms->readEnds.push_back(ends[0]);
        comms->writeEnds.push_back(ends[1]);
    }
}

/* Rank 0 makes the root info, and every other rank needs the same bytes; any way to hand them on will do. */
HcclRootInfo ShareRootInfo(const Communicators &comms, uint32_t rank)
{
    HcclRootInfo info;
    if (rank != 0) {
        size_t got = 0;
        while (got < sizeof(info)) {
            const ssize_t count = read(comms.readEnds[rank], info.internal + got, sizeof(info) - got);
            if (count <= 0) {
                Die("rank 0 has left no root info");
            }
            got += static_cast<size_t>(count);
        }
        return info;
    }
    Check(HcclGetRootInfo(&info), "HcclGetRootInfo");
    for (size_t other = 1; other < comms.writeEnds.size(); other++) {
        if (write(comms.writeEnds[other], &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) {
            Die("cannot hand the root info on");
        }
    }
    return info;
}

HcclComm JoinAsProcess(const Communicators &comms, uint32_t rank, uint32_t rankNum)
{
    HcclComm comm = nullptr;
    const HcclRootInfo info = ShareRootInfo(comms, rank);
    Check(HcclCommInitRootInfo(rankNum, &info, rank, &comm), "HcclCommInitRootInfo");
    return comm;
}

/* A rank between its communicator's beginning and its end. All ranks meet three times, the FFN ranks for the second
 * time within Run(): when all windows can be written, when all sessions are done, and when nothing is written any
 * more. */
void Work(loop_meeting *meeting, uint32_t rank, HcclComm handle)
{
    const loop_options &options = meeting->options;
    const uint32_t firstFfn = options.ffn_first ? 0 : options.attention_num;
    const uint32_t firstAttention = options.ffn_first ? options.ffn_num : 0;
    const Communicator comm(handle);
    if (rank >= firstFfn && rank < firstFfn + options.ffn_num) {
        FfnRank ffn(meeting, rank - firstFfn, comm);
        loop_meet(meeting);
        ffn.Run();
        loop_meet(meeting);
    } else {
        AttentionRank attention(meeting, rank - firstAttention, comm);
        loop_meet(meeting);
        attention.Run();
        loop_meet(meeting);
        loop_meet(meeting);
    }
}

/* A process does nothing with CANN before it was forked, and everything after that itself. */
void RunRank(loop_meeting *meeting, uint32_t rank, void *arg)
{
    const Communicators &comms = *static_cast<const Communicators *>(arg);
    const int32_t device = static_cast<int32_t>(rank);
    const bool processes = meeting->options.processes;
    try {
        if (processes) {
            Check(aclInit(nullptr), "aclInit");
        }
        Check(aclrtSetDevice(device), "aclrtSetDevice");
        Work(meeting, rank,
             processes ? JoinAsProcess(comms, rank, loop_rank_num(&meeting->options)) : comms.ofThreads[rank]);
        Check(aclrtResetDevice(device), "aclrtResetDevice");
        if (processes) {
            Check(aclFinalize(), "aclFinalize");
        }
    } catch (const std::exception &failure) {
        Die(failure.what());
    }
}

void RunThreads(loop_meeting *meeting, Communicators *comms)
{
    std::vector<int32_t> devices;
    for (uint32_t rank = 0; rank < loop_rank_num(&meeting->options); rank++) {
        devices.push_back(static_cast<int32_t>(rank));
    }
    comms->ofThreads.resize(devices.size());
    Check(aclInit(nullptr), "aclInit");
    Check(HcclCommInitAll(static_cast<uint32_t>(devices.size()), devices.data(), comms->ofThreads.data()),
          "HcclCommInitAll");
    loop_run_threads(meeting, RunRank, comms);
    Check(aclFinalize(), "aclFinalize");
}
} // namespace

int main(int argc, char **argv)
{
    const loop_options options = loop_parse(argc, argv);
    loop_meeting *meeting = loop_meeting_create(&options);
    Communicators comms;
    try {
        if (options.processes) {
            OpenPipes(loop_rank_num(&options), &comms);
            loop_run_processes(meeting, RunRank, &comms);
        } else {
            RunThreads(meeting, &comms);
        }
    } catch (const std::exception &failure) {
        Die(failure.what());
    }
    loop_print(meeting);
    return 0;
}
