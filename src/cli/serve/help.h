/* SPDX-License-Identifier: Apache-2.0 */
/* What `afd ffn --help` and `afd attention --help` print. */
#ifndef AFD_CLI_SERVE_HELP_H
#define AFD_CLI_SERVE_HELP_H

/* What both sides must be told alike. */
#define SERVE_HELP_COMMON                                                                                             \
    "The same on both sides:\n"                                                                                       \
    "  --model NAME         hidden size, experts, top-k, layers (default deepseek-v2-lite; --list-models)\n"          \
    "  --layers N           of the model (default all of them)\n"                                                     \
    "  --sessions S         places that an FFN worker has for attention workers (default 4)\n"                        \
    "  --micro-batches M    in flight per session (default 3)\n"                                                      \
    "  --batch B            tokens of a micro-batch (default 32)\n"                                                   \
    "  --sync-group G|all   sessions that must be ready together (default all); G divides --sessions\n"               \
    "  --copies N           FFN workers that have each routed expert (default 1)\n"                                   \
    "  --quantize           tokens travel as int8 with a scale each, instead of bf16\n"                               \
    "  --experts real|check computed from weights (default), or cheap ones whose every result is known\n"             \
    "  --weights SIZE|full  of the pool of expert weights (default 256MiB)\n"                                         \
    "  --seed N             of weights, gate and tokens (default 1)\n"                                                \
    "  --list-models        prints the shapes that are known\n"

static const char serve_help_ffn[] =
    "usage: afd ffn --name NAME [OPTION]...\n"
    "\n"
    "An FFN worker: opens a window under a name and serves the attention workers that join it, until it is asked to\n"
    "end. They come and go as they like, before it or after it. Says on stderr who comes, goes, is late or is lost,\n"
    "and on stdout at the end what it has done.\n"
    "\n"
    "  --name NAME          of its window, by which attention workers find it\n"
    "  --listen HOST:PORT   sessions of other hosts join here, over UCX; :PORT is the loopback, *:PORT is every\n"
    "                       interface; tokens come in at PORT + 1\n"
    "  --token-file FILE    what both sides must know; without it only the loopback can be listened at\n"
    "  --allow NET[,NET]... sessions of other hosts join from these only: 10.0.0.0/24, 10.1.0.7 (default: from all)\n"
    "  --rank R             which of several FFN workers it is, from 0 (default 0)\n"
    "  --ffn F              how many there are, which share the experts (default 1)\n"
    "  --fair               in groups, go round the micro-batches instead of lowest first\n"
    "  --dead SECONDS       how long a peer may give no sign of life before it is lost (default 2)\n"
    "  --deadline SECONDS   how long a session may keep the others of its group waiting (default 10)\n"
    "  --on-deadline WHAT   drop that session (default), wait for it, or stop\n"
    "  --wait HOW           backoff (default), yield or spin\n"
    "  --json               the summary as one JSON object\n"
    "  --help\n"
    "\n"
    SERVE_HELP_COMMON
    "\n"
    "SIGTERM and SIGINT: it admits nobody any more, answers until the sessions have left, and ends; the second ends\n"
    "it at once. Exit status: 0 it was asked to end; 2 usage; 3 the system or a window refused; 4 a session was late\n"
    "and --on-deadline is stop.\n";

static const char serve_help_attention[] =
    "usage: afd attention --connect NAME|HOST:PORT[,...] [OPTION]...\n"
    "\n"
    "An attention worker: joins FFN workers by their names, on other hosts by their addresses, waits for those that\n"
    "are not there yet, and sends its tokens through all layers. Where an FFN worker is lost it says who, joins anew\n"
    "and sends again what was lost. Results are held against a reference. Ends with where the time went, and whether\n"
    "everything was right.\n"
    "\n"
    "  --connect NAMES      the FFN workers' names or addresses, by rank, with commas\n"
    "  --token-file FILE    what FFN workers of other hosts want to hear\n"
    "  --session N|any      its place at the FFN workers (default any that is free)\n"
    "  --name NAME          of its own window (default attention-PID)\n"
    "  --steps N            decode steps, each through all layers (default 4)\n"
    "  --minutes N          instead: so many minutes\n"
    "  --verify sample|full compute a seeded sample of rows again (default), or every row, which takes long\n"
    "  --dead SECONDS       how long a peer may give no sign of life before it is lost (default 2)\n"
    "  --deadline SECONDS   how long results may take (default 10)\n"
    "  --on-deadline WHAT   wait on and say who is late (default), rejoin, or stop\n"
    "  --wait HOW           backoff (default), yield or spin\n"
    "  --json               the summary as one JSON object\n"
    "  --help\n"
    "\n"
    SERVE_HELP_COMMON
    "\n"
    "SIGTERM and SIGINT: it collects what it has sent, leaves, and ends; the second ends it at once. Exit status: 0\n"
    "everything was right; 1 something was wrong; 2 usage; 3 the system, a window or an FFN worker refused; 4 results\n"
    "were late or an FFN worker stayed away, and --on-deadline is stop; 130 interrupted.\n";

#endif
