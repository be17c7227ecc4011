/* SPDX-License-Identifier: MIT
 *
 * Shows the configuration. */
#include "commands.h"
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct list_column columns[] = {
    {"kind", NULL, TABLE_LEFT, 1, 0, 0, draw_text},   {"command", NULL, TABLE_LEFT, 2, 0, 0, draw_text},
    {"name", NULL, TABLE_LEFT, 0, 0, 0, draw_head},   {"value", NULL, TABLE_LEFT, 0, 12, 0, draw_text},
    {"line", NULL, TABLE_RIGHT, 3, 0, 0, draw_count},
};

const struct list config_list = {columns, sizeof columns / sizeof *columns};

static json_t *row_new(const struct config_entry *entry) {
    char name[80];
    bool filter = entry->kind == CONFIG_FILTER;
    snprintf(name, sizeof name, "%s%.64s", filter ? "@" : "--", filter ? entry->name : option_table[entry->option].spelling);
    return json_pack("{s:s,s:s?,s:s,s:s?,s:i}", "kind", filter ? "filter" : "option", "command", entry->command, "name", name,
                     "value", entry->value, "line", (int)entry->line);
}

int run_config(struct session *session) {
    const struct config *config = session->config;
    struct strbuf *out = &session->output.text;
    json_t *rows = json_array();
    int result = rows ? 0 : session_out_of_memory(session);
    for (unsigned i = 0; !result && i < config->count; i++)
        if (json_array_append_new(rows, row_new(&config->entries[i]))) result = session_out_of_memory(session);
    if (!result && options_want_data(session->options)) {
        result = output_json_lines(&session->output, rows);
    } else if (!result) {
        if (config->count || !session->view.header) list_put(out, &session->view, &config_list, rows, "");
        if (session->view.header && !*config->path) {
            strbuf_puts(out, getenv("P2PTRACE_CONFIG") ? "nothing is configured: P2PTRACE_CONFIG is empty\n"
                                                       : "nothing is configured: neither P2PTRACE_CONFIG nor HOME is set\n");
        } else if (session->view.header) {
            strbuf_puts(out, config->found ? "in " : "nothing is configured: there is no ");
            text_untrusted(out, config->path, strlen(config->path), NOTE_COLUMNS_MAX);
            strbuf_puts(out, config->found && !config->count ? ", which has no entries\n" : "\n");
        }
    }
    json_decref(rows);
    return result;
}
