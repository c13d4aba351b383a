/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every CANN program has in some form: a check of each call, device memory, tensors and a stream with owners, and
 * the two phases of an operator as one call.
 */
#ifndef ACL_LOOP_CANN_H
#define ACL_LOOP_CANN_H

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "acl/acl.h"
#include "aclnn/acl_meta.h"
#include "hccl/hccl.h"

/* A call that did not return 0: which, its code, and the sentence that the runtime has for it. */
inline void Check(int code, const char *call)
{
    if (code != 0) {
        const char *sentence = aclGetRecentErrMsg();
        throw std::runtime_error(std::string(call) + ": " + std::to_string(code) + ": " +
                                 (sentence == nullptr ? "nothing is known" : sentence));
    }
}

/* Device memory of a fixed size. A device address is not followed in here, so the program is one for NPUs, too. */
class DeviceMemory {
public:
    explicit DeviceMemory(size_t bytes) : bytes_(bytes)
    {
        if (bytes > 0) {
            Check(aclrtMalloc(&address_, bytes, ACL_MEM_MALLOC_HUGE_FIRST), "aclrtMalloc");
        }
    }
    ~DeviceMemory()
    {
        if (address_ != nullptr) {
            (void)aclrtFree(address_);
        }
    }
    DeviceMemory(const DeviceMemory &) = delete;
    DeviceMemory &operator=(const DeviceMemory &) = delete;

    void *address() const { return address_; }
    size_t bytes() const { return bytes_; }

    void Set(const void *host, size_t bytes, size_t offset = 0)
    {
        if (bytes > 0) {
            Check(aclrtMemcpy(static_cast<char *>(address_) + offset, bytes_ - offset, host, bytes,
                              ACL_MEMCPY_HOST_TO_DEVICE),
                  "aclrtMemcpy to the device");
        }
    }
    void Get(void *host, size_t bytes, size_t offset = 0) const
    {
        if (bytes > 0) {
            Check(aclrtMemcpy(host, bytes, static_cast<const char *>(address_) + offset, bytes,
                              ACL_MEMCPY_DEVICE_TO_HOST),
                  "aclrtMemcpy to the host");
        }
    }

private:
    void *address_ = nullptr;
    size_t bytes_;
};

inline size_t SizeOf(aclDataType type)
{
    return aclDataTypeSize(type);
}

inline size_t ElementsOf(const std::vector<int64_t> &dims)
{
    size_t elements = 1;
    for (int64_t dim : dims) {
        elements *= static_cast<size_t>(dim);
    }
    return elements;
}

/* A description of memory that somebody else owns: contiguous, in rows. */
class Tensor {
public:
    Tensor(const std::vector<int64_t> &dims, aclDataType type, void *address)
    {
        std::vector<int64_t> strides(dims.size(), 1);
        for (size_t i = dims.size(); i > 1; i--) {
            strides[i - 2] = strides[i - 1] * dims[i - 1];
        }
        tensor_ = aclCreateTensor(dims.data(), dims.size(), type, strides.data(), 0, ACL_FORMAT_ND, dims.data(),
                                  dims.size(), address);
        Check(tensor_ == nullptr ? ACL_ERROR_BAD_ALLOC : 0, "aclCreateTensor");
    }
    ~Tensor() { (void)aclDestroyTensor(tensor_); }
    Tensor(const Tensor &) = delete;
    Tensor &operator=(const Tensor &) = delete;

    operator aclTensor *() const { return tensor_; }

private:
    aclTensor *tensor_;
};

/* A tensor with memory of its own. */
class DeviceTensor {
public:
    DeviceTensor(const std::vector<int64_t> &dims, aclDataType type)
        : memory_(ElementsOf(dims) * SizeOf(type)), tensor_(dims, type, memory_.address())
    {
    }
    template <typename T>
    DeviceTensor(const std::vector<int64_t> &dims, aclDataType type, const std::vector<T> &values)
        : DeviceTensor(dims, type)
    {
        memory_.Set(values.data(), values.size() * sizeof(T));
    }

    operator aclTensor *() const { return tensor_; }
    DeviceMemory &memory() { return memory_; }

    template <typename T>
    T First() const
    {
        T value;
        memory_.Get(&value, sizeof(value));
        return value;
    }

private:
    DeviceMemory memory_;
    Tensor tensor_;
};

class IntArray {
public:
    IntArray(std::initializer_list<int64_t> values) : array_(aclCreateIntArray(values.begin(), values.size()))
    {
        Check(array_ == nullptr ? ACL_ERROR_BAD_ALLOC : 0, "aclCreateIntArray");
    }
    ~IntArray() { (void)aclDestroyIntArray(array_); }
    IntArray(const IntArray &) = delete;
    IntArray &operator=(const IntArray &) = delete;

    operator const aclIntArray *() const { return array_; }

private:
    aclIntArray *array_;
};

/* A stream, and the workspace of the operators on it, which run one after the other and so can share one. */
class Stream {
public:
    Stream() { Check(aclrtCreateStream(&stream_), "aclrtCreateStream"); }
    ~Stream() { (void)aclrtDestroyStream(stream_); }
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;

    /* Both phases of an operator: it is planned now, and runs when everything before it has. */
    template <typename Plan, typename Launch, typename... Args>
    void Run(const char *name, Plan plan, Launch launch, Args &&...args)
    {
        uint64_t bytes = 0;
        aclOpExecutor *executor = nullptr;
        Check(plan(args..., &bytes, &executor), name);
        if (bytes > (workspace_ ? workspace_->bytes() : 0)) {
            Wait(); /* the old one may be in use */
            workspace_.reset(new DeviceMemory(bytes));
        }
        Check(launch(bytes > 0 ? workspace_->address() : nullptr, bytes, executor, stream_), name);
    }

    /* The code of the first operator that failed since the last call comes out here. */
    void Wait() { Check(aclrtSynchronizeStream(stream_), "aclrtSynchronizeStream"); }

private:
    aclrtStream stream_ = nullptr;
    std::unique_ptr<DeviceMemory> workspace_;
};

#define RUN_OPERATOR(stream, name, ...) (stream).Run(#name, name##GetWorkspaceSize, name, __VA_ARGS__)

/* A rank's end of a communicator: the name that operators want, and the window that peers write into. */
class Communicator {
public:
    explicit Communicator(HcclComm comm) : comm_(comm), name_(COMM_NAME_MAX_LENGTH)
    {
        uint64_t bytes = 0;
        Check(HcclGetCommName(comm, name_.data()), "HcclGetCommName");
        Check(HcclGetHcclBuffer(comm, &buffer_, &bytes), "HcclGetHcclBuffer");
        windowBytes_ = bytes / 2; /* the second half is the communicator's own */
    }
    ~Communicator() { (void)HcclCommDestroy(comm_); }
    Communicator(const Communicator &) = delete;
    Communicator &operator=(const Communicator &) = delete;

    const char *name() const { return name_.data(); }
    char *window() const { return static_cast<char *>(buffer_); }
    uint64_t windowBytes() const { return windowBytes_; }

private:
    HcclComm comm_;
    std::vector<char> name_;
    void *buffer_ = nullptr;
    uint64_t windowBytes_ = 0;
};

#endif
