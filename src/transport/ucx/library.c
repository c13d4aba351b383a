/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/ucx/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucm/api/ucm.h>
#include <unistd.h>

#include "base/error.h"

static const char ucp_file[] = "libucp.so.0";
static const char ucs_file[] = "libucs.so.0";
static const char ucm_file[] = "libucm.so.0";

/* What the one attempt of this process came to. Written under the once, read after it. */
static struct {
    pthread_once_t once;
    afd_status status;
    afd_error error;
    afd__ucp ucp;
} opened = { .once = PTHREAD_ONCE_INIT };

/* The signals that UCX catches by default, for a version that does not give them back all at once. */
static const int caught_signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGHUP };

bool afd__ucx_environment_says(const char *variable)
{
    /* UCX reads the environment itself, in every context that it makes: whoever changes it meanwhile has that race
     * already. */
    return getenv(variable) != NULL; /* NOLINT(concurrency-mt-unsafe) */
}

/* ISO C has no conversion from a pointer to data, which dlsym() returns, to one to a function; POSIX promises that the
 * two have one representation. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    *(void **)function = symbol;
    return symbol != NULL;
}

/* The first name that the libraries do not have, or NULL. */
static const char *find_calls(void *ucp_library, void *ucs_library, afd__ucp *ucp)
{
    const struct {
        void *library;
        const char *name;
        void *function;
    } calls[] = {
        { ucp_library, "ucp_get_version", &ucp->get_version },
        { ucp_library, "ucp_init_version", &ucp->init_version },
        { ucp_library, "ucp_cleanup", &ucp->cleanup },
        { ucp_library, "ucp_config_read", &ucp->config_read },
        { ucp_library, "ucp_config_modify", &ucp->config_modify },
        { ucp_library, "ucp_config_release", &ucp->config_release },
        { ucp_library, "ucp_worker_create", &ucp->worker_create },
        { ucp_library, "ucp_worker_destroy", &ucp->worker_destroy },
        { ucp_library, "ucp_worker_query", &ucp->worker_query },
        { ucp_library, "ucp_worker_progress", &ucp->worker_progress },
        { ucp_library, "ucp_worker_get_efd", &ucp->worker_get_efd },
        { ucp_library, "ucp_worker_arm", &ucp->worker_arm },
        { ucp_library, "ucp_worker_signal", &ucp->worker_signal },
        { ucp_library, "ucp_worker_set_am_recv_handler", &ucp->worker_set_am_recv_handler },
        { ucp_library, "ucp_listener_create", &ucp->listener_create },
        { ucp_library, "ucp_listener_destroy", &ucp->listener_destroy },
        { ucp_library, "ucp_listener_query", &ucp->listener_query },
        { ucp_library, "ucp_listener_reject", &ucp->listener_reject },
        { ucp_library, "ucp_conn_request_query", &ucp->conn_request_query },
        { ucp_library, "ucp_ep_create", &ucp->ep_create },
        { ucp_library, "ucp_ep_close_nbx", &ucp->ep_close_nbx },
        { ucp_library, "ucp_am_send_nbx", &ucp->am_send_nbx },
        { ucp_library, "ucp_am_recv_data_nbx", &ucp->am_recv_data_nbx },
        { ucp_library, "ucp_am_data_release", &ucp->am_data_release },
        { ucp_library, "ucp_request_check_status", &ucp->request_check_status },
        { ucp_library, "ucp_request_cancel", &ucp->request_cancel },
        { ucp_library, "ucp_request_free", &ucp->request_free },
        { ucs_library, "ucs_status_string", &ucp->status_string },
        { ucs_library, "ucs_async_set_event_handler", &ucp->async_set_event_handler },
        { ucs_library, "ucs_async_remove_handler", &ucp->async_remove_handler },
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (!find(calls[i].library, calls[i].name, calls[i].function)) {
            return calls[i].name;
        }
    }
    return NULL;
}

/* Its handlers are in place from the moment it is loaded. Whatever the program had is there again after this. */
static void give_signals_back(void *ucs_library)
{
    void (*disable_all)(void);
    void (*disable)(int);
    if (find(ucs_library, "ucs_debug_disable_signals", &disable_all)) {
        disable_all();
        return;
    }
    for (size_t i = 0;
         find(ucs_library, "ucs_debug_disable_signal", &disable) && i < sizeof(caught_signals) / sizeof(int); i++) {
        disable(caught_signals[i]);
    }
}

/*
 * UCX writes its own code over the first instructions of mmap() when it is loaded, and over those of more calls as soon
 * as something asks it to watch memory. Its options are changed in place, because a later version's have more fields.
 */
static void turn_events_off(void *ucm_library)
{
    ucm_global_config_t *options = ucm_library == NULL ? NULL : dlsym(ucm_library, "ucm_global_opts");
    if (options != NULL) {
        options->enable_events = 0;
    }
}

/*
 * Before the rest of UCX is loaded: the library that does it looks at its options the first time that they are set, and
 * not again. Lazily, because it calls functions of that rest and does not say that it needs it. With LD_BIND_NOW this
 * fails, and loading UCX rewrites what it likes.
 */
static void *load_without_events(void)
{
    void *ucm_library = dlopen(ucm_file, RTLD_LAZY | RTLD_LOCAL);
    void (*set)(const ucm_global_config_t *options);
    turn_events_off(ucm_library);
    if (ucm_library != NULL && find(ucm_library, "ucm_set_global_opts", &set)) {
        const ucm_global_config_t *options = dlsym(ucm_library, "ucm_global_opts");
        if (options != NULL) {
            set(options);
        }
    }
    return ucm_library;
}

/* Nobody has made a context yet, so these settings are nobody else's. */
static void make_quiet(void *ucs_library, void *ucm_library)
{
    ucs_status_t (*set)(const char *name, const char *value);
    const bool can_set = find(ucs_library, "ucs_global_opts_set_value", &set);
    /* A library never prints: by default UCX writes warnings to stdout, of a peer's death too. */
    if (can_set && !afd__ucx_environment_says("UCX_LOG_LEVEL")) {
        (void)set("LOG_LEVEL", "fatal");
    }
    if (can_set && !afd__ucx_environment_says("UCX_MEMTYPE_CACHE")) {
        (void)set("MEMTYPE_CACHE", "n");
    }
    /* Loading the rest has set the options again. */
    turn_events_off(ucm_library);
    if (!afd__ucx_environment_says("UCX_HANDLE_ERRORS")) {
        give_signals_back(ucs_library);
    }
}

static bool is_loaded(const char *file)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
    if (library != NULL) {
        (void)dlclose(library);
    }
    return library != NULL;
}

static afd_status fail_missing(const char *file, afd_error *error)
{
    /* Of this thread, in the C libraries that we know. */
    const char *reason = dlerror(); /* NOLINT(concurrency-mt-unsafe) */
    return afd__fail(error, AFD_ERR_NOT_FOUND, "ucx", 0, 0, "cannot open %s; install libucx0, or UCX 1.13 or later: %s",
                     file, reason == NULL ? "no reason given" : reason);
}

/* Never closed again: endpoints, threads and handlers of UCX's may outlive whatever we would count. */
static afd_status open_libraries(afd__ucp *ucp, afd_error *error)
{
    stack_t signal_stack;
    const bool is_ours = !is_loaded(ucs_file) && !is_loaded(ucm_file);
    const bool has_stack = is_ours && sigaltstack(NULL, &signal_stack) == 0;
    void *ucm_library = is_ours && !afd__ucx_environment_says("UCX_MEM_EVENTS") ? load_without_events() : NULL;
    void *ucp_library = dlopen(ucp_file, RTLD_NOW | RTLD_LOCAL);
    if (ucp_library == NULL) {
        return fail_missing(ucp_file, error);
    }
    void *ucs_library = dlopen(ucs_file, RTLD_NOW | RTLD_LOCAL);
    if (ucs_library == NULL) {
        return fail_missing(ucs_file, error);
    }
    if (is_ours) {
        make_quiet(ucs_library, ucm_library);
    }
    /* Loading UCX also gives the thread another stack to handle signals on. */
    if (has_stack) {
        (void)sigaltstack(&signal_stack, NULL);
    }
    const char *missing = find_calls(ucp_library, ucs_library, ucp);
    if (missing != NULL) {
        return afd__fail(error, AFD_ERR_NOT_FOUND, "ucx", 0, 0, "UCX has no %s; install libucx0 1.13 or later",
                         missing);
    }
    return AFD_OK;
}

/* UCX 1.13 ends the process with a fault of its own where this is missing, as in a chroot without it. */
static afd_status check_system(afd_error *error)
{
    static const char devices[] = "/sys/class/net";
    if (access(devices, F_OK) == 0) {
        return AFD_OK;
    }
    return afd__fail(error, AFD_ERR_NOT_FOUND, "ucx", 0, 0, "UCX needs %s, which is not here; mount sysfs at /sys",
                     devices);
}

static void open_once(void)
{
    opened.status = check_system(&opened.error);
    if (opened.status == AFD_OK) {
        opened.status = open_libraries(&opened.ucp, &opened.error);
    }
}

afd_status afd__ucp_open(const afd__ucp **ucp, afd_error *error)
{
    (void)pthread_once(&opened.once, open_once);
    if (opened.status != AFD_OK) {
        if (error != NULL) {
            *error = opened.error;
        }
        return opened.status;
    }
    *ucp = &opened.ucp;
    return AFD_OK;
}
