/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses between hosts, "HOST:PORT": 10.0.0.2:7000, [fd00::2]:7000, ffn-0.cluster:7000. */
#ifndef AFD_TRANSPORT_UCX_ADDRESS_H
#define AFD_TRANSPORT_UCX_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "afd/status.h"

enum {
    AFD__ADDRESS_TEXT_BYTES = 320,
    AFD__HOST_TEXT_BYTES = 64, /* a numeric host, with the name of a device behind it */
    AFD__DEVICE_NAME_BYTES = 64
};

typedef struct afd__address {
    struct sockaddr_storage socket;
    socklen_t socket_bytes;
    char text[AFD__ADDRESS_TEXT_BYTES]; /* numeric, as "10.0.0.2:7000" or "[::1]:7000" */
} afd__address;

/* Whether a text is meant as an address and not as the name of a window, in which a colon cannot be. */
bool afd__address_is_one(const char *text);

/*
 * Parses and resolves, which may ask a name server and so may block. `to_listen`: ":PORT" and "*:PORT" are allowed, the
 * first is the loopback, the second every interface; port 0 is any that is free. AFD_ERR_INVALID names what is wrong;
 * AFD_ERR_NOT_FOUND for a host that nobody knows.
 */
afd_status afd__address_parse(const char *text, bool to_listen, afd__address *address, afd_error *error);

uint16_t afd__address_port(const afd__address *address);

/* The same host at another port. */
void afd__address_set_port(afd__address *address, uint16_t port);

/* The host of a socket's address as numbers, "10.0.0.2"; "" if it is none. Asks nobody. */
void afd__address_write_host(const struct sockaddr_storage *socket, char *text, size_t text_bytes);

bool afd__address_is_loopback(const afd__address *address);
bool afd__address_is_any(const afd__address *address);

bool afd__address_is_v6(const afd__address *address);

/* The network device that has a local address, or through which a remote one is reached; "" for every device (an
 * address that is_any). AFD_ERR_NOT_FOUND if there is none; AFD_ERR_INVALID for an address that UCX cannot use: [::1]
 * and link-local ones, over which it sends nothing, and [::], where a peer that comes by the other version of the
 * Internet Protocol than UCX has chosen for the device makes it write behind what it has allocated (1.13). */
afd_status afd__address_device(const afd__address *address, bool is_local, char *name, size_t name_bytes,
                               afd_error *error);

#endif
