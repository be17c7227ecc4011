/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(OPTION_COUNT_ <= 64, "options.given has a bit for each");

const struct option_info option_table[OPTION_COUNT_] = {
#define OPTION(NAME, spelling, value, type, help) {spelling, value, VALUE_##type, help},
#define ALIAS(NAME, spelling)
#include "options.def"
};

static const struct {
    enum option option;
    const char *spelling;
} aliases[] = {
#define OPTION(NAME, spelling, value, type, help)
#define ALIAS(NAME, spelling) {OPTION_##NAME, spelling},
#include "options.def"
};
#define ALIASES (sizeof aliases / sizeof *aliases)

const char *const format_words[] = {"table", "csv", "tsv", "json", NULL};

int parse_count(const char *text, uint64_t *ret_count) {
    if (!*text || strlen(text) > 18 || text[strspn(text, "0123456789")]) return -1;
    *ret_count = strtoull(text, NULL, 10);
    return 0;
}

int parse_pid(const char *text, pid_t *ret_pid) {
    uint64_t pid;
    if (parse_count(text, &pid) || pid < 1 || pid > INT32_MAX) return -1;
    *ret_pid = (pid_t)pid;
    return 0;
}

/* Reads "1.5s"; a number without a unit is in seconds.  Nothing may follow.  *ret_unitless: it has no unit and is not 0. */
static int parse_duration(const char *text, uint64_t *ret_ms, bool *ret_unitless) {
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
    double unit_ms = 1e3;
    char *end;
    if (!isdigit((unsigned char)*text) && *text != '.') return -1;
    errno = 0;
    double value = strtod(text, &end);
    if (errno || end == text || !(value >= 0)) return -1;
    *ret_unitless = !*end && value > 0;
    for (size_t i = 0; *end && i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) != 0) continue;
        unit_ms = units[i].ms;
        end += strlen(end);
    }
    if (*end || value * unit_ms > 1e15) return -1;
    *ret_ms = (uint64_t)(value * unit_ms);
    return 0;
}

int parse_share(const char *text, double *ret_share) {
    char *end;
    double share, divisor = 1;
    if (text[strspn(text, "0123456789./%")]) return -1; /* strtod reads more than that */
    share = strtod(text, &end);
    if (*end == '/' && isdigit((unsigned char)end[1])) {
        divisor = strtod(end + 1, &end);
    } else if (*end == '%') {
        divisor = 100;
        end++;
    }
    if (*end || !(share > 0) || !(share <= divisor)) return -1;
    *ret_share = share / divisor;
    return 0;
}

int parse_speed(const char *text, double *ret_factor) {
    char *end;
    if (text[strspn(text, "0123456789.x")]) return -1; /* strtod reads more than that */
    double factor = strtod(text, &end);
    if (end == text || strcmp(*end == 'x' ? end + 1 : end, "") != 0 || !(factor >= 1e-3) || !(factor <= 1e6)) return -1;
    *ret_factor = factor;
    return 0;
}

static int bad_value(enum option option, const char *value, const char *expected, struct failure *failure) {
    return failure_set(failure, EXIT_USAGE, "--%s %s: %s is expected", option_table[option].spelling, value, expected);
}

const char *const *option_words(enum value_type type) {
    static const char *const colors[] = {"auto", "always", "never", NULL};
    static const char *const orders[] = {"newest", "oldest", "slowest", NULL};
    static const char *const qlog_names[] = {"draft", "qvis", NULL};
    return type == VALUE_COLOR ? colors : type == VALUE_ORDER ? orders : type == VALUE_QLOG_NAMES ? qlog_names : NULL;
}

static int take_word(enum option option, const char *value, struct failure *failure) {
    char expected[96] = "";
    const char *const *words = option_words(option_table[option].type);
    struct nearest nearest = nearest_to(value);
    for (size_t i = 0; words[i]; i++) {
        if (!strcmp(words[i], value)) return 0;
        nearest_look(&nearest, words[i]);
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%s",
                 !i             ? ""
                 : words[i + 1] ? ", "
                                : " or ",
                 words[i]);
    }
    if (nearest.word)
        return failure_set(failure, EXIT_USAGE, "--%s %s: did you mean %s? There are %s", option_table[option].spelling, value,
                           nearest.word, expected);
    return bad_value(option, value, expected, failure);
}

int options_note(struct options *options, enum option option, const char *value) {
    options->given |= UINT64_C(1) << option;
    options->texts[option] = value;
    options->unitless &= ~(UINT64_C(1) << option);
    if (option != OPTION_READ || !value) return 0;
    if (options->read_count == READS_MAX) return -1;
    options->reads[options->read_count++] = value;
    return 0;
}

static int needs_value(enum option option, struct failure *failure) {
    return failure_set(failure, EXIT_USAGE, "--%s needs a value: %s", option_table[option].spelling, option_table[option].value);
}

/* Reads the value of an option (NULL: none), and stores it. */
static int take_value(struct options *options, enum option option, const char *value, struct failure *failure) {
    double share, factor;
    bool unitless = false;
    pid_t pid;
    if (value && !*value) return needs_value(option, failure);
    if (options_note(options, option, value))
        return failure_set(failure, EXIT_USAGE, "--%s can be given at most %u times", option_table[option].spelling, READS_MAX);
    switch (option_table[option].type) {
    case VALUE_COUNT:
        if (parse_count(value, &options->numbers[option]) || (option == OPTION_LIMIT && !options->numbers[option]))
            return bad_value(option, value, option == OPTION_LIMIT ? "a whole number from 1" : "a whole number", failure);
        return 0;
    case VALUE_DURATION:
        if (parse_duration(value, &options->numbers[option], &unitless))
            return bad_value(option, value, "a duration like 2s or 500ms", failure);
        if (option == OPTION_TIMEOUT && !options->numbers[option])
            return bad_value(option, value, "a duration of at least 1ms", failure);
        if (unitless) options->unitless |= UINT64_C(1) << option;
        return 0;
    case VALUE_SHARE:
        if (parse_share(value, &share)) return bad_value(option, value, "a share like 1/100, 0.01 or 1%, up to 1,", failure);
        return 0;
    case VALUE_SPEED:
        if (parse_speed(value, &factor)) return bad_value(option, value, "a factor like 1x, 10x or 0.5x", failure);
        return 0;
    case VALUE_SECONDS:
        options->numbers[option] = WAIT_FOREVER;
        if (value && parse_duration(value, &options->numbers[option], &unitless))
            return bad_value(option, value, "a number of seconds", failure);
        return 0;
    case VALUE_PID:
        if (parse_pid(value, &pid)) return bad_value(option, value, "a process id", failure);
        return 0;
    case VALUE_KINDS:
    case VALUE_FIELDS:
        if (!value[strspn(value, ",")]) return bad_value(option, value, "a list of names, with commas between them,", failure);
        return 0;
    case VALUE_COLOR:
    case VALUE_ORDER:
    case VALUE_QLOG_NAMES: return take_word(option, value, failure);
    default: return 0;
    }
}

/* ---- the command line ---- */

static enum option find_option(const char *name, size_t bytes) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++)
        if (!strncmp(option_table[i].spelling, name, bytes) && !option_table[i].spelling[bytes]) return (enum option)i;
    for (size_t i = 0; i < ALIASES; i++)
        if (!strncmp(aliases[i].spelling, name, bytes) && !aliases[i].spelling[bytes]) return aliases[i].option;
    return OPTION_COUNT_;
}

enum option option_find(const char *spelling) { return find_option(spelling, strlen(spelling)); }

enum option option_of_word(const char *word, const char **ret_value) {
    *ret_value = NULL;
    if (word[0] != '-') return OPTION_COUNT_;
    if (word[1] != '-') { /* a letter, maybe followed by its value */
        enum option option = find_option(word + 1, 1);
        bool joined = word[1] && word[2] && option != OPTION_COUNT_ && option_table[option].type != VALUE_NONE;
        if (joined) *ret_value = word + 2;
        return joined || (word[1] && !word[2]) ? option : OPTION_COUNT_;
    }
    const char *equals = strchr(word, '=');
    size_t bytes = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    if (bytes < 2) return OPTION_COUNT_; /* letters have one dash */
    *ret_value = equals ? equals + 1 : NULL;
    return find_option(word + 2, bytes);
}

/* Names of the same in other programs, or that users may try. */
static const struct {
    const char *spelling, *instead;
} elsewhere[] = {
    {"failed", "--where 'outcome == failed'"},
    {"failures", "--where 'outcome == failed'"},
    {"errors", "--where 'outcome == failed'"},
    {"slow", "--order slowest"},
    {"slowest", "--order slowest"},
    {"oldest", "--order oldest"},
    {"unfinished", "--where unfinished"},
    {"open", "--where unfinished"},
    {"lost", "--where packet_lost"},
    {"tail", "-n N"},
};

static int unknown_option(const char *word, struct failure *failure) {
    char name[64];
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (word[0] == '-' && word[1] == '-' && !strcmp(word + 2, elsewhere[i].spelling))
            return failure_set(failure, EXIT_USAGE, "unknown option %s; try %s", word, elsewhere[i].instead);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    struct nearest nearest = nearest_to(name + strspn(name, "-"));
    for (unsigned i = 0; i < OPTION_COUNT_; i++) nearest_look(&nearest, option_table[i].spelling);
    for (size_t i = 0; i < ALIASES; i++)
        if (strlen(aliases[i].spelling) > 1) nearest_look(&nearest, aliases[i].spelling);
    if (!nearest.word) return failure_set(failure, EXIT_USAGE, "unknown option %s; see inspector help", word);
    return failure_set(failure, EXIT_USAGE, "unknown option %s; did you mean --%s?", word,
                       option_table[option_find(nearest.word)].spelling);
}

/* --utc=no: as if it had not been given, and no default may set it. */
static int take_flag(struct options *options, enum option option, const char *value, struct failure *failure) {
    if (!value) return take_value(options, option, value, failure);
    if (strcmp(value, "no") != 0 && strcmp(value, "yes") != 0)
        return failure_set(failure, EXIT_USAGE, "--%s takes no value, or yes or no", option_table[option].spelling);
    if (!strcmp(value, "yes")) return take_value(options, option, NULL, failure);
    options->given &= ~(UINT64_C(1) << option);
    options->refused |= UINT64_C(1) << option;
    return 0;
}

/* Reads the option at argv[i].  Returns how many arguments it took, or -1. */
static int take_option(struct options *options, char **argv, int argc, int i, struct failure *failure) {
    const char *text = argv[i], *value;
    enum option option = option_of_word(text, &value);
    if (option == OPTION_COUNT_) return unknown_option(text, failure);
    enum value_type type = option_table[option].type;
    if (type == VALUE_NONE) return take_flag(options, option, value, failure) ? -1 : 1;
    bool next = type != VALUE_SECONDS && !value;
    if (next && i + 1 >= argc) return needs_value(option, failure);
    if (next) value = argv[i + 1];
    if (take_value(options, option, value, failure)) return -1;
    return next ? 2 : 1;
}

int options_default(struct options *options, enum option option, const char *value, struct failure *failure) {
    if ((options->given | options->refused) >> option & 1) return 0;
    if (option_table[option].type == VALUE_NONE) return take_flag(options, option, value, failure);
    return take_value(options, option, value, failure);
}

void argument_name(char *name, size_t size, const char *arguments, unsigned index) {
    *name = 0;
    while (arguments) {
        arguments += strspn(arguments, " []");
        size_t bytes = strcspn(arguments, " []");
        if (bytes) snprintf(name, size, "%.*s", (int)bytes, arguments);
        if (!bytes || !index--) return;
        arguments += bytes;
    }
}

const char *option_output(const struct options *options) {
    const char *path = options->texts[OPTION_OUTPUT];
    return path && strcmp(path, "-") != 0 ? path : NULL;
}

bool options_want_data(const struct options *options) {
    const char *format = options->texts[OPTION_FORMAT];
    return option_given(options, OPTION_JSON) || (format && strcmp(format, "table") != 0);
}

bool is_option(const char *text) { return text[0] == '-' && text[1] && !isdigit((unsigned char)text[1]) && text[1] != '.'; }

int options_parse(struct options *ret_options, int argc, char **argv, struct failure *failure) {
    struct options options = {0};
    bool only_args = false;
    for (int i = 1; i < argc;) {
        if (!only_args && !strcmp(argv[i], "--")) {
            only_args = true;
            i++;
        } else if (!only_args && is_option(argv[i])) {
            int taken = take_option(&options, argv, argc, i, failure);
            if (taken < 0) return -1;
            i += taken;
        } else if (options.arg_count < ARGS_MAX) {
            options.args[options.arg_count++] = argv[i++];
        } else {
            return failure_set(failure, EXIT_USAGE, "too many arguments at %s; see inspector help", argv[i]);
        }
    }
    *ret_options = options;
    return 0;
}
