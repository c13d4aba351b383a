/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the members of a campaign are: on one host, or each on one of its own, which is a network namespace that hangs
 * on a bridge. Nothing of it has a name outside of the campaign's own network, and the kernel takes it back when the
 * campaign ends. What is done to a network, tools do: ip and nft.
 */
#ifndef AFD_TEST_FAULT_NET_H
#define AFD_TEST_FAULT_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "fault_case.h"

enum { FAULT_ADDRESS_BYTES = 32 };

/* "shm", "ucx" or "hosts". */
bool fault_transport_parse(const char *word, fault_transport *transport);

/*
 * Once, before any process of the campaign is started. Over UCX it moves the campaign into a network of its own, if it
 * may; without one, the loopback of this host is used and fault_net_can_harm() is false. False, with why on stdout:
 * this machine cannot have the transport.
 */
bool fault_net_open(fault_transport transport);

/* Whether packets can be lost here: there is a network of our own, and nft. */
bool fault_net_can_harm(void);

/* Where an FFN worker listens: "127.0.0.1:7000". The same for one that is started again. */
void fault_net_door(uint32_t rank, char address[FAULT_ADDRESS_BYTES]);

/* In a member's process, first of all: goes to its host. */
void fault_net_enter(char side, uint32_t number);

/* Nothing comes in at the member's host and nothing goes out; and again it does. */
void fault_net_cut(char side, uint32_t number);
void fault_net_heal(char side, uint32_t number);

/* Of the packets that come in anywhere, 5 % are lost; and none again. */
void fault_net_lose(void);
void fault_net_lose_no_more(void);

#endif
