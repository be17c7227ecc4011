/* SPDX-License-Identifier: MIT
 *
 * The user's configuration: saved filters and defaults of options.  docs/config.md has its syntax.  The file is that of
 * P2PTRACE_CONFIG; otherwise $XDG_CONFIG_HOME/p2ptrace/config; otherwise ~/.config/p2ptrace/config.  It is read only if it
 * belongs to the user or to root, and nobody else may write to it. */
#ifndef INSPECTOR_CONFIG_H
#define INSPECTOR_CONFIG_H

#include "options.h"
#include "strbuf.h"

#define CONFIG_ENTRIES_MAX 256U
#define CONFIG_BYTES_MAX 65536U

enum config_kind { CONFIG_FILTER, CONFIG_OPTION };

struct config_entry {
    enum config_kind kind;
    unsigned line;
    const char *command;      /* for options of one command; NULL: for all */
    const char *name, *value; /* value: NULL for an option that takes none */
    enum option option;
};

struct config {
    char path[512]; /* empty: there is none */
    bool found;
    char *text; /* the file, split in place: the entries point into it */
    struct config_entry entries[CONFIG_ENTRIES_MAX];
    unsigned count;
};

/* Reads the file; without one, config has no entries.  is_command: is there a command of that name?  Returns 0, or -1 with the
 * failure, which names the file and the line.  Call config_fini in both cases. */
int config_read(struct config *config, bool (*is_command)(const char *name), struct failure *failure);
void config_fini(struct config *config);

/* Sets the defaults that a command takes (allowed: OPTION_BITs), unless the command line has them.  Returns 0 or -1. */
int config_apply(const struct config *config, struct options *options, const char *command, uint64_t allowed,
                 struct failure *failure);

/* Replaces @names by the saved filters, and appends the result to out.  Returns 0, or -1 with the failure. */
int config_expand(const struct config *config, const char *filter, struct strbuf *out, struct failure *failure);

/* If what is wrong in a filter is the name of a saved one, suggests that. */
void config_suggest(const struct config *config, const char *filter, struct failure *failure);

#endif
