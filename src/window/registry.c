/* SPDX-License-Identifier: Apache-2.0 */
#include "window/registry.h"

#include <pthread.h>
#include <stddef.h>

#include "window/window.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static afd_window *shared_windows;  /* by next_shared */
static uint64_t last_key;

uint64_t afd__window_share(afd_window *window)
{
    (void)pthread_mutex_lock(&registry_lock);
    if (window->shared_key == 0) {
        window->shared_key = ++last_key;
        window->holder_num = 1;
        window->next_shared = shared_windows;
        shared_windows = window;
    }
    uint64_t key = window->shared_key;
    (void)pthread_mutex_unlock(&registry_lock);
    return key;
}

afd_window *afd__window_borrow(uint64_t key)
{
    (void)pthread_mutex_lock(&registry_lock);
    afd_window *window = shared_windows;
    while (window != NULL && window->shared_key != key) {
        window = window->next_shared;
    }
    if (window != NULL) {
        window->holder_num++;
    }
    (void)pthread_mutex_unlock(&registry_lock);
    return window;
}

static void unlink_shared(const afd_window *window)
{
    afd_window **at = &shared_windows;
    while (*at != window) {
        at = &(*at)->next_shared;
    }
    *at = window->next_shared;
}

bool afd__window_let_go(afd_window *window)
{
    bool is_last = true;
    (void)pthread_mutex_lock(&registry_lock);
    if (window->shared_key != 0) {
        window->holder_num--;
        is_last = window->holder_num == 0;
        if (is_last) {
            unlink_shared(window);
        }
    }
    (void)pthread_mutex_unlock(&registry_lock);
    return is_last;
}
