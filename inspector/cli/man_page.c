/* SPDX-License-Identifier: MIT
 *
 * Generates manual pages, in the macros of man(7), from the tables of commands and options.  Only what all commands share is
 * written here. */
#include "man_page.h"

#include "formats.h"
#include "help.h"
#include "topics.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- text ---- */

/* The escape of a character that roff would interpret; NULL for any other character. */
static const char *roff_escape(char c) {
    switch (c) {
    case '\\': return "\\e";
    case '"': return "\\(dq";
    case '\'': return "\\(aq";
    case '`': return "\\(ga";
    case '^': return "\\(ha";
    case '~': return "\\(ti";
    default: return NULL;
    }
}

/* Text that users type: each - is a real hyphen-minus, and stays one when it is copied from the page. */
static void put_literal(const char *text, size_t bytes) {
    if (bytes && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
    for (size_t i = 0; i < bytes; i++) {
        const char *escaped = text[i] == '-' ? "\\-" : roff_escape(text[i]);
        if (escaped)
            fputs(escaped, stdout);
        else
            putchar(text[i]);
    }
}

/* A word of a sentence.  An option is bold, without the punctuation around it. */
static void put_word(const char *text, size_t bytes) {
    size_t before = strspn(text, "(\""), option = 0;
    if (before < bytes && text[before] == '-') {
        while (before + option < bytes && (isalnum((unsigned char)text[before + option]) || text[before + option] == '-'))
            option++;
        bool bold = option > 1 && (text[before + 1] == '-' || isalpha((unsigned char)text[before + 1]));
        put_literal(text, before);
        if (bold) fputs("\\fB", stdout);
        put_literal(text + before, option);
        if (bold) fputs("\\fR", stdout);
        put_literal(text + before + option, bytes - before - option);
        return;
    }
    if (bytes && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
    for (size_t i = 0; i < bytes; i++) {
        if (roff_escape(text[i]))
            fputs(roff_escape(text[i]), stdout);
        else
            putchar(text[i]);
    }
}

/* A paragraph, on one line: nobody edits the page. */
static void paragraph(const char *text, size_t bytes) {
    for (const char *end = text + bytes; text < end;) {
        size_t letters = strcspn(text, " \n");
        put_word(text, letters);
        text += letters;
        if (text < end) putchar(*text++);
    }
    putchar('\n');
}

/* Paragraphs with \n between them; those that begin with a space are verbatim. */
static void paragraphs(const char *text) {
    bool as_is = false;
    for (bool first = true; *text; first = false) {
        size_t bytes = strcspn(text, "\n");
        if (as_is && *text != ' ') fputs(".fi\n", stdout);
        if (!as_is && !first) fputs(".PP\n", stdout);
        if (as_is && *text != ' ' && bytes) fputs(".PP\n", stdout);
        if (!as_is && *text == ' ') fputs(".nf\n", stdout);
        as_is = *text == ' ';
        if (as_is) {
            put_literal(text, bytes);
            putchar('\n');
        } else if (bytes) {
            paragraph(text, bytes);
        }
        text += bytes + (text[bytes] == '\n');
    }
    if (as_is) fputs(".fi\n", stdout);
}

static void sentences(const char *text) { paragraph(text, strlen(text)); }

/* ---- parts of a page ---- */

static void put_head(const char *title, const char *name, const char *summary) {
    printf(".\\\" SPDX-License-Identifier: MIT\n.\\\" Made from the tables of commands and options.\n");
    printf(".TH %s 1 \"\" \"p2ptrace\" \"User Commands\"\n.SH NAME\n", title);
    put_literal(name, strlen(name));
    fputs(" \\- ", stdout);
    sentences(summary);
}

/* --limit N, --wait[=SECONDS] */
static void option_tag(const struct option_info *option) {
    fputs(".TP\n\\fB", stdout);
    put_literal("--", 2);
    put_literal(option->spelling, strlen(option->spelling));
    fputs("\\fR", stdout);
    if (option->type != VALUE_NONE) {
        if (*option->value != '[') putchar(' ');
        printf("\\fI");
        put_literal(option->value, strlen(option->value));
        printf("\\fR");
    }
    putchar('\n');
}

static void option_list(const struct command *command, uint64_t bits) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        if (!(bits >> i & 1)) continue;
        const struct option_info *option = command_option(command, (enum option)i);
        option_tag(option);
        sentences(option->help);
    }
}

static void examples(const struct command_example *example) {
    if (example->line) fputs(".SH EXAMPLES\n", stdout);
    for (; example->line; example++) {
        fputs(".TP\n\\fB", stdout);
        put_literal(example->line, strlen(example->line));
        fputs("\\fR\n", stdout);
        sentences(example->what);
    }
}

static void put_formats(void) {
    fputs(".SH FORMATS\n", stdout);
    for (size_t i = 0; i < export_format_count; i++) {
        printf(".TP\n.B %s\n", export_formats[i]->name);
        sentences(export_formats[i]->doc);
    }
}

static void put_fields(const struct list *list) {
    struct strbuf names = {0};
    help_field_names(&names, list);
    fputs(".SH FIELDS\n", stdout);
    sentences(strbuf_text(&names));
    strbuf_fini(&names);
}

static void exit_status(void) {
    fputs(".SH EXIT STATUS\n", stdout);
    for (int code = 0; code < EXIT_CODES; code++) {
        printf(".TP\n.B %d\n", code);
        sentences(exit_table[code]);
    }
    fputs(".PP\nLater versions will not change these codes.\n"
          "A failure is reported in one line on standard error, with a remedy.\n",
          stdout);
}

static void environment(void) {
    fputs(".SH ENVIRONMENT\n"
          ".TP\n.B P2PTRACE_SOCKET\nThe path of traced's socket, if\n.B \\-\\-socket\nis not given.\n"
          ".TP\n.B XDG_RUNTIME_DIR\nIf\n.B P2PTRACE_SOCKET\nis not set: the socket is in its subdirectory\n.IR p2ptrace .\n"
          ".TP\n.B P2PTRACE_CONFIG\nThe configuration file, instead of the usual place; empty: none.\n"
          ".TP\n.B P2PTRACE_PAGER\nThe pager of long output at a terminal; empty or\n.B cat\nfor none. Otherwise\n.BR PAGER "
          ",\notherwise\n.BR less .\n"
          ".TP\n.B NO_COLOR\nIf it is set and not empty, there are no colours, unless\n.B \\-\\-color always\nis given.\n"
          ".TP\n.B TZ\nThe time zone for reading and showing times, without\n.BR \\-\\-utc .\n"
          ".SH FILES\n"
          ".TP\n.I $XDG_RUNTIME_DIR/p2ptrace/traced.sock\nThe socket of this user's traced;\n"
          ".I /tmp/p2ptrace\\-UID/traced.sock\nif that is not set.\n"
          ".TP\n.I $XDG_CONFIG_HOME/p2ptrace/config\nSaved filters and defaults of options, as\n.B inspector help "
          "config\ndescribes.\n",
          stdout);
}

/* ---- pages ---- */

void man_page_command(const struct command *command) {
    char name[64], title[64];
    snprintf(name, sizeof name, "inspector-%s", command->name);
    for (size_t i = 0; i <= strlen(name); i++) title[i] = (char)toupper((unsigned char)name[i]);
    put_head(title, name, command->summary);
    printf(".SH SYNOPSIS\n.B inspector ");
    put_literal(command->name, strlen(command->name));
    putchar('\n');
    if (command->args) {
        fputs("\\fI", stdout);
        put_literal(command->args, strlen(command->args));
        fputs("\\fR\n", stdout);
    }
    printf(".RI [ OPTIONS ]\n.SH DESCRIPTION\n");
    paragraphs(command->description ? command->description : command->summary);
    fputs(".SH OPTIONS\n", stdout);
    option_list(command, command->options);
    if (command->options) fputs(".PP\nOptions of every command:\n", stdout);
    option_list(command, command_options(command) & ~command->options);
    if (command->own_format) put_formats();
    if (command->list) put_fields(command->list);
    exit_status();
    environment();
    examples(command->examples);
    fputs(".SH SEE ALSO\n.BR inspector (1),\n.BR traced (1)\n", stdout);
}

void man_page_all(void) {
    put_head("INSPECTOR", "inspector", "ask traced what p2ptrace nodes did, and show the answers");
    fputs(".SH SYNOPSIS\n.B inspector\n.I COMMAND\n.RI [ OPTIONS ]\n.br\n.B inspector help\n.RI [ COMMAND ]\n", stdout);
    fputs(".SH DESCRIPTION\n", stdout);
    paragraphs(program_description);
    fputs(".SH COMMANDS\n", stdout);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];
        printf(".TP\n\\fB%s\\fR", command->name);
        if (command->args) printf(" \\fI%s\\fR", command->args);
        putchar('\n');
        sentences(command->summary);
    }
    fputs(".TP\n\\fBhelp\\fR \\fI[COMMAND]\\fR\nthis overview, or one command with its own options\n", stdout);
    fputs(".PP\nEach has its own page, for instance\n.BR inspector\\-trace (1).\n", stdout);
    fputs(".SH TOPICS\n.B inspector help\n.I TOPIC\nshows one of these.\n", stdout);
    for (size_t i = 0; i < topic_count; i++) {
        printf(".TP\n.B ");
        put_literal(topics[i].name, strlen(topics[i].name));
        putchar('\n');
        struct strbuf title = {0};
        topic_title(&title, &topics[i]);
        sentences(strbuf_text(&title));
        strbuf_fini(&title);
    }
    fputs(".SH OPTIONS\nEvery command takes these; the page of a command has its own.\n", stdout);
    option_list(NULL, OPTIONS_COMMON | OPTIONS_SOURCE);
    exit_status();
    environment();
    examples(program_examples);
    fputs(".SH SEE ALSO\n", stdout);
    for (size_t i = 0; i < command_count; i++) printf(".BR inspector\\-%s (1),\n", command_table[i].name);
    fputs(".BR traced (1)\n", stdout);
}
