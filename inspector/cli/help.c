/* SPDX-License-Identifier: MIT */
#include "help.h"

#include "formats.h"

#include "text.h"
#include "topics.h"

#include <string.h>

#define LABEL_COLUMNS 22 /* of options, commands, codes */

/* Prints a text, broken into lines at its spaces.  The first line continues at column `column`; the others are indented. */
static void wrap(FILE *out, const char *text, size_t bytes, size_t column, unsigned columns, unsigned indent) {
    bool first = true;
    for (const char *end = text + bytes; text < end;) {
        size_t word = strcspn(text, " \n"), width;
        if (word > (size_t)(end - text)) word = (size_t)(end - text);
        width = text_columns(text, word);
        if (!first && column + 1 + width > columns) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)word, text);
        column += !first + width;
        first = false;
        text += word + (text + word < end);
    }
    fputc('\n', out);
}

static void help_paragraph(FILE *out, const char *text, size_t bytes, unsigned columns) {
    if (bytes && *text == ' ')
        fprintf(out, "%.*s\n", (int)bytes, text);
    else
        wrap(out, text, bytes, 0, columns, 0);
}

/* A label and what it means beside it; or below, if the label is too long. */
static void help_item(FILE *out, const char *label, const char *text, unsigned columns) {
    bool fits = strlen(label) + 2 < LABEL_COLUMNS;
    fprintf(out, fits ? "  %-19s " : "  %s\n%22s", label, "");
    wrap(out, text, strlen(text), LABEL_COLUMNS, columns, LABEL_COLUMNS);
}

/* A command to type.  On a narrow terminal a longer one continues on lines of its own, as the shell has it. */
static void help_line(FILE *out, const char *line, unsigned columns) {
    size_t column = 2;
    bool first = true;
    fputs("  ", out);
    while (*line) {
        size_t word = 0;
        char quote = 0;
        for (; line[word] && (quote || line[word] != ' '); word++) {
            if (quote ? line[word] == quote : line[word] == '\'' || line[word] == '"') quote = quote ? 0 : line[word];
        }
        size_t width = text_columns(line, word);
        if (!first && columns < HELP_COLUMNS && column + 3 + width > columns) {
            fputs(" \\\n     ", out);
            column = 5;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)word, line);
        column += !first + width;
        first = false;
        line += word;
        line += strspn(line, " ");
    }
    fputc('\n', out);
}

static void help_paragraphs(FILE *out, const char *text, unsigned columns) {
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        help_paragraph(out, text, bytes, columns);
        text += bytes + (text[bytes] == '\n');
    }
}

static void help_options(FILE *out, const struct command *command, uint64_t bits, unsigned columns) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        char spelling[32];
        const struct option_info *option = command_option(command, (enum option)i);
        if (!(bits >> i & 1)) continue;
        bool space = option->value[0] && option->value[0] != '[';
        snprintf(spelling, sizeof spelling, "--%s%s%s", option->spelling, space ? " " : "",
                 option->type == VALUE_NONE ? "" : option->value);
        help_item(out, spelling, option->help, columns);
    }
}

void help_topics(FILE *out, unsigned columns) {
    fprintf(out, "topics of inspector help TOPIC:\n");
    for (size_t i = 0; i < topic_count; i++) {
        struct strbuf title = {0};
        topic_title(&title, &topics[i]);
        help_item(out, topics[i].name, strbuf_text(&title), columns);
        strbuf_fini(&title);
    }
}

void help_all(FILE *out, unsigned columns) {
    fprintf(out, "usage: inspector COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];
        char line[64];
        snprintf(line, sizeof line, "%s %s", command->name, command->args ? command->args : "");
        help_item(out, line, command->summary, columns);
    }
    help_item(out, "help [WHAT]", "this; a command with its own options; or a topic", columns);
    fprintf(out, "\noptions of every command:\n");
    help_options(out, NULL, OPTIONS_COMMON | OPTIONS_SOURCE, columns);
    fprintf(out, "\nexit codes:\n");
    for (int code = 0; code < EXIT_CODES; code++) {
        char label[8];
        snprintf(label, sizeof label, "%d", code);
        help_item(out, label, exit_table[code], columns);
    }
    fputc('\n', out);
    help_topics(out, columns);
}

static void help_examples(FILE *out, const struct command_example *example, unsigned columns) {
    if (!example->line) return;
    fprintf(out, "\nexamples:\n");
    for (; example->line; example++) {
        help_line(out, example->line, columns);
        fputs("      ", out);
        wrap(out, example->what, strlen(example->what), 6, columns, 6);
    }
}

static void help_formats(FILE *out, unsigned columns) {
    fprintf(out, "\nformats:\n");
    for (size_t i = 0; i < export_format_count; i++) help_item(out, export_formats[i]->name, export_formats[i]->doc, columns);
}

void help_field_names(struct strbuf *out, const struct list *list) {
    for (unsigned i = 0; i < list->count; i++) strbuf_printf(out, "%s%s", i ? ", " : "", list->columns[i].field);
    if (list->has_data) strbuf_puts(out, ", and those of the kinds' data: size, packet_sent.size (inspector help events)");
}

static void help_fields(FILE *out, const struct list *list, unsigned columns) {
    struct strbuf line = {0};
    help_field_names(&line, list);
    fputs("\nfields:\n  ", out);
    wrap(out, strbuf_text(&line), line.bytes, 2, columns, 2);
    strbuf_fini(&line);
}

void help_command(FILE *out, const struct command *command, unsigned columns) {
    fprintf(out, "usage: inspector %s %s%s[OPTIONS]\n", command->name, command->args ? command->args : "",
            command->args ? " " : "");
    wrap(out, command->summary, strlen(command->summary), 0, columns, 0);
    if (command->description) fputc('\n', out);
    if (command->description) help_paragraphs(out, command->description, columns);
    if (command->options) fprintf(out, "\n");
    help_options(out, command, command->options, columns);
    fprintf(out, "\noptions of every command:\n");
    help_options(out, command, command_options(command) & ~command->options, columns);
    if (command->own_format) help_formats(out, columns);
    if (command->list) help_fields(out, command->list, columns);
    help_examples(out, command->examples, columns);
}
