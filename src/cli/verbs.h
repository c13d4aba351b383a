/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the afd program. Each is called with its own name as argv[0] and getopt not yet begun, answers `--help`
 * with its usage on stdout, and returns the program's exit code (out.h). main() flushes stdout after it.
 */
#ifndef AFD_CLI_VERBS_H
#define AFD_CLI_VERBS_H

int afd_cmd_ls(int argc, char **argv);
int afd_cmd_inspect(int argc, char **argv);
int afd_cmd_top(int argc, char **argv);
int afd_cmd_metrics(int argc, char **argv);
int afd_cmd_dump(int argc, char **argv);
int afd_cmd_rm(int argc, char **argv);
#ifdef AFD_HAVE_RUN
int afd_cmd_run(int argc, char **argv);
#endif
int afd_cmd_bench(int argc, char **argv);
int afd_cmd_doctor(int argc, char **argv);

#endif
