/* SPDX-License-Identifier: MIT */
#include "program.h"

#include "allocation.h"
#include "command.h"
#include "complete.h"
#include "config.h"
#include "help.h"
#include "man_page.h"
#include "nearest.h"
#include "pager.h"
#include "topics.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <proto/field.h>
#include <proto/filter.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* State that lives as long as the program. */
struct program {
    struct options options;
    struct config config;
    struct strbuf filters[2]; /* filters after saved ones were inserted */
};

/* ---- finding a command ---- */

/* Words that other tools use, or that come to mind, for our commands. */
static const struct {
    const char *words, *command;
} elsewhere[] = {
    {" log tail watch ", "follow"},
    {" events last ", "recent"},
    {" list ls search find ", "traces --where FILTER"},
    {" show graph span spans ", "trace ID --graph"},
    {" failed failures errors ", "traces --where 'outcome == failed'"},
    {" slow slowest latency ", "traces --order slowest"},
    {" why problems loss ", "analyze"},
    {" check status health ", "doctor"},
    {" ps processes ", "nodes"},
    {" links connections ", "peers"},
    {" compare ", "diff ID ID"},
    {" query select ", "sql"},
    {" dump ", "export"},
    {" save capture ", "record"},
    {" metrics counters ", "stats"},
    {" version ", "--version"},
};

static const char *command_elsewhere(const char *name) {
    char word[24];
    if (!*name || strchr(name, ' ') || snprintf(word, sizeof word, " %s ", name) >= (int)sizeof word) return NULL;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strstr(elsewhere[i].words, word)) return elsewhere[i].command;
    return NULL;
}

static int unknown_command(const char *name, struct failure *failure) {
    struct nearest nearest = nearest_to(name);
    const char *known = command_elsewhere(name);
    if (known) return failure_set(failure, EXIT_USAGE, "there is no command %s; try inspector %s", name, known);
    for (size_t i = 0; i < command_count; i++) nearest_look(&nearest, command_table[i].name);
    if (nearest.word) return failure_set(failure, EXIT_USAGE, "there is no command %s; did you mean %s?", name, nearest.word);
    return failure_set(failure, EXIT_USAGE, "there is no command %s; see inspector help", *name ? name : "\"\"");
}

/* ---- running ---- */

/* What is wrong with the arguments, and how they should be. */
static int wrong_arguments(const struct command *command, const char *wrong, struct failure *failure) {
    return failure_set(failure, EXIT_USAGE, "%s; usage: inspector %s%s%s; see inspector help %s", wrong, command->name,
                       command->args ? " " : "", command->args ? command->args : "", command->name);
}

static int check_arguments(const struct command *command, const struct options *options, struct failure *failure) {
    unsigned args = options->arg_count - 1;
    char name[32], before[32] = "", wrong[128];
    for (unsigned i = 0; i < args && i < command->args_max; i++) {
        argument_name(name, sizeof name, command->args, i);
        if (*options->args[i + 1]) continue;
        snprintf(wrong, sizeof wrong, "%s: %s is empty", command->name, name);
        return wrong_arguments(command, wrong, failure);
    }
    if (args > command->args_max) {
        const char *first = options->args[command->args_max + 1];
        snprintf(wrong, sizeof wrong, command->args_max ? "%s: %.64s is one argument too many" : "%s takes no argument: %.64s",
                 command->name, *first ? first : "\"\"");
        return wrong_arguments(command, wrong, failure);
    }
    if (args >= command->args_min) return 0;
    argument_name(name, sizeof name, command->args, args);
    if (args) argument_name(before, sizeof before, command->args, args - 1);
    snprintf(wrong, sizeof wrong, "%s: %s%s is missing", command->name, strcmp(before, name) ? "" : "the other ", name);
    return wrong_arguments(command, wrong, failure);
}

/* Options that say the same, or opposites. */
static int check_pairs(const struct options *options, struct failure *failure) {
    static const enum option pairs[][2] = {{OPTION_READ, OPTION_PID},
                                           {OPTION_FLEET, OPTION_READ},
                                           {OPTION_FLEET, OPTION_PID},
                                           {OPTION_SUMMARY, OPTION_GRAPH},
                                           {OPTION_SINCE, OPTION_RECENT}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (option_given(options, pairs[i][0]) && option_given(options, pairs[i][1]))
            return failure_set(failure, EXIT_USAGE, "--%s and --%s exclude each other: use one of them",
                               option_table[pairs[i][0]].spelling, option_table[pairs[i][1]].spelling);
    return 0;
}

/* Where answers come from. */
enum origin { FROM_TRACED = 1, FROM_PROCESS = 2, FROM_RECORDING = 4, FROM_FLEET = 8 };

static enum origin origin_of(const struct options *options) {
    return option_given(options, OPTION_READ)    ? FROM_RECORDING
           : option_given(options, OPTION_FLEET) ? FROM_FLEET
           : option_given(options, OPTION_PID)   ? FROM_PROCESS
                                                 : FROM_TRACED;
}

/* Options that only some sources can obey: for others they would do nothing, and nobody would know. */
static int check_origin(const struct command *command, const struct options *options, struct failure *failure) {
    static const struct {
        enum option option;
        unsigned origins;
        const char *whose, *needs;
    } table[] = {
        {OPTION_SOCKET, FROM_TRACED, "traced", NULL},
        {OPTION_WAIT, FROM_TRACED | FROM_FLEET, "traced, or a fleet", NULL},
        {OPTION_TIMEOUT, FROM_TRACED | FROM_FLEET, "traced, or a fleet", NULL},
        {OPTION_NO_CLOCK_CORRECTION, FROM_RECORDING | FROM_FLEET, "recordings, or a fleet", "--read or --fleet"},
        {OPTION_LOGIN, FROM_FLEET, "a fleet", "--fleet"},
        {OPTION_CA, FROM_FLEET, "a fleet", "--fleet"},
    };
    enum origin origin = origin_of(options);
    const char *chosen = origin == FROM_RECORDING ? "read" : origin == FROM_FLEET ? "fleet" : "pid";
    for (size_t i = 0; !command->offline && i < sizeof table / sizeof *table; i++) {
        const char *spelling = option_table[table[i].option].spelling;
        if (!option_given(options, table[i].option) || table[i].origins & origin) continue;
        if (origin == FROM_TRACED)
            return failure_set(failure, EXIT_USAGE, "--%s is for %s: it needs %s", spelling, table[i].whose, table[i].needs);
        return failure_set(failure, EXIT_USAGE, "--%s is for %s: it has no effect with --%s", spelling, table[i].whose, chosen);
    }
    return 0;
}

static int check_usage(const struct command *command, const struct options *options, struct failure *failure) {
    uint64_t wrong = options->given & ~command_options(command);
    if (check_arguments(command, options, failure)) return -1;
    if (!wrong && option_given(options, OPTION_SUMMARY) && !options_want_data(options))
        return failure_set(failure, EXIT_USAGE, "--summary is a line of --json; without it the last lines say the same");
    if (!wrong && (check_pairs(options, failure) || check_origin(command, options, failure))) return -1;
    if (!wrong) return 0;
    if (wrong & OPTION_BIT(FLEET))
        return failure_set(failure, EXIT_FAILED, "inspector %s needs live nodes: a fleet has none", command->name);
    if (wrong & OPTION_BIT(READ))
        return failure_set(failure, EXIT_FAILED, "inspector %s needs live nodes: a recording has none", command->name);
    if (!strcmp(command->name, "top") && wrong & OPTION_BIT(ONCE))
        return failure_set(failure, EXIT_USAGE,
                           "inspector top takes no --once: inspector requests, peers and nodes show it once");
    unsigned first = (unsigned)__builtin_ctzll(wrong);
    return failure_set(failure, EXIT_USAGE, "inspector %s takes no --%s; see inspector help %s", command->name,
                       option_table[first].spelling, command->name);
}

/* ---- the configuration ---- */

static bool is_command(const char *name) { return find_command(name); }

/* Inserts saved filters into an option or argument; *text then owns the result. */
static int expand_filter(const struct config *config, const char **filter, struct strbuf *text, struct failure *failure) {
    if (!*filter || !strchr(*filter, '@')) return 0;
    if (config_expand(config, *filter, text, failure)) return -1;
    *filter = strbuf_text(text);
    return 0;
}

/* Refuses a small duration without a unit (proto/filter.h).  Anything else that is wrong is for whoever answers to say, who
 * knows the names. */
static int check_units(const char *filter, struct failure *failure) {
    enum trace_filter_mode mode = TRACE_FILTER_EVENTS;
    int result = -EINVAL;
    for (; filter && result && mode <= TRACE_FILTER_TRACES; mode++) {
        struct trace_filter_options options = {.mode = mode};
        struct trace_filter_error error;
        struct trace_filter *compiled;
        if (trace_filter_compile(&compiled, filter, strlen(filter), &options, &error)) continue;
        trace_filter_destroy(compiled);
        options.typed = true;
        result = trace_filter_compile(&compiled, filter, strlen(filter), &options, &error);
        if (!result) trace_filter_destroy(compiled);
        if (result != -EINVAL) continue;
        failure_set_filter(failure, error.position, error.length, error.reason, error.suggestion);
        failure->filter.text = filter;
        return -1;
    }
    return 0;
}

/* The same for what --by groups by: "command,time/50". */
static int check_group_units(const char *fields, struct failure *failure) {
    for (size_t bytes; fields && *fields; fields += bytes + (fields[bytes] == ',')) {
        struct trace_filter_options options = {.typed = true};
        struct trace_filter_error error;
        struct trace_field *field;
        bytes = strcspn(fields, ",");
        int typed = trace_field_find(&field, fields, bytes, &options, &error);
        if (!typed) trace_field_destroy(field);
        if (typed != -EINVAL) continue;
        struct trace_filter_error other = {0};
        options.typed = false;
        int result = trace_field_find(&field, fields, bytes, &options, &other);
        if (!result) trace_field_destroy(field);
        if (result && !strcmp(error.reason, other.reason)) continue; /* whoever answers says what is wrong */
        return failure_set(failure, EXIT_USAGE, "--by %.*s: %s%s%s%s", (int)bytes, fields, error.reason,
                           *error.suggestion ? "; did you mean \"" : "", error.suggestion, *error.suggestion ? "\"?" : "");
    }
    return 0;
}

/* Applies the configuration: defaults of options, and saved filters in place of their names. */
static int configure(const struct command *command, struct program *program, struct failure *failure) {
    struct options *options = &program->options;
    uint64_t allowed = command->changes ? OPTIONS_COMMON : command_options(command);
    if (config_read(&program->config, is_command, failure)) return -1;
    if (config_apply(&program->config, options, command->name, allowed, failure)) return -1;
    if (expand_filter(&program->config, &options->texts[OPTION_WHERE], &program->filters[0], failure)) return -1;
    if (check_units(options->texts[OPTION_WHERE], failure) || check_group_units(options->texts[OPTION_BY], failure)) return -1;
    if (!command->takes_filter || options->arg_count < 2) return 0;
    if (expand_filter(&program->config, &options->args[1], &program->filters[1], failure)) return -1;
    return check_units(options->args[1], failure);
}

/* An older spelling of durations that still works. */
static void note_unitless(const struct options *options) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        char text[160];
        if (!(options->unitless >> i & 1)) continue;
        snprintf(text, sizeof text, "--%s %.32s has no unit, and is read as %.32ss", option_table[i].spelling, options->texts[i],
                 options->texts[i]);
        output_note(text);
    }
}

/* Turns what was found into an exit code: returns -1 with an empty failure, or 0. */
static int judge(const struct command *command, struct session *session) {
    enum outcome good = command->finds_faults ? OUTCOME_NOTHING : OUTCOME_FOUND;
    if (session->outcome == good) return 0;
    return failure_set(&session->failure, session->outcome == OUTCOME_UNJUDGED ? EXIT_UNJUDGED : EXIT_OTHERWISE, "%s", "");
}

static int run_command(const struct command *command, struct program *program, source_opener *opener, struct failure *failure) {
    struct session session;
    const struct options *options = &program->options;
    int result = check_usage(command, options, failure);
    if (!result) result = configure(command, program, failure);
    if (result) return result;
    note_unitless(options);
    result = session_init(&session, options, opener);
    session.config = &program->config;
    session.arguments = command->args;
    session.output.paged = command->paged && !option_given(options, OPTION_NO_PAGER);
    session.output.titled = command->list && session.view.header && !options_want_data(options) && !command->headed;
    if (!result && !command->own_format) result = session_use_list(&session, command->list);
    if (!result && !command->offline) result = session_open(&session, CALL_TIMEOUT_MS);
    if (!result) result = command->run(&session);
    if (!result && session.list) records_end(&session.output.records, &session.output.text);
    if (!result && memory_was_short()) result = session_out_of_memory(&session);
    if (!result) result = output_flush(&session.output);
    if (!result) inquiry_print_index(&session.inquiry);
    if (!result) inquiry_print_evicted(&session.inquiry);
    if (!result && option_given(options, OPTION_EXIT_CODE)) result = judge(command, &session);
    if (result && session.inquiry.source) session_suggest(&session);
    if (result) *failure = session.failure;
    session_fini(&session);
    return result;
}

/* ---- help ---- */

static int unknown_topic(const char *name, struct failure *failure) {
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < command_count; i++) nearest_look(&nearest, command_table[i].name);
    for (size_t i = 0; i < topic_count; i++) nearest_look(&nearest, topics[i].name);
    if (nearest.word)
        return failure_set(failure, EXIT_USAGE, "there is no command or topic %s; did you mean %s?", name, nearest.word);
    return failure_set(failure, EXIT_USAGE, "there is no command or topic %s; see inspector help", *name ? name : "\"\"");
}

/* At a terminal man shows the page; otherwise its source is written. */
static void show_man(const struct command *command) {
    if (isatty(STDOUT_FILENO)) (void)pager_begin_with((const char *[]){"man", "-l", "-", NULL});
    if (command)
        man_page_command(command);
    else
        man_page_all();
}

static int show_help(const struct options *options, const char *name, struct failure *failure) {
    const struct command *command = name ? find_command(name) : NULL;
    const struct topic *topic = name ? find_topic(name) : NULL;
    bool list_topics = name && !strcmp(name, "topics");
    if (name && strcmp(name, "help") != 0 && !command && !topic && !list_topics) return unknown_topic(name, failure);
    if (options->arg_count > 2)
        return failure_set(failure, EXIT_USAGE, "help: %.64s is one argument too many; usage: inspector help [COMMAND | TOPIC]",
                           options->args[2]);
    if (option_given(options, OPTION_MAN) && topic && !command)
        return failure_set(failure, EXIT_USAGE, "%s is a topic, and has no manual page: inspector help %s", name, name);
    if (option_given(options, OPTION_MAN)) {
        show_man(command);
        return 0;
    }
    struct winsize size = {0};
    bool terminal = isatty(STDOUT_FILENO);
    unsigned columns = terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : HELP_COLUMNS;
    if (columns > HELP_COLUMNS) columns = HELP_COLUMNS;
    if (terminal && !option_given(options, OPTION_NO_PAGER)) (void)pager_begin(false);
    if (command) help_command(stdout, command, columns);
    if (command && topic) fputc('\n', stdout);
    if (topic) help_topic(stdout, topic, columns);
    if (list_topics)
        help_topics(stdout, columns);
    else if (!command && !topic)
        help_all(stdout, columns);
    return 0;
}

static int run_words(struct program *program, source_opener *opener, struct failure *failure) {
    const struct options *options = &program->options;
    const char *name = options->arg_count ? options->args[0] : NULL;
    if (option_given(options, OPTION_VERSION)) {
        printf("inspector %s\n", P2PTRACE_VERSION);
        return 0;
    }
    if (option_given(options, OPTION_HELP)) return show_help(options, name, failure);
    if (!name) return failure_set(failure, EXIT_USAGE, "a command is missing; see inspector help");
    if (!strcmp(name, "help")) return show_help(options, options->arg_count > 1 ? options->args[1] : NULL, failure);
    const struct command *command = find_command(name);
    return command ? run_command(command, program, opener, failure) : unknown_command(name, failure);
}

/* filter: the text of the one that is wrong, or NULL. */
static void report_failure(const struct failure *failure, const char *filter) {
    struct strbuf place = {0};
    if (!*failure->text) return;
    if (failure->filter.is_wrong && filter) render_caret(&place, filter, failure->filter.position, failure->filter.length);
    fputs(strbuf_text(&place), stderr);
    strbuf_fini(&place);
    output_note(failure->text);
}

/* A socket must not get the descriptor of a closed standard stream: output would go there, and libuv aborts.  Read-only, so
 * that writing fails. */
static void fill_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) return; /* open takes the lowest free number */
}

static bool reader_has_gone(void) {
    struct pollfd output = {.fd = STDOUT_FILENO};
    return poll(&output, 1, 0) > 0 && output.revents & (POLLERR | POLLHUP);
}

int inspector_main(int argc, char **argv, source_opener *opener) {
    struct program program = {0};
    struct options *options = &program.options;
    struct failure failure = {.code = EXIT_OK};
    fill_standard_streams();
    memory_watch();
    signal(SIGPIPE, SIG_IGN); /* writing to a reader that has gone fails instead */
    if (argc > 1 && !strcmp(argv[1], "complete")) return complete_main(argc - 2, argv + 2, opener);
    int result = options_parse(options, argc, argv, &failure);
    if (!result) result = run_words(&program, opener, &failure);
    int unwritten = fflush(stdout) ? errno : !ferror(stdout) ? 0 : reader_has_gone() ? EPIPE : EIO;
    if (unwritten && !result) result = failure_of_write(&failure, "the output", unwritten);
    if (!result && memory_was_short()) result = failure_out_of_memory(&failure);
    const char *filter = failure.filter.text ? failure.filter.text : options->texts[OPTION_WHERE];
    if (result && filter) config_suggest(&program.config, filter, &failure);
    if (result) report_failure(&failure, filter);
    pager_end();
    for (unsigned i = 0; i < 2; i++) strbuf_fini(&program.filters[i]);
    config_fini(&program.config);
    return result ? (int)failure.code : EXIT_OK;
}
