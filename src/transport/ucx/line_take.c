/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in on a line, in the order in which it was sent. */
#include <stdlib.h>

#include "transport/ucx/line.h"

/* A copy of what came in; NULL, and the line is broken, where that is not to be had. */
static afd__packet *copy_packet(afd__line *line, const afd__packet_header *header, const void *content,
                                size_t content_bytes)
{
    if (content_bytes > AFD__POST_PACKET_BYTES) {
        afd__line_break(line, AFD__TROUBLE_SIZE, UCS_OK);
        return NULL;
    }
    if (header->kind == AFD__PACKET_CONTENT && line->inbox_num + line->early_num >= AFD__POST_INBOX_NUM) {
        afd__line_break(line, AFD__TROUBLE_FLOOD, UCS_OK);
        return NULL;
    }
    afd__packet *packet = afd__packet_make(line, (afd__packet_kind)header->kind, content, content_bytes);
    if (packet == NULL) {
        afd__line_break(line, AFD__TROUBLE_MEMORY, UCS_OK);
        return NULL;
    }
    packet->header = *header;
    return packet;
}

static void keep_in_inbox(afd__line *line, afd__packet *packet)
{
    packet->next = NULL;
    *line->inbox_end = packet;
    line->inbox_end = &packet->next;
    line->inbox_num++;
    afd__line_become_ready(line);
}

/* The packet whose turn it is; it is taken over. */
static void take_packet(afd__line *line, afd__packet *packet)
{
    line->taken_num++;
    if (packet->header.kind == AFD__PACKET_CONTENT && !line->is_closed && line->trouble == AFD__TROUBLE_NONE) {
        keep_in_inbox(line, packet);
        return;
    }
    if (packet->header.kind == AFD__PACKET_BYE) {
        line->owes_bye_back = true;
        afd__line_break(line, AFD__TROUBLE_BYE, UCS_OK);
    } else if (packet->header.kind == AFD__PACKET_BYE_BACK) {
        line->is_done = true;
    }
    free(packet);
}

/* The early one whose turn has come; NULL if there is none. */
static afd__packet *next_early(afd__line *line)
{
    afd__packet **place = &line->early_first;
    while (*place != NULL && (*place)->header.number != line->taken_num) {
        place = &(*place)->next;
    }
    afd__packet *packet = *place;
    if (packet != NULL) {
        *place = packet->next;
        line->early_num--;
    }
    return packet;
}

static bool is_early_already(const afd__line *line, uint32_t number)
{
    const afd__packet *packet = line->early_first;
    while (packet != NULL && packet->header.number != number) {
        packet = packet->next;
    }
    return packet != NULL;
}

void afd__line_take(afd__line *line, const afd__packet_header *header, const void *content, size_t content_bytes)
{
    if (line->peer_key == 0) {
        line->peer_key = header->key;
    }
    if (header->key == 0 || header->key != line->peer_key) {
        return;
    }
    const uint32_t ahead_num = header->number - line->taken_num; /* a distance, so that numbers may wrap */
    if (ahead_num > AFD__POST_INBOX_NUM || is_early_already(line, header->number)) {
        afd__line_break(line, AFD__TROUBLE_FLOOD, UCS_OK); /* nobody has so many under way, or sends one twice */
        return;
    }
    afd__packet *packet = copy_packet(line, header, content, content_bytes);
    if (packet == NULL) {
        return;
    }
    if (ahead_num > 0) {
        packet->next = line->early_first;
        line->early_first = packet;
        line->early_num++;
        return;
    }
    while (packet != NULL) {
        take_packet(line, packet);
        packet = next_early(line);
    }
}
