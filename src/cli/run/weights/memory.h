/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process could still have. */
#ifndef AFD_CLI_RUN_WEIGHTS_MEMORY_H
#define AFD_CLI_RUN_WEIGHTS_MEMORY_H

#include <stdint.h>

/*
 * The least of what the kernel calls available and of what is left to each control group that this process is in, of
 * either version; UINT64_MAX where neither is told. `root` is put before the paths in /proc and /sys: "" for this host.
 */
uint64_t run_memory_available(const char *root);

#endif
