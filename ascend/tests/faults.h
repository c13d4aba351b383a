/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and threads that fail when asked to, and a count of what is allocated. The programs that use it contain the
 * front's objects and are linked with --wrap, so the calls of the front come here.
 */
#ifndef AFD_ASCEND_TESTS_FAULTS_H
#define AFD_ASCEND_TESTS_FAULTS_H

/* The calloc after `skipped` more of this thread fails, once. */
void faults_fail_calloc_after(int skipped);

/* The next pthread_create of this thread fails, once. */
void faults_fail_next_thread(void);

/* Blocks from calloc that were not freed yet, in the whole process. */
long faults_live_blocks(void);

#endif
