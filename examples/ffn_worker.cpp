/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest FFN worker in C++17, the twin of ffn_worker.c: what the library hands out is owned by a unique_ptr, an
 * error is an exception that says which call failed and why, one std::thread plays the attention workers.
 *
 *     find_package(libafd REQUIRED)
 *     target_link_libraries(worker PRIVATE afd::afd Threads::Threads)
 */
#include <afd/ffn.h>
#include <afd/window.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <thread>

namespace {

constexpr std::uint32_t sessions = 2;
constexpr std::uint32_t micro_batches = 2;
constexpr std::uint32_t tokens = 2;
constexpr std::uint32_t slots = 3;
constexpr std::int32_t layers = 4;
constexpr std::int32_t ids = tokens * slots;

struct window_closer {
    void operator()(afd_window *window) const { afd_window_close(window); }
};

struct context_destroyer {
    void operator()(afd_schedule_context *context) const { afd_context_destroy(context); }
};

using window_ptr = std::unique_ptr<afd_window, window_closer>;
using context_ptr = std::unique_ptr<afd_schedule_context, context_destroyer>;

void check(afd_status status, const afd_error &error)
{
    if (status != AFD_OK) {
        throw std::runtime_error(status < 0 ? error.message : afd_status_text(status));
    }
}

window_ptr make_window(const afd_shape &shape)
{
    afd_error error;
    afd_window *window = nullptr;
    check(afd_ffn_window_create_private(&shape, &window, &error), error);
    return window_ptr(window);
}

context_ptr make_context(const afd_shape &shape)
{
    afd_error error;
    afd_schedule_context *context = nullptr;
    check(afd_ffn_context_create(&shape, &context, &error), error);
    return context_ptr(context);
}

/* The attention workers, all in one thread, which ends with the object: also when an exception passes by. */
class attention_workers {
public:
    explicit attention_workers(const afd_window *window) : window_(window), thread_([this] { produce(); }) {}
    attention_workers(const attention_workers &) = delete;
    attention_workers &operator=(const attention_workers &) = delete;

    ~attention_workers()
    {
        stop_ = true;
        thread_.join();
    }

private:
    /* Hands every layer's tokens over, micro-batch after micro-batch. */
    void produce()
    {
        for (std::int32_t layer = 0; layer < layers; layer++) {
            for (std::uint32_t session = 0; session < sessions; session++) {
                if (!hand_over(session, layer)) {
                    return;
                }
            }
        }
    }

    bool hand_over(std::uint32_t session, std::int32_t layer)
    {
        afd_ffn_desc *desc = afd_window_desc(window_, session, static_cast<std::uint32_t>(layer) % micro_batches);
        while (!afd_ffn_desc_is_free(desc)) {
            if (stop_) {
                return false;
            }
            std::this_thread::yield();
        }
        std::int32_t *expert_ids = afd_ffn_desc_expert_ids(desc);
        for (std::int32_t slot = 0; slot < ids; slot++) {
            expert_ids[slot] = (slot + layer) % 8;
        }
        desc->layer_id = layer;
        afd_ffn_desc_publish(desc);
        return true;
    }

    const afd_window *window_;
    std::atomic<bool> stop_{false};
    std::thread thread_; /* the last member: it uses the others */
};

void ffn_worker(afd_schedule_context *context)
{
    const afd_ffn_schedule_args args = AFD_FFN_SCHEDULE_ARGS_INIT(sessions); /* all-sync */
    for (std::int32_t call = 0; call < layers; call++) {
        afd_error error;
        std::uint32_t taken_num = 0;
        check(afd_ffn_schedule(context, &args, nullptr, &taken_num, &error), error);
        for (std::uint32_t k = 0; k < taken_num; k++) {
            std::cout << "layer " << afd_context_layer_ids(context)[k] << "  session "
                      << afd_context_session_ids(context)[k] << "  micro-batch "
                      << afd_context_micro_batch_ids(context)[k] << "  first expert "
                      << afd_context_expert_ids(context)[k * ids] << '\n';
        }
    }
}

void run()
{
    afd_shape shape{};
    shape.session_num = sessions;
    shape.micro_batch_num = micro_batches;
    shape.micro_batch_size = tokens;
    shape.selected_expert_num = slots;
    shape.expert_num = 8;

    const window_ptr window = make_window(shape);
    const context_ptr context = make_context(shape);
    afd_error error;
    check(afd_window_bind(window.get(), context.get(), &error), error);

    const attention_workers attention(window.get());
    ffn_worker(context.get());
}

} // namespace

int main()
{
    try {
        run();
        return 0;
    } catch (const std::exception &failure) {
        std::cerr << "ffn_worker: " << failure.what() << '\n';
        return 1;
    }
}
