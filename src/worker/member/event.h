/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the observer, and the checks of the options that both sides have. */
#ifndef AFD_WORKER_MEMBER_EVENT_H
#define AFD_WORKER_MEMBER_EVENT_H

#include "afd/member.h"

/* `event` with the sentence that `format` makes; nothing without an observer. Called by the worker's thread, without any
 * lock, so that the observer may call what it likes. */
__attribute__((cold, format(printf, 3, 4))) void afd__event_tell(const afd_member_options *options, afd_event event,
                                                                 const char *format, ...);

/* An event about nobody's micro-batch. */
afd_event afd__event_make(afd_event_kind kind, uint32_t peer);

afd_status afd__member_check_options(const afd_member_options *options, afd_error *error);

#endif
