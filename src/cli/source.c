/* SPDX-License-Identifier: Apache-2.0 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "out.h"

static int fail_name(const char *verb, const char *name, const afd_error *error)
{
    if (error->status == AFD_ERR_NOT_FOUND) {
        afd_cli_note(verb, "there is no window %s on this host; `afd ls` shows those that there are", name);
    } else {
        afd_cli_error_about(verb, name, error);
    }
    return afd_cli_exit_code(error->status);
}

static void use_window(afd_cli_source *source, afd_cli_source_kind kind, afd_window *window)
{
    source->kind = kind;
    source->window = window;
    afd_window_describe(window, &source->info);
}

int afd_cli_source_open_name(const char *verb, const char *name, afd_cli_source *source)
{
    afd_error error;
    afd_window *window = NULL;
    memset(source, 0, sizeof(*source));
    if (afd_window_join(name, AFD_WINDOW_READ, &window, &error) != AFD_OK) {
        return fail_name(verb, name, &error);
    }
    use_window(source, AFD_CLI_SOURCE_WINDOW, window);
    return AFD_EXIT_DONE;
}

static bool is_context_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == AFD_CONTEXT_BYTES;
}

static int open_context(const char *verb, const char *path, afd_cli_source *source)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, &source->context, sizeof(source->context));
    int problem = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (length < 0) {
        afd_cli_note(verb, "cannot read %s: %s", path, strerror(problem));
        return AFD_EXIT_REFUSED;
    }
    if ((size_t)length != sizeof(source->context)) {
        afd_cli_note(verb, "%s had %d bytes a moment ago and has %zd now", path, AFD_CONTEXT_BYTES, length);
        return AFD_EXIT_REFUSED;
    }
    source->kind = AFD_CLI_SOURCE_CONTEXT;
    return AFD_EXIT_DONE;
}

static int open_file(const char *verb, const char *path, afd_cli_source *source)
{
    afd_error error;
    afd_window *window = NULL;
    memset(source, 0, sizeof(*source));
    source->path = path;
    if (is_context_file(path)) {
        return open_context(verb, path, source);
    }
    if (afd_window_open_file(path, &window, &error) != AFD_OK) {
        afd_cli_error_about(verb, path, &error);
        return afd_cli_exit_code(error.status);
    }
    use_window(source, AFD_CLI_SOURCE_DUMP, window);
    return AFD_EXIT_DONE;
}

int afd_cli_source_open(const char *verb, const char *word, afd_cli_source *source)
{
    afd_error error;
    afd_window *window = NULL;
    if (strchr(word, '/') != NULL) {
        return open_file(verb, word, source);
    }
    memset(source, 0, sizeof(*source));
    afd_status status = afd_window_join(word, AFD_WINDOW_READ, &window, &error);
    if (status == AFD_OK) {
        use_window(source, AFD_CLI_SOURCE_WINDOW, window);
        return AFD_EXIT_DONE;
    }
    bool is_no_window = status == AFD_ERR_NOT_FOUND || status == AFD_ERR_INVALID;
    if (is_no_window && access(word, F_OK) == 0) {
        return open_file(verb, word, source);
    }
    return fail_name(verb, word, &error);
}

void afd_cli_source_close(afd_cli_source *source)
{
    afd_window_close(source->window);
    source->window = NULL;
}

const char *afd_cli_window_kind(afd_window_kind kind)
{
    return kind == AFD_WINDOW_ATTENTION ? "attention" : "ffn";
}

const char *afd_cli_owner_state(afd_owner_state state)
{
    switch (state) {
    case AFD_OWNER_ALIVE:
        return "alive";
    case AFD_OWNER_DEAD:
        return "dead";
    case AFD_OWNER_UNKNOWN:
        break;
    }
    return "unknown";
}

static json_t *shape_json(const afd_shape *shape)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "session_num", json_integer(shape->session_num));
    afd_cli_json_set(object, "micro_batch_num", json_integer(shape->micro_batch_num));
    afd_cli_json_set(object, "micro_batch_size", json_integer(shape->micro_batch_size));
    afd_cli_json_set(object, "selected_expert_num", json_integer(shape->selected_expert_num));
    afd_cli_json_set(object, "expert_num", json_integer(shape->expert_num));
    afd_cli_json_set(object, "attn_to_ffn_token_size", json_integer(shape->attn_to_ffn_token_size));
    afd_cli_json_set(object, "ffn_to_attn_token_size", json_integer(shape->ffn_to_attn_token_size));
    return object;
}

static json_t *sizes_json(const afd_window_sizes *sizes)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "desc_bytes", afd_cli_json_u64(sizes->desc_bytes));
    afd_cli_json_set(object, "token_info_bytes", afd_cli_json_u64(sizes->token_info_bytes));
    afd_cli_json_set(object, "token_data_bytes", afd_cli_json_u64(sizes->token_data_bytes));
    afd_cli_json_set(object, "token_data_offset", afd_cli_json_u64(sizes->token_data_offset));
    afd_cli_json_set(object, "window_bytes", afd_cli_json_u64(sizes->window_bytes));
    return object;
}

json_t *afd_cli_info_json(const afd_window_info *info)
{
    json_t *object = json_object();
    afd_cli_json_set(object, "name", info->name[0] != '\0' ? afd_cli_json_text(info->name) : json_null());
    afd_cli_json_set(object, "valid", json_boolean(info->valid));
    afd_cli_json_set(object, "problem", info->valid ? json_null() : afd_cli_json_text(info->problem));
    afd_cli_json_set(object, "file_bytes", afd_cli_json_u64(info->file_bytes));
    if (!info->valid) {
        return object;
    }
    afd_cli_json_set(object, "kind", json_string(afd_cli_window_kind(info->kind)));
    afd_cli_json_set(object, "owner_pid", json_integer(info->owner_pid));
    afd_cli_json_set(object, "owner_state", json_string(afd_cli_owner_state(info->owner)));
    afd_cli_json_set(object, "replaced_pid",
                     info->replaced_pid != 0 ? json_integer(info->replaced_pid) : json_null());
    afd_cli_json_set(object, "created_unix_ns", json_integer(info->created_unix_ns));
    afd_cli_json_set(object, "generation", afd_cli_json_u64(info->generation));
    afd_cli_json_set(object, "shape", shape_json(&info->shape));
    afd_cli_json_set(object, "sizes", sizes_json(&info->sizes));
    return object;
}
