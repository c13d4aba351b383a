/* SPDX-License-Identifier: Apache-2.0 */
/* A program that speaks UCX and not our rules: a bare endpoint to a plane, over which anything can be sent. */
#ifndef PLANE_ROGUE_H
#define PLANE_ROGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "transport/ucx/library.h"
#include "transport/ucx/plane.h"
#include "transport/ucx/wire.h"

typedef struct plane_rogue {
    const afd__ucp *ucp;
    ucp_context_h context;
    ucp_worker_h worker;
    ucp_ep_h endpoint;
    bool has_failed;       /* the other end has closed the connection */
    uint32_t received_num; /* messages that came in; they are dropped */
    uint32_t flying_num;
    uint16_t message_number; /* of what it sends; that of tokens, until somebody changes it */
} plane_rogue;

/* Opens UCX, and connects; it is progressed by nobody but plane_rogue_progress(). */
void plane_rogue_open(plane_rogue *rogue);
void plane_rogue_connect(plane_rogue *rogue, const afd__address *address);
void plane_rogue_disconnect(plane_rogue *rogue);
void plane_rogue_close(plane_rogue *rogue);

void plane_rogue_progress(plane_rogue *rogue);

/* Sends; the memory stays as it is until the rogue is closed. */
void plane_rogue_send(plane_rogue *rogue, const void *header, size_t header_bytes, const void *payload,
                      size_t payload_bytes, unsigned int flags);

/* A header that a link of these options would send. */
afd__wire_header plane_rogue_header(const afd__link_options *options, afd__wire_kind kind);

#endif
