/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb with workers does on signals. The library catches none; this is the program. */
#ifndef AFD_CLI_RUN_SIGNALS_H
#define AFD_CLI_RUN_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From now on the first SIGINT, SIGTERM or SIGHUP raises `stop`, and the second of any of them ends the program as
 * usual. One that was ignored when we were started, as nohup does, stays ignored. SIGCHLD becomes what it is by
 * default, so that the ends of children can be waited for.
 */
void run_signals_catch(int32_t *stop);

/* In a forked worker: leaves SIGINT and SIGHUP, which a terminal sends to everybody, to the parent. */
void run_signals_as_child(void);

/* Whether a signal asked for the end. */
bool run_signals_interrupted(void);

#endif
