/* SPDX-License-Identifier: Apache-2.0 */
/* Built where UCX's headers are not: there is no door between hosts then, either. */
#include "wire_rogue.h"

const char *wire_visit_text(wire_visit visit)
{
    (void)visit;
    return "";
}

wire_rogue *wire_rogue_create(const char *door, const void *secret, size_t secret_bytes, uint64_t seed)
{
    (void)door;
    (void)secret;
    (void)secret_bytes;
    (void)seed;
    return NULL;
}

void wire_rogue_free(wire_rogue *rogue)
{
    (void)rogue;
}

void wire_rogue_add_port(wire_rogue *rogue, uint16_t port)
{
    (void)rogue;
    (void)port;
}

void wire_rogue_visit(wire_rogue *rogue, wire_visit visit)
{
    (void)rogue;
    (void)visit;
}
