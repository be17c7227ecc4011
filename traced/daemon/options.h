/* SPDX-License-Identifier: MIT
 *
 * The command line of traced. */
#ifndef TRACED_OPTIONS_H
#define TRACED_OPTIONS_H

#include "log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes: 0 a clean stop (or --help, --version), 1 it could not start or go on, 2 a command line that makes no sense. */
enum options_exit { OPTIONS_EXIT_OK = 0, OPTIONS_EXIT_FAILURE = 1, OPTIONS_EXIT_USAGE = 2 };

struct options {
    const char *socket; /* NULL: by the rules of proto/socket_path.h */
    const char *shm_dir;
    uint64_t history_bytes;
    const char *keep;                  /* a filter of traces to keep longer; NULL: none */
    const char *log, *pidfile, *group; /* NULL: none */
    const char *record;                /* NULL: nothing is recorded */
    uint64_t record_bytes_max;         /* 0: no limit */
    uint64_t record_age_ns;            /* 0: no limit */
    uint64_t record_seal_ns;           /* 0: when a segment is full */
    bool record_compress;
    bool read_only, check;
    enum log_level log_level;
};

/* What to do next. */
enum options_verdict { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads the command line.  --help and --version write to `out` and give OPTIONS_DONE; a mistake writes one sentence to `err`
 * and gives OPTIONS_WRONG.  Uses getopt_long, so only one thread may call it. */
enum options_verdict options_parse(struct options *ret_options, int argc, char **argv, FILE *out, FILE *err);

/* "256MiB": a number and a unit: K, M, G (or KiB, MiB, GiB) are powers of 1024, KB, MB, GB powers of 1000, B or nothing is
 * bytes; decimals are allowed.  Returns 0, or -EINVAL. */
int options_parse_bytes(const char *text, uint64_t *ret_bytes);

#endif
