/* SPDX-License-Identifier: MIT
 *
 * See options.h. */
#include "options.h"
#include "traced_limits.h"

#include <errno.h>
#include <getopt.h>
#include <proto/filter.h>
#include <proto/quantity.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef TRACED_VERSION
#define TRACED_VERSION "unknown"
#endif

static const char help[] = "Usage: traced [OPTION]...\n"
                           "Collects the traces of this user's nodes and answers questions about them on a socket.\n"
                           "\n"
                           "  --socket PATH      where to listen (default: $P2PTRACE_SOCKET, else\n"
                           "                     $XDG_RUNTIME_DIR/p2ptrace/traced.sock, else\n"
                           "                     /tmp/p2ptrace-UID/traced.sock)\n"
                           "  --group GROUP      serve the members of GROUP, too; else only this user and root\n"
                           "  --history SIZE     memory for events and their indices, allocated at the\n"
                           "                     start (default 256MiB, minimum 60MiB)\n"
                           "  --keep FILTER      keep matching traces longer than others, in an eighth of\n"
                           "                     the history: --keep 'outcome == failed or took > 1s'\n"
                           "  --shm-dir DIR      where nodes' logs are (default: $P2PTRACE_SHM_DIR,\n"
                           "                     else /dev/shm)\n"
                           "  --read-only        only watch: change nothing in the rings and remove none;\n"
                           "                     another traced may drain them\n"
                           "  --record DIR       also write the events into DIR, as files that inspector can read\n"
                           "  --record-max SIZE  remove the oldest files when they exceed SIZE in total\n"
                           "  --record-age TIME  remove files that were written longer ago than TIME\n"
                           "  --record-seal TIME write events at this age, in small files; by default one\n"
                           "                     file per 65536 events (for fleets: 5s)\n"
                           "  --record-compress  compress all files but the newest few\n"
                           "  --log FILE         append the log to FILE, not to stderr; SIGHUP reopens it\n"
                           "  --log-level LEVEL  error, warn, info (default) or debug\n"
                           "  --pidfile FILE     write the process id to FILE while it serves\n"
                           "  --foreground       no effect: traced always stays in the foreground\n"
                           "  --check            print what it would do and what is wrong; change nothing\n"
                           "  --version          print the version and exit\n"
                           "  --help             print this and exit\n"
                           "\n"
                           "SIZE is a number and a unit: K, M, G or KiB, MiB, GiB (1024), KB, MB, GB (1000).\n"
                           "TIME is a number and a unit: s, m, h.\n"
                           "SIGTERM or SIGINT stops it; without --log, so does SIGHUP.\n"
                           "Exit codes: 0 stopped cleanly, 1 failure (or --check found one), 2 usage.\n";

int options_parse_bytes(const char *text, uint64_t *ret_bytes) {
    static const struct {
        const char *name;
        double bytes;
    } units[] = {
        {"", 1},        {"B", 1},         {"K", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20}, {"MiB", 1 << 20},
        {"G", 1 << 30}, {"GiB", 1 << 30}, {"KB", 1e3},    {"MB", 1e6},      {"GB", 1e9},
    };
    /* strtod also takes signs, spaces, hex and "inf"; here a number begins with a digit. */
    size_t digits = strspn(text, "0123456789.");
    if (text[0] < '0' || text[0] > '9') return -EINVAL;
    char *end;
    double number = strtod(text, &end);
    if (end != text + digits) return -EINVAL;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, end) != 0) continue;
        double bytes = number * units[i].bytes;
        if (!(bytes < 9e18)) return -EINVAL;
        *ret_bytes = (uint64_t)bytes;
        return 0;
    }
    return -EINVAL;
}

/* The same rule as in the nodes (libtrace/node/log.c), so that both use the same directory. */
static const char *default_shm_dir(void) {
    const char *directory = getenv("P2PTRACE_SHM_DIR");
    return directory && *directory ? directory : "/dev/shm";
}

static enum options_verdict wrong(FILE *err, const char *what, const char *text) {
    fprintf(err, "traced: %s%s (try --help)\n", what, text);
    return OPTIONS_WRONG;
}

/* Is it a valid filter of traces?  Its names may belong to future nodes. */
static bool check_filter(const char *option, const char *text, FILE *err) {
    struct trace_filter_options options = {.mode = TRACE_FILTER_TRACES};
    struct trace_filter_error error;
    struct trace_filter *filter;
    int result = trace_filter_compile(&filter, text, strlen(text), &options, &error);
    if (!result) trace_filter_destroy(filter);
    if (result == -EINVAL && error.suggestion[0])
        fprintf(err, "traced: %s, at byte %zu: %s; did you mean \"%s\"? (try --help)\n", option, error.position, error.reason,
                error.suggestion);
    else if (result == -EINVAL)
        fprintf(err, "traced: %s, at byte %zu: %s (try --help)\n", option, error.position, error.reason);
    return result != -EINVAL;
}

/* A time above 0, with its unit. */
static int parse_time(const char *text, uint64_t *ret_ns) {
    struct trace_quantity quantity;
    if (trace_quantity_parse(text, &quantity) || quantity.unit != TRACE_UNIT_TIME || !quantity.value) return -EINVAL;
    *ret_ns = quantity.value;
    return 0;
}

/* The value of the option that getopt has just parsed. */
static bool read_time(const char *complaint, uint64_t least_ns, uint64_t *ret_ns, FILE *err) {
    if (!parse_time(optarg, ret_ns) && *ret_ns >= least_ns) return true;
    (void)wrong(err, complaint, optarg);
    return false;
}

static bool shapes_recordings(const struct options *options) {
    return options->record_bytes_max || options->record_age_ns || options->record_seal_ns || options->record_compress;
}

enum {
    SOCKET = 256,
    HISTORY,
    KEEP,
    SHM_DIR,
    LOG,
    LOG_LEVEL,
    PIDFILE,
    GROUP,
    READ_ONLY,
    CHECK,
    FOREGROUND,
    VERSION,
    HELP,
    RECORD,
    RECORD_MAX,
    RECORD_AGE,
    RECORD_SEAL,
    RECORD_COMPRESS
};
static const struct option table[] = {
    {"socket", required_argument, NULL, SOCKET},
    {"history", required_argument, NULL, HISTORY},
    {"keep", required_argument, NULL, KEEP},
    {"shm-dir", required_argument, NULL, SHM_DIR},
    {"record", required_argument, NULL, RECORD},
    {"record-max", required_argument, NULL, RECORD_MAX},
    {"record-age", required_argument, NULL, RECORD_AGE},
    {"record-seal", required_argument, NULL, RECORD_SEAL},
    {"record-compress", no_argument, NULL, RECORD_COMPRESS},
    {"log", required_argument, NULL, LOG},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"pidfile", required_argument, NULL, PIDFILE},
    {"group", required_argument, NULL, GROUP},
    {"read-only", no_argument, NULL, READ_ONLY},
    {"check", no_argument, NULL, CHECK},
    {"foreground", no_argument, NULL, FOREGROUND},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

enum options_verdict options_parse(struct options *ret_options, int argc, char **argv, FILE *out, FILE *err) {
    struct options options = {
        .shm_dir = default_shm_dir(), .history_bytes = LIMIT_HISTORY_BYTES_DEFAULT, .log_level = LOG_LEVEL_INFO};
    optind = 0; /* glibc: start over, even for a second call */
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":", table, NULL)) != -1;) {
        switch (option) {
        case SOCKET: options.socket = optarg; break;
        case LOG: options.log = optarg; break;
        case PIDFILE: options.pidfile = optarg; break;
        case GROUP: options.group = optarg; break;
        case READ_ONLY: options.read_only = true; break;
        case CHECK: options.check = true; break;
        case FOREGROUND: break;
        case SHM_DIR: options.shm_dir = optarg; break;
        case HISTORY:
            if (options_parse_bytes(optarg, &options.history_bytes)) return wrong(err, "--history is not a size: ", optarg);
            break;
        case KEEP:
            if (!check_filter("--keep", optarg, err)) return OPTIONS_WRONG;
            options.keep = optarg;
            break;
        case RECORD: options.record = optarg; break;
        case RECORD_COMPRESS: options.record_compress = true; break;
        case RECORD_MAX:
            if (options_parse_bytes(optarg, &options.record_bytes_max) || !options.record_bytes_max)
                return wrong(err, "--record-max is not a size: ", optarg);
            break;
        case RECORD_AGE:
            if (!read_time("--record-age is not a duration like 30m or 24h: ", 1, &options.record_age_ns, err))
                return OPTIONS_WRONG;
            break;
        case RECORD_SEAL:
            if (!read_time("--record-seal is not a duration of at least 1s, like 5s: ", LIMIT_RECORD_SEAL_NS_MIN,
                           &options.record_seal_ns, err))
                return OPTIONS_WRONG;
            break;
        case LOG_LEVEL: {
            int level = log_level_by_name(optarg);
            if (level < 0) return wrong(err, "--log-level is not error, warn, info or debug: ", optarg);
            options.log_level = (enum log_level)level;
            break;
        }
        case VERSION: fprintf(out, "traced %s\n", TRACED_VERSION); return OPTIONS_DONE;
        case HELP: fputs(help, out); return OPTIONS_DONE;
        case ':': return wrong(err, "this option needs a value: ", argv[optind - 1]);
        default: return wrong(err, "unknown or misused option: ", argv[optind - 1]);
        }
    }
    if (optind < argc) return wrong(err, "unexpected argument: ", argv[optind]);
    if (!options.record && shapes_recordings(&options))
        return wrong(err, "--record-max, --record-age, --record-seal and --record-compress need --record DIR", "");
    *ret_options = options;
    return OPTIONS_RUN;
}
