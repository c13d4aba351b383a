/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever has no business at a door between hosts, or does not behave there: bytes that are no handshake, half of one,
 * connections that say nothing, and clients of UCX that say what must not be said.
 */
#ifndef AFD_TEST_WIRE_ROGUE_H
#define AFD_TEST_WIRE_ROGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Name, and what it is. Handshakes with bytes that were changed are not among them: UCX 1.13 ends its process where the
 * length in front of one, or an address in it, cannot be (assertions in tcp_sockcm_ep.c and address.c), before we hear
 * of it. CAVEATS.md says so.
 */
#define WIRE_VISIT_MAP(X)                                                        \
    X(WIRE_BYTES, "random bytes")                                                \
    X(WIRE_HALF_OPEN, "connections that stay and say nothing")                   \
    X(WIRE_CUT_OFF, "UCX handshakes that are cut off")                           \
    X(WIRE_PACKETS, "guests that send random packets")                           \
    X(WIRE_QUIET_GUEST, "guests that say nothing and go")                        \
    X(WIRE_OTHER_SECRET, "guests with another secret")                           \
    X(WIRE_NO_SECRET, "guests without a secret")                                 \
    X(WIRE_OTHER_VERSION, "guests of another version, with the secret")          \
    X(WIRE_OTHER_SHAPE, "guests of another shape, with the secret")              \
    X(WIRE_OTHER_MESSAGES, "messages of UCX with random headers and lengths")    \
    X(WIRE_TOKENS, "messages of tokens with random fields")

typedef enum wire_visit {
#define WIRE_VISIT_ENUM(name, text) name,
    WIRE_VISIT_MAP(WIRE_VISIT_ENUM)
#undef WIRE_VISIT_ENUM
    WIRE_VISIT_NUM
} wire_visit;

const char *wire_visit_text(wire_visit visit);

typedef struct wire_rogue wire_rogue;

/* `door` is where an FFN worker listens, tokens come in at the port behind it; `secret` is the right one. NULL, with
 * why on stderr: UCX is not here. */
wire_rogue *wire_rogue_create(const char *door, const void *secret, size_t secret_bytes, uint64_t seed);
void wire_rogue_free(wire_rogue *rogue);

/* Another port of the same host that sockets go to: UCX listens at some of its own. */
void wire_rogue_add_port(wire_rogue *rogue, uint16_t port);

/* One visit of a kind. */
void wire_rogue_visit(wire_rogue *rogue, wire_visit visit);

#endif
