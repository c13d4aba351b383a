/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/member/event.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/error.h"

enum { TEXT_BYTES = 2 * AFD_ERROR_MESSAGE_BYTES };

void afd__event_tell(const afd_member_options *options, afd_event event, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    if (options->observer == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    event.text = text;
    options->observer(options->observer_arg, &event);
}

afd_event afd__event_make(afd_event_kind kind, uint32_t peer)
{
    return (afd_event){ .kind = kind, .peer = peer, .micro_batch = AFD_MICRO_BATCH_ANY, .layer_id = -1 };
}

const char *afd_event_kind_text(afd_event_kind kind)
{
    static const char *const texts[] = {
        [AFD_EVENT_JOINED] = "joined",
        [AFD_EVENT_LEFT] = "left",
        [AFD_EVENT_DROPPED] = "dropped",
        [AFD_EVENT_REJOINED] = "rejoined",
        [AFD_EVENT_REFUSED] = "refused",
        [AFD_EVENT_WILD_ID] = "wild id",
        [AFD_EVENT_LATE] = "late",
        [AFD_EVENT_LOST] = "lost",
        [AFD_EVENT_DRAINING] = "draining",
        [AFD_EVENT_RETURNED] = "returned",
    };
    unsigned int number = (unsigned int)kind;
    return number < sizeof(texts) / sizeof(texts[0]) ? texts[number] : "unknown event";
}

const char *afd_drop_reason_text(afd_drop_reason reason)
{
    static const char *const texts[] = {
        [AFD_DROP_NONE] = "no reason",
        [AFD_DROP_EXITED] = "its process has ended",
        [AFD_DROP_CLOSED] = "it closed its connection without a goodbye",
        [AFD_DROP_SILENT] = "it was silent for too long",
        [AFD_DROP_DEADLINE] = "it kept its sync group waiting past the deadline",
        [AFD_DROP_WILD_ID] = "it sent a wild expert id",
        [AFD_DROP_GARBAGE] = "it sent what is no message",
        [AFD_DROP_ASKED] = "the FFN worker was asked to",
    };
    unsigned int number = (unsigned int)reason;
    return number < sizeof(texts) / sizeof(texts[0]) ? texts[number] : "unknown reason";
}

static afd_status check_times(const afd_member_options *options, afd_error *error)
{
    afd_status status = afd__check_range("options.heartbeat_ns", options->heartbeat_ns, 1, UINT64_MAX / 4, error);
    if (status == AFD_OK) {
        status = afd__check_range("options.dead_ns", options->dead_ns, 2 * options->heartbeat_ns, UINT64_MAX / 2,
                                  error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.deadline_ns", options->deadline_ns, 1, UINT64_MAX / 2, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.drain_ns", options->drain_ns, 0, UINT64_MAX / 2, error);
    }
    return status;
}

/* A secret of no bytes would be one that everybody knows. */
static afd_status check_secret(const afd_member_options *options, afd_error *error)
{
    if (options->secret == NULL && options->secret_bytes > 0) {
        return afd__fail(error, AFD_ERR_INVALID, "options.secret", options->secret_bytes, 0,
                         "options.secret is null, and has %zu bytes", options->secret_bytes);
    }
    return options->secret == NULL ? AFD_OK
                                   : afd__check_range("options.secret_bytes", options->secret_bytes, 1,
                                                      AFD_SECRET_BYTES_MAX, error);
}

afd_status afd__member_check_options(const afd_member_options *options, afd_error *error)
{
    afd_status status = afd__check_not_null("options", options, error);
    if (status == AFD_OK) {
        status = afd__check_size("options.size", options->size, sizeof(*options), "AFD_MEMBER_OPTIONS_INIT", error);
    }
    if (status == AFD_OK) {
        status = check_times(options, error);
    }
    if (status == AFD_OK) {
        status = afd__check_range("options.on_deadline", (unsigned int)options->on_deadline, AFD_ON_DEADLINE_DROP,
                                  AFD_ON_DEADLINE_STOP, error);
    }
    if (status == AFD_OK) {
        status = check_secret(options, error);
    }
    return status;
}
