/* SPDX-License-Identifier: MIT */
#include "help.h"

#include "formats.h"

#include "text.h"
#include "topics.h"

#include <string.h>

/* Prints a paragraph, broken into lines at its spaces. */
static void help_paragraph(FILE *out, const char *text, size_t bytes) {
    size_t column = 0;
    if (bytes && *text == ' ') {
        fprintf(out, "%.*s\n", (int)bytes, text);
        return;
    }
    for (const char *end = text + bytes; text < end;) {
        size_t word = strcspn(text, " \n"), columns = text_columns(text, word);
        if (column && column + 1 + columns > HELP_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column ? " " : "", (int)word, text);
        column += (column > 0) + columns;
        text += word + (text + word < end);
    }
    fputc('\n', out);
}

static void help_paragraphs(FILE *out, const char *text) {
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        help_paragraph(out, text, bytes);
        text += bytes + (text[bytes] == '\n');
    }
}

static void help_options(FILE *out, const struct command *command, uint64_t bits) {
    for (unsigned i = 0; i < OPTION_COUNT_; i++) {
        char spelling[32];
        const struct option_info *option = command_option(command, (enum option)i);
        if (!(bits >> i & 1)) continue;
        bool space = option->value[0] && option->value[0] != '[';
        snprintf(spelling, sizeof spelling, "--%s%s%s", option->spelling, space ? " " : "",
                 option->type == VALUE_NONE ? "" : option->value);
        fprintf(out, "  %-19s %s\n", spelling, option->help);
    }
}

void help_all(FILE *out) {
    fprintf(out, "usage: inspector COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];
        char line[64];
        snprintf(line, sizeof line, "%s %s", command->name, command->args ? command->args : "");
        fprintf(out, "  %-19s %s\n", line, command->summary);
    }
    fprintf(out, "  %-19s %s\n\n", "help [WHAT]", "this; a command with its own options; or a topic");
    fprintf(out, "options of every command:\n");
    help_options(out, NULL, OPTIONS_COMMON | OPTIONS_SOURCE);
    fprintf(out, "\nexit codes:\n");
    for (int code = 0; code < EXIT_CODES; code++) fprintf(out, "  %-19d %s\n", code, exit_table[code]);
    fprintf(out, "\ntopics of inspector help TOPIC:\n");
    for (size_t i = 0; i < topic_count; i++) {
        struct strbuf title = {0};
        topic_title(&title, &topics[i]);
        fprintf(out, "  %-19s %s\n", topics[i].name, strbuf_text(&title));
        strbuf_fini(&title);
    }
}

static void help_examples(FILE *out, const struct command_example *example) {
    if (!example->line) return;
    fprintf(out, "\nexamples:\n");
    for (; example->line; example++) fprintf(out, "  %s\n      %s\n", example->line, example->what);
}

static void help_formats(FILE *out) {
    fprintf(out, "\nformats:\n");
    for (size_t i = 0; i < export_format_count; i++)
        fprintf(out, "  %-19s %s\n", export_formats[i]->name, export_formats[i]->doc);
}

void help_field_names(struct strbuf *out, const struct list *list) {
    for (unsigned i = 0; i < list->count; i++) strbuf_printf(out, "%s%s", i ? ", " : "", list->columns[i].field);
    if (list->has_data) strbuf_puts(out, ", and those of the kinds' data: size, packet_sent.size (inspector help events)");
}

static void help_fields(FILE *out, const struct list *list) {
    struct strbuf line = {0}, lines = {0};
    help_field_names(&line, list);
    text_wrap_line(&lines, strbuf_text(&line), line.bytes, HELP_COLUMNS - 2, 2);
    fprintf(out, "\nfields:\n  %s\n", strbuf_text(&lines));
    strbuf_fini(&line);
    strbuf_fini(&lines);
}

void help_command(FILE *out, const struct command *command) {
    fprintf(out, "usage: inspector %s %s%s[OPTIONS]\n%s\n", command->name, command->args ? command->args : "",
            command->args ? " " : "", command->summary);
    if (command->description) fputc('\n', out);
    if (command->description) help_paragraphs(out, command->description);
    if (command->options) fprintf(out, "\n");
    help_options(out, command, command->options);
    fprintf(out, "\noptions of every command:\n");
    help_options(out, command, command_options(command) & ~command->options);
    if (command->own_format) help_formats(out);
    if (command->list) help_fields(out, command->list);
    help_examples(out, command->examples);
}
