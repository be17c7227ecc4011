/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "nearest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPAND_DEPTH_MAX 16U
#define EXPANDED_BYTES_MAX 16384U

/* Options that no file may set: they act, choose what is asked, or change what the output is. */
#define NEVER_DEFAULT                                                                                                          \
    (OPTION_BIT(HELP) | OPTION_BIT(VERSION) | OPTION_BIT(RESET) | OPTION_BIT(SAMPLE) | OPTION_BIT(OUTPUT) | OPTION_BIT(PUSH) | \
     OPTION_BIT(PID) | OPTION_BIT(READ) | OPTION_BIT(JSON) | OPTION_BIT(EXEC))

/* ---- the file ---- */

static void find_path(struct config *config) {
    const char *own = getenv("P2PTRACE_CONFIG"), *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int bytes = 0;
    if (own)
        bytes = snprintf(config->path, sizeof config->path, "%s", own);
    else if (base && *base == '/')
        bytes = snprintf(config->path, sizeof config->path, "%s/p2ptrace/config", base);
    else if (home && *home == '/')
        bytes = snprintf(config->path, sizeof config->path, "%s/.config/p2ptrace/config", home);
    if (bytes < 0 || (size_t)bytes >= sizeof config->path) config->path[0] = 0;
}

static int refuse(const struct config *config, struct failure *failure, const char *why) {
    return failure_set(failure, EXIT_USAGE, "%s: %s", config->path, why);
}

/* A problem of the file as a whole. */
static int cannot_read(const struct config *config, struct failure *failure) {
    return failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", config->path, strerror(errno));
}

static int check_file(const struct config *config, const struct stat *status, struct failure *failure) {
    if (!S_ISREG(status->st_mode)) return refuse(config, failure, "is not a regular file");
    if (status->st_uid != geteuid() && status->st_uid != 0)
        return refuse(config, failure, "belongs to another user, and is not read");
    if (status->st_mode & (S_IWGRP | S_IWOTH))
        return refuse(config, failure, "others may write to it, so it is not read: chmod go-w");
    if (status->st_size > CONFIG_BYTES_MAX) return refuse(config, failure, "is longer than 65536 bytes");
    return 0;
}

/* Reads the whole file into config->text; it may not exist. */
static int read_file(struct config *config, struct failure *failure) {
    struct stat status;
    size_t have = 0;
    if (!config->path[0]) return 0;
    int fd = open(config->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (fd < 0 && errno == EACCES && stat(config->path, &status))
        return 0; /* we run as another user, and cannot see into this home */
    if (fd < 0) return cannot_read(config, failure);
    int result = fstat(fd, &status) ? cannot_read(config, failure) : check_file(config, &status, failure);
    config->text = result ? NULL : calloc(1, (size_t)status.st_size + 1);
    if (!result && !config->text) result = failure_out_of_memory(failure);
    while (!result && have < (size_t)status.st_size) {
        ssize_t got = read(fd, config->text + have, (size_t)status.st_size - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) result = cannot_read(config, failure);
        if (got <= 0) break;
        have += (size_t)got;
    }
    close(fd);
    if (!result) result = failure_check_text(failure, EXIT_USAGE, config->path, config->text, have);
    config->found = !result;
    return result;
}

/* ---- lines ---- */

struct reading {
    struct config *config;
    bool (*is_command)(const char *name);
    unsigned line;
    enum { SECTION_NONE, SECTION_FILTERS, SECTION_OPTIONS } section;
    const char *command;
    struct failure *failure;
};

static int wrong(const struct reading *reading, const char *format, const char *what, const char *nearest) {
    char text[256];
    snprintf(text, sizeof text, format, what);
    failure_set(reading->failure, EXIT_USAGE, "%s:%u: %s", reading->config->path, reading->line, text);
    return failure_suggest(reading->failure, nearest);
}

static char *trim(char *text) {
    while (isspace((unsigned char)*text)) text++;
    for (size_t bytes = strlen(text); bytes && isspace((unsigned char)text[bytes - 1]);) text[--bytes] = 0;
    return text;
}

/* [filters], [options], [options COMMAND] */
static int read_section(struct reading *reading, char *line) {
    char *end = strchr(line, ']'), *rest = NULL;
    if (!end || *trim(end + 1))
        return wrong(reading, "a section is [filters], [options] or [options COMMAND], not %.100s", line, NULL);
    *end = 0;
    const char *word = strtok_r(line + 1, " \t", &rest), *command = word ? strtok_r(NULL, " \t", &rest) : NULL;
    struct nearest nearest = nearest_to(word ? word : "");
    nearest_look(&nearest, "filters");
    nearest_look(&nearest, "options");
    reading->command = NULL;
    if (word && !strcmp(word, "filters") && !command) {
        reading->section = SECTION_FILTERS;
    } else if (word && !strcmp(word, "options")) {
        reading->section = SECTION_OPTIONS;
        if (command && !reading->is_command(command)) return wrong(reading, "there is no command %.100s", command, NULL);
        reading->command = command;
    } else {
        return wrong(reading, "there is no section [%.100s]", word ? word : "", nearest.word);
    }
    return 0;
}

static int read_filter(struct reading *reading, struct config_entry *entry) {
    const char *name = entry->name;
    if (!*name || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")])
        return wrong(reading, "a filter's name consists of letters, digits, _ and -, not \"%.100s\"", name, NULL);
    if (!entry->value || !*entry->value) return wrong(reading, "the filter %.100s is empty", name, NULL);
    for (unsigned i = 0; i < reading->config->count; i++)
        if (reading->config->entries[i].kind == CONFIG_FILTER && !strcmp(reading->config->entries[i].name, name))
            return wrong(reading, "there already is a filter %.100s", name, NULL);
    return 0;
}

static int read_option(struct reading *reading, struct config_entry *entry) {
    struct nearest nearest = nearest_to(entry->name);
    struct options probe = {0};
    entry->option = strlen(entry->name) > 1 ? option_find(entry->name) : OPTION_COUNT_;
    for (unsigned i = 0; i < OPTION_COUNT_; i++) nearest_look(&nearest, option_table[i].spelling);
    if (entry->option == OPTION_COUNT_) return wrong(reading, "there is no option %.100s", entry->name, nearest.word);
    if (NEVER_DEFAULT >> entry->option & 1) return wrong(reading, "%.100s is only for the command line", entry->name, NULL);
    bool flag = option_table[entry->option].type == VALUE_NONE || option_table[entry->option].type == VALUE_SECONDS;
    if (!entry->value && !flag) return wrong(reading, "%.100s needs a value", entry->name, NULL);
    if (!options_default(&probe, entry->option, entry->value, reading->failure)) return 0;
    char why[256];
    snprintf(why, sizeof why, "%.250s", reading->failure->text);
    return wrong(reading, "%.250s", why, NULL);
}

/* NAME = VALUE, or NAME alone. */
static int read_entry(struct reading *reading, char *line) {
    struct config *config = reading->config;
    if (reading->section == SECTION_NONE) return wrong(reading, "before the first section: %.100s", line, NULL);
    if (config->count == CONFIG_ENTRIES_MAX) return wrong(reading, "%s", "too many entries: at most 256", NULL);
    struct config_entry *entry = &config->entries[config->count];
    char *equals = strchr(line, '=');
    *entry = (struct config_entry){.kind = reading->section == SECTION_FILTERS ? CONFIG_FILTER : CONFIG_OPTION,
                                   .line = reading->line,
                                   .command = reading->command};
    if (equals) *equals = 0;
    entry->name = trim(line);
    entry->value = equals ? trim(equals + 1) : NULL;
    int result = entry->kind == CONFIG_FILTER ? read_filter(reading, entry) : read_option(reading, entry);
    if (!result) config->count++;
    return result;
}

int config_read(struct config *config, bool (*is_command)(const char *name), struct failure *failure) {
    struct reading reading = {.config = config, .is_command = is_command, .failure = failure};
    *config = (struct config){0};
    find_path(config);
    int result = read_file(config, failure);
    char *rest = config->text;
    while (!result && rest) {
        char *line = strsep(&rest, "\n");
        reading.line++;
        line = trim(line);
        if (!*line || *line == '#' || *line == ';') continue;
        result = *line == '[' ? read_section(&reading, line) : read_entry(&reading, line);
    }
    return result;
}

void config_fini(struct config *config) {
    free(config->text);
    *config = (struct config){0};
}

/* ---- in force ---- */

int config_apply(const struct config *config, struct options *options, const char *command, uint64_t allowed,
                 struct failure *failure) {
    for (int own = 1; own >= 0; own--) {             /* entries for this command win over those for all */
        for (unsigned i = config->count; i-- > 0;) { /* and the last of several wins */
            const struct config_entry *entry = &config->entries[i];
            bool meant = entry->kind == CONFIG_OPTION && (entry->command ? own && !strcmp(entry->command, command) : !own);
            bool data = entry->option == OPTION_FORMAT && option_given(options, OPTION_JSON);
            if (!meant || !(allowed >> entry->option & 1) || data) continue;
            if (options_default(options, entry->option, entry->value, failure)) return -1;
        }
    }
    return 0;
}

/* ---- saved filters ---- */

static const struct config_entry *find_filter(const struct config *config, const char *name, size_t bytes,
                                              struct nearest *nearest) {
    for (unsigned i = 0; i < config->count; i++) {
        const struct config_entry *entry = &config->entries[i];
        if (entry->kind != CONFIG_FILTER) continue;
        if (strlen(entry->name) == bytes && !strncmp(entry->name, name, bytes)) return entry;
        nearest_look(nearest, entry->name);
    }
    return NULL;
}

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-'; }

/* Characters of a word in the filter language: an @ inside a word does not begin one of our names. */
static bool is_word(char c) { return isalnum((unsigned char)c) || (c && strchr("_.:+-/*?@%[]", c)) || (unsigned char)c >= 0x80; }

/* The saved filters that are being replaced, the innermost first. */
struct within {
    const struct config_entry *entry;
    const struct within *outer;
};

/* Checks that a saved filter may stand within these.  Returns 0, or -1 with the failure. */
static int check_within(const struct config *config, const struct config_entry *entry, const struct within *outer, size_t bytes,
                        struct failure *failure) {
    unsigned depth = 0;
    for (const struct within *at = outer; at; at = at->outer, depth++)
        if (at->entry == entry)
            return failure_set(failure, EXIT_USAGE, "%s:%u: the filter @%s contains itself", config->path, entry->line,
                               entry->name);
    if (depth >= EXPAND_DEPTH_MAX)
        return failure_set(failure, EXIT_USAGE, "%s:%u: the filter @%s is within more than %u others", config->path, entry->line,
                           entry->name, EXPAND_DEPTH_MAX - 1);
    if (bytes <= EXPANDED_BYTES_MAX) return 0;
    return failure_set(failure, EXIT_USAGE, "%s:%u: with the filter @%s, the whole filter is too long: more than %u bytes",
                       config->path, entry->line, entry->name, EXPANDED_BYTES_MAX);
}

static int expand(const struct config *config, const char *text, const struct within *outer, struct strbuf *out,
                  struct failure *failure) {
    char before = 0; /* the last character that was not a space: after a comparison, an @ belongs to a value */
    for (const char *at = text; *at;) {
        size_t bytes = 1;
        if (*at == '"' || *at == '\'') {
            while (at[bytes] && at[bytes] != *at) bytes += at[bytes] == '\\' && at[bytes + 1] ? 2 : 1;
            bytes += at[bytes] != 0;
        } else if (*at == '@' && !(before && strchr("=<>~{,", before))) {
            while (is_name(at[bytes])) bytes++;
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(bytes - 1), at + 1);
            struct nearest nearest = nearest_to(name);
            const struct config_entry *entry = find_filter(config, at + 1, bytes - 1, &nearest);
            if (!entry)
                return failure_set(failure, EXIT_USAGE, "there is no saved filter @%s%s%s%s; %s%s", name,
                                   nearest.word ? "; did you mean @" : "", nearest.word ? nearest.word : "",
                                   nearest.word ? "?" : "",
                                   *config->path ? config->path : "without a configuration there are none",
                                   !*config->path  ? ""
                                   : config->found ? " has them"
                                                   : " would have them, and does not exist");
            const struct within within = {entry, outer};
            if (check_within(config, entry, outer, out->bytes, failure)) return -1;
            strbuf_puts(out, "(");
            if (expand(config, entry->value, &within, out, failure)) return -1;
            strbuf_puts(out, ")");
            at += bytes;
            before = ')';
            continue;
        } else if (is_word(*at)) {
            while (is_word(at[bytes])) bytes++;
        }
        strbuf_add(out, at, bytes);
        if (!isspace((unsigned char)*at)) before = at[bytes - 1];
        at += bytes;
    }
    return 0;
}

int config_expand(const struct config *config, const char *filter, struct strbuf *out, struct failure *failure) {
    if (expand(config, filter, NULL, out, failure)) return -1;
    return out->failed ? failure_out_of_memory(failure) : 0;
}

void config_suggest(const struct config *config, const char *filter, struct failure *failure) {
    size_t at = failure->filter.position, bytes = failure->filter.length;
    struct nearest nearest = nearest_to("");
    if (!failure->filter.is_wrong || at > strlen(filter) || bytes > strlen(filter) - at || !bytes) return;
    const struct config_entry *entry = find_filter(config, filter + at, bytes, &nearest);
    char *suggested = strstr(failure->text, "; did you mean ");
    if (!entry) return;
    if (suggested) *suggested = 0;
    size_t used = strlen(failure->text);
    snprintf(failure->text + used, sizeof failure->text - used, "; did you mean @%s?", entry->name);
}
