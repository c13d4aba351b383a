/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of shared windows have in common: names nobody else uses, their files, and owners that die. */
#ifndef WINDOW_HELPERS_H
#define WINDOW_HELPERS_H

#include <stdint.h>
#include <sys/types.h>

#include "afd/window.h"

/* A small shape with an odd BS*E, so that descs lie at odd multiples of 4. */
extern const afd_shape small_shape;

/* A name of this process and run, "test-PID-suffix", in static memory that the next call reuses. */
const char *name_of(const char *suffix);

/* The file that a name stands for, in static memory that the next call reuses. */
const char *file_of(const char *name);

/* Writes `bytes` at `offset` of a window's file, as a broken or hostile program can; asserts that it could. */
void patch_file(const char *name, off_t offset, const void *bytes, size_t byte_num);

/* Whether the name stands for anything. */
int name_exists(const char *name);

/* A shared window in this process; asserts. */
afd_window *create_window(const char *name);

/* The generation of a window. */
uint64_t generation_of(const afd_window *window);

/*
 * Forks a child that creates the window and then lives until end_owner() or make_zombie(); returns when the window is
 * there, and asserts that it is.
 */
typedef struct child_owner {
    pid_t pid;
    int release_fd; /* the child goes when this closes */
} child_owner;

child_owner start_owner(const char *name);

/* Lets the child go without closing its window, and reaps it: the name stays, its owner is dead. */
void end_owner(child_owner owner);

/* Lets the child go and waits until it is a zombie; the caller reaps it. */
void make_zombie(child_owner owner);
void reap(pid_t pid);

/* A window whose owner is dead; returns the pid it had. */
pid_t make_dead_window(const char *name);

/* For cmocka, after a group: removes what a failed test left under the names of name_of(). */
int remove_leftovers(void **state);

#endif
