/* SPDX-License-Identifier: MIT
 *
 * The command line, parsed into values.  The command table says which command takes which option. */
#ifndef INSPECTOR_OPTIONS_H
#define INSPECTOR_OPTIONS_H

#include "failure.h"
#include "limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum option {
#define OPTION(NAME, spelling, value, type, help) OPTION_##NAME,
#define ALIAS(NAME, spelling)
#include "options.def"
    OPTION_COUNT_
};

/* Sets of options are bits. */
#define OPTION_BIT(NAME) (UINT64_C(1) << OPTION_##NAME)

/* Options of every command, and those of commands that ask a source. */
#define OPTIONS_COMMON                                                                                                        \
    (OPTION_BIT(SOCKET) | OPTION_BIT(WAIT) | OPTION_BIT(JSON) | OPTION_BIT(NO_HEADER) | OPTION_BIT(UTC) | OPTION_BIT(COLOR) | \
     OPTION_BIT(NO_PAGER) | OPTION_BIT(HELP) | OPTION_BIT(VERSION))
#define OPTIONS_SOURCE                                                                                                \
    (OPTION_BIT(TIMEOUT) | OPTION_BIT(PID) | OPTION_BIT(READ) | OPTION_BIT(NO_CLOCK_CORRECTION) | OPTION_BIT(FLEET) | \
     OPTION_BIT(LOGIN) | OPTION_BIT(CA))

/* The type of a value: how it is read, and what shells offer for it.  The types after TEXT are read like TEXT. */
enum value_type {
    VALUE_NONE,
    VALUE_COUNT,
    VALUE_COLOR,      /* one of option_words() */
    VALUE_ORDER,      /* likewise */
    VALUE_QLOG_NAMES, /* likewise */
    VALUE_DURATION,
    VALUE_SHARE,
    VALUE_SPEED,
    VALUE_SECONDS, /* may be omitted */
    VALUE_TEXT,
    VALUE_FILTER, /* saved ones are offered: @slow */
    VALUE_TIME,
    VALUE_KINDS, /* names separated by commas */
    VALUE_FIELDS,
    VALUE_FORMAT, /* of tables, or of export */
    VALUE_NODE,
    VALUE_PEER,
    VALUE_TRACE,
    VALUE_APP,
    VALUE_PID,     /* the process of a node */
    VALUE_METHOD,  /* of the socket */
    VALUE_ACTION,  /* of fleet; URLs follow */
    VALUE_SUBJECT, /* trace, node or peer; then which one */
    VALUE_FILE,
};

struct option_info {
    const char *spelling;
    const char *value; /* how help calls it; "" for none */
    enum value_type type;
    const char *help;
};

/* The words that an option of this type takes, up to a NULL; NULL if it takes any text. */
const char *const *option_words(enum value_type type);

extern const struct option_info option_table[OPTION_COUNT_];

struct options {
    const char *args[ARGS_MAX]; /* the first is the command */
    unsigned arg_count;
    uint64_t given;                   /* OPTION_BITs */
    uint64_t refused;                 /* given as --flag=no: no default may set them */
    uint64_t unitless;                /* durations given without a unit, and read as seconds */
    const char *texts[OPTION_COUNT_]; /* NULL when not given */
    uint64_t numbers[OPTION_COUNT_];  /* counts; or milliseconds, for durations and seconds */
    const char *reads[READS_MAX];     /* every --read, in order */
    size_t read_count;
};

/* Reads argv.  Everything is borrowed from it.  Returns 0, or -1 with the reason. */
int options_parse(struct options *ret_options, int argc, char **argv, struct failure *failure);

/* Records that an option was given, with its value (NULL: none).  Returns 0, or -1 if it was given too often. */
int options_note(struct options *options, enum option option, const char *value);

/* Does this word look like an option?  "-5s" is a time. */
bool is_option(const char *text);

/* The option that a word names, in any spelling, with the value in the same word (NULL: none): --limit=5, -n5.  OPTION_COUNT_
 * if it names none. */
enum option option_of_word(const char *word, const char **ret_value);

/* The option with that spelling, without dashes; OPTION_COUNT_ if there is none. */
enum option option_find(const char *spelling);

/* Sets an option as a default, unless the command line has it.  Returns 0, or -1 with the reason. */
int options_default(struct options *options, enum option option, const char *value, struct failure *failure);

/* The words of --format for tables, up to a NULL. */
extern const char *const format_words[];

static inline bool option_given(const struct options *options, enum option option) { return options->given >> option & 1; }

/* The number of an option, or `otherwise` if it was not given. */
static inline uint64_t option_number(const struct options *options, enum option option, uint64_t otherwise) {
    return option_given(options, option) ? options->numbers[option] : otherwise;
}

/* What a usage calls an argument: of "[FROM [TO]]" the first is FROM.  Further ones have the last name. */
void argument_name(char *name, size_t size, const char *arguments, unsigned index);

/* The file of -o; NULL: the standard output, which can also be given as "-". */
const char *option_output(const struct options *options);

/* Are rows wanted as data: --json, or --format csv, tsv or json? */
bool options_want_data(const struct options *options);

/* Reads a whole number.  Returns 0 or -1. */
int parse_count(const char *text, uint64_t *ret_count);

/* Reads a process id.  Returns 0 or -1. */
int parse_pid(const char *text, pid_t *ret_pid);

/* Reads a speed: "1x", "0.5x", "10".  Returns 0 or -1. */
int parse_speed(const char *text, double *ret_factor);

/* Reads a share, above 0 and at most 1: "1/100", "0.01", "1%".  Returns 0 or -1. */
int parse_share(const char *text, double *ret_share);

#endif
