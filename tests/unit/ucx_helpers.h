/* SPDX-License-Identifier: Apache-2.0 */
/* Posts in one process, progressed in turn as their descriptors say: what a test sees is what a keeper would. */
#ifndef UCX_HELPERS_H
#define UCX_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "transport/ucx/post.h"

enum { POST_MAX = 80, NO_UCX = 77 };

/* All that progress goes through. */
typedef struct post_world {
    afd__post *posts[POST_MAX];
    size_t post_num;
} post_world;

/* Whether there is UCX; says so on stderr where there is none. */
bool has_ucx(void);

/* A post at a free port of the loopback. */
afd__post *open_listening(post_world *world, uint32_t line_max);

/* A post that nobody can connect to. */
afd__post *open_calling(post_world *world, const afd__post *other);

/* Progresses every post whose descriptor is readable; waits for one for up to 20 ms. */
void pump(post_world *world);

/* The two ends of a new line: both have received something of the other's. */
typedef struct line_pair {
    afd__line *caller;
    afd__line *called;
} line_pair;
line_pair make_pair(post_world *world, afd__post *caller, afd__post *called);

/* Pumps until it is there. Fails the test after 20 seconds: only a hang reaches that. */
afd__line *await_caller(post_world *world, afd__post *post);
size_t await_packet(post_world *world, afd__line *line, void *packet, size_t capacity);
void await_broken(post_world *world, afd__line *line, afd_error *error);

/* Sends, pumping while too much is under way. */
void send_all(post_world *world, afd__line *line, const void *packet, size_t packet_bytes);

void close_world(post_world *world);

/* This program again, in a process of its own, with the address as its argument. -1 if there can be none. */
pid_t start_other_process(const afd__address *address);

/* Descriptors that this process has open. */
size_t count_descriptors(void);

#endif
