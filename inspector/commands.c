/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EVENT_FILTERS (OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(PEER) | OPTION_BIT(TRACE))
#define TIMES (OPTION_BIT(FROM) | OPTION_BIT(TO))

static const struct command commands[] = {
    {"nodes", "", 0, 0, 0, run_nodes, "the nodes that traced knows, and what was lost of them",
     "emitted = indexed + lost for a node that has been read to its end."},
    {"peers", "", 0, 0, OPTION_BIT(NODE), run_peers, "the peers: rtt, loss, bytes",
     "What all nodes say about each peer, or --node alone."},
    {"traces", "", 0, 0, OPTION_BIT(LIMIT) | OPTION_BIT(APP) | TIMES, run_traces, "the newest traces and how they ended",
     "Outcomes: ok, failed, open (a part has not ended), none (no request of an application).\n20 traces unless --limit says "
     "otherwise."},
    {"trace", "ID", 1, 1, OPTION_BIT(ALL) | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN), run_trace,
     "one request across its nodes, in time order",
     "ID is the beginning of a trace id.  A line tells the time since the trace began, the gap since the event before it, the\n"
     "node, its peer (-> to it, <- from it) and the event, indented by hop: > a part of the request begins, < it ends.\n"
     "Long gaps are marked *; !! marks events that were lost before traced could read them."},
    {"peer", "PEER", 1, 1, OPTION_BIT(LIMIT) | OPTION_BIT(KIND) | OPTION_BIT(NODE) | OPTION_BIT(EXPLAIN) | TIMES, run_peer,
     "one peer, and its latest events", "PEER is a name or the beginning of an id.  20 events unless --limit says otherwise."},
    {"recent", "[N]", 0, 1, EVENT_FILTERS | OPTION_BIT(EXPLAIN) | TIMES, run_recent, "the newest N events",
     "N is 20 unless given.  The newest comes last."},
    {"range", "FROM TO", 2, 2, EVENT_FILTERS | OPTION_BIT(LIMIT) | OPTION_BIT(EXPLAIN), run_range, "the events of a time",
     "FROM is included, TO is not.  Times: -5s (units ns us ms s m h), now, 12:00:03.5 (the last such moment),\n"
     "2026-01-31T12:00:00.5Z, Unix microseconds."},
    {"follow", "", 0, 0, EVENT_FILTERS | OPTION_BIT(RECENT) | OPTION_BIT(COUNT) | OPTION_BIT(FOR), run_follow,
     "events as they come",
     "Ends with Ctrl-C, --count, --for, or when whoever reads its output goes away.  When traced goes away it ends too (exit\n"
     "code 1), or with --wait connects again.  With --json, {\"missed\":N} tells events that were not read fast enough."},
    {"control", "", 0, 0, OPTION_BIT(NODE) | OPTION_BIT(KINDS) | OPTION_BIT(SAMPLE) | OPTION_BIT(RESET), run_control,
     "what the live nodes emit, and change it",
     "Without --kinds, --sample and --reset it changes nothing.  Kinds are chosen alone, or traces, or both; what is not given "
     "stays.\n"
     "Which traces are kept follows from their ids, so that all nodes keep the same; events without a trace stay.  Nodes that\n"
     "are started later begin with what their program says.  The setting outlives traced."},
    {"stats", "", 0, 0, 0, run_stats, "traced's own counters", ""},
    {"apps", "", 0, 0, 0, run_apps, "the applications that nodes registered", ""},
    {"rpc", "METHOD [PARAMS]", 1, 2, 0, run_rpc, "any method of the socket",
     "PARAMS is a JSON object: inspector rpc query '{\"limit\":1}'"},
    {"export", "ID", 1, 1, OPTION_BIT(OUTPUT) | OPTION_BIT(EXPLAIN), run_export, "all events of a trace as one JSON document",
     "{\"export\":1, \"trace_id\", \"exported\", \"traced\", \"events\":[...], \"gaps\":[...], \"lost\", \"nodes\":[...], "
     "\"apps\":[...]}"},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* ---- help ---- */

static void help_options(FILE *out, uint64_t bits) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        char spelling[32];
        const struct option_info *option = &option_table[i];
        if (!(bits >> i & 1)) continue;
        bool space = option->value[0] && option->value[0] != '[';
        snprintf(spelling, sizeof spelling, "--%s%s%s", option->spelling, space ? " " : "",
                 option->type == VALUE_NONE ? "" : option->value);
        fprintf(out, "  %-19s %s\n", spelling, option->help);
    }
}

static void help_all(FILE *out) {
    fprintf(out, "usage: inspector COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s %s", commands[i].name, commands[i].args);
        fprintf(out, "  %-19s %s\n", line, commands[i].summary);
    }
    fprintf(out, "  %-19s %s\n\n", "help [COMMAND]", "this, or a command with its own options");
    fprintf(out, "options of every command:\n");
    help_options(out, OPTIONS_COMMON);
    fprintf(out, "\nexit codes: 0 done; 1 refused, not found, or the connection was lost; 2 wrong usage; 3 no traced there\n");
}

static void help_command(FILE *out, const struct command *command) {
    fprintf(out, "usage: inspector %s %s%s[OPTIONS]\n%s\n", command->name, command->args, *command->args ? " " : "",
            command->summary);
    if (*command->help) fprintf(out, "\n%s\n", command->help);
    if (command->options) fprintf(out, "\n");
    help_options(out, command->options);
    fprintf(out, "\noptions of every command:\n");
    help_options(out, OPTIONS_COMMON);
}

/* ---- finding a command ---- */

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(commands[i].name, name)) return &commands[i];
    return NULL;
}

/* Letters to add, take away or change (the edit distance), for names up to 15 letters; 99 for longer ones. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[16];
    size_t a_count = strlen(a), b_count = strlen(b);
    if (a_count > 15 || b_count > 15) return 99;
    for (unsigned j = 0; j <= b_count; j++) row[j] = j;
    for (unsigned i = 1; i <= a_count; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_count; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[b_count];
}

static int unknown_command(const char *name, struct failure *failure) {
    const struct command *nearest = commands;
    for (size_t i = 1; i < COMMAND_COUNT; i++)
        if (distance(name, commands[i].name) < distance(name, nearest->name)) nearest = &commands[i];
    if (distance(name, nearest->name) <= 2)
        return failure_set(failure, EXIT_USAGE, "there is no command %s; did you mean %s?", name, nearest->name);
    return failure_set(failure, EXIT_USAGE, "there is no command %s; see inspector help", name);
}

/* ---- running ---- */

static int check_usage(const struct command *command, const struct options *options, struct failure *failure) {
    unsigned args = options->arg_count - 1;
    uint64_t wrong = options->given & ~(command->options | OPTIONS_COMMON);
    if (args < command->args_min || args > command->args_max)
        return failure_set(failure, EXIT_USAGE, "usage: inspector %s%s%s; see inspector help %s", command->name,
                           *command->args ? " " : "", command->args, command->name);
    if (!wrong) return 0;
    unsigned first = (unsigned)__builtin_ctzll(wrong);
    return failure_set(failure, EXIT_USAGE, "inspector %s takes no --%s; see inspector help %s", command->name,
                       option_table[first].spelling, command->name);
}

static int run_command(const struct command *command, const struct options *options, struct failure *failure) {
    struct session session;
    int result = check_usage(command, options, failure);
    if (result) return result;
    result = session_init(&session, options);
    if (!result) result = session_connect(&session);
    if (!result) result = command->run(&session);
    if (!result) result = session_flush(&session);
    if (!result) session_explain(&session);
    if (result) *failure = session.failure;
    session_fini(&session);
    return result;
}

static int help(const struct options *options, const char *topic, struct failure *failure) {
    const struct command *command = topic ? find_command(topic) : NULL;
    if (topic && strcmp(topic, "help") != 0 && !command) return unknown_command(topic, failure);
    if (options->arg_count > 2) return failure_set(failure, EXIT_USAGE, "usage: inspector help [COMMAND]");
    if (command)
        help_command(stdout, command);
    else
        help_all(stdout);
    return 0;
}

static int run(const struct options *options, struct failure *failure) {
    const char *name = options->arg_count ? options->args[0] : NULL;
    if (option_given(options, OPTION_VERSION)) {
        printf("inspector %s\n", P2PTRACE_VERSION);
        return 0;
    }
    if (option_given(options, OPTION_HELP)) return help(options, name, failure);
    if (!name) return failure_set(failure, EXIT_USAGE, "a command is missing; see inspector help");
    if (!strcmp(name, "help")) return help(options, options->arg_count > 1 ? options->args[1] : NULL, failure);
    const struct command *command = find_command(name);
    return command ? run_command(command, options, failure) : unknown_command(name, failure);
}

/* The reason may quote what traced or a node said. */
static void tell(const struct failure *failure) {
    struct strbuf line = {0};
    if (!*failure->text) return;
    text_untrusted(&line, failure->text, strlen(failure->text), sizeof failure->text);
    fprintf(stderr, "inspector: %s\n", strbuf_text(&line));
    strbuf_fini(&line);
}

int inspector_main(int argc, char **argv) {
    struct options options;
    struct failure failure = {.code = EXIT_OK};
    int result = options_parse(&options, argc, argv, &failure);
    if (!result) result = run(&options, &failure);
    if (fflush(stdout) && !result) result = failure_set(&failure, EXIT_FAILED, "cannot write to the output");
    if (result) tell(&failure);
    return result ? (int)failure.code : EXIT_OK;
}
