/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From which hosts connections are taken. UCX 1.13 ends the process over a connection whose first message lies in what
 * it says (CAVEATS.md), in the call that accepts it; who is turned away before that call does no such harm. An address
 * that a connection was made from is hard to forge, as answers go there. It says nothing about who is there.
 */
#ifndef AFD_TRANSPORT_UCX_ALLOW_H
#define AFD_TRANSPORT_UCX_ALLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "afd/status.h"

enum { AFD__ALLOW_MAX = 64 };

/* Addresses that agree in so many bits; those of IPv4 as IPv6 maps them. */
typedef struct afd__network {
    uint8_t bytes[16];
    uint32_t bit_num;
} afd__network;

typedef struct afd__allow {
    uint32_t num; /* 0: every host */
    afd__network networks[AFD__ALLOW_MAX];
} afd__allow;

/* "10.0.0.0/24,10.1.0.7,fd00::/64", of numbers alone; NULL: every host. AFD_ERR_INVALID says what is wrong with it. */
afd_status afd__allow_parse(const char *text, afd__allow *allow, afd_error *error);

bool afd__allow_has(const afd__allow *allow, const struct sockaddr_storage *address);

#endif
