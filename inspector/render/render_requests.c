/* SPDX-License-Identifier: MIT
 *
 * The answer to `requests`: a row for each command, node or time. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

/* A column of groups, by the name of its field in `group_by`. */
enum group_column { GROUP_TIME, GROUP_NODE, GROUP_COMMAND, GROUP_COLUMNS };

static const char *const titles[GROUP_COLUMNS] = {"time", "node", "request"};

static bool is_grouped_by(const json_t *answer, enum group_column column) {
    static const char *const fields[GROUP_COLUMNS] = {"time/", "node", "command"};
    size_t i;
    const json_t *field;
    json_array_foreach(json_get_array(answer, "group_by"), i, field) {
        const char *name = json_string_value(field);
        if (name && !strncmp(name, fields[column], strlen(fields[column]))) return true;
    }
    return false;
}

static void cell_group(struct table *table, const struct view *view, const json_t *group, enum group_column column) {
    struct strbuf *cell = table_cell_begin(table, column == GROUP_COMMAND ? STYLE_HEAD : STYLE_PLAIN);
    uint64_t us;
    if (column == GROUP_NODE)
        render_node(cell, view, json_get_hex(group, "node_id", NODE_DIGITS));
    else if (column == GROUP_TIME && json_get_unsigned(group, "time", &us))
        text_time(cell, us * 1000, view->utc, false);
    else if (column == GROUP_TIME || !event_request(cell, group, group))
        strbuf_puts(cell, "-");
    table_cell_end(table);
}

static void cell_rate(struct table *table, const json_t *row) {
    double rate = json_get_real(row, "rate", -1);
    if (!(rate >= 0 && rate < 1e12))
        table_cell(table, STYLE_PLAIN, "-");
    else
        table_cell(table, STYLE_PLAIN, rate >= 99.95 ? "%.0f" : rate >= 9.995 ? "%.1f" : "%.2f", rate);
}

static void cell_count(struct table *table, const json_t *row, const char *key, enum style unless_zero) {
    uint64_t count = json_get_count(row, key);
    table_cell(table, count ? unless_zero : STYLE_PLAIN, "%" PRIu64, count);
}

/* Those that ended not ok, as a part of all that ended. */
static void cell_failed_share(struct table *table, const json_t *row) {
    uint64_t bad = json_get_count(row, "failed") + json_get_count(row, "expired"), all = json_get_count(row, "count");
    double share = all ? (double)bad / (double)all : 0;
    if (!all)
        table_cell(table, STYLE_PLAIN, "-");
    else
        table_cell(table, bad ? STYLE_BAD : STYLE_PLAIN, "%.*f %%", share > 0 && share < 0.01 ? 2 : 1, 100 * share);
}

static void cell_took(struct table *table, const json_t *row, const char *key) {
    struct strbuf *cell = table_cell_begin(table, STYLE_PLAIN);
    uint64_t ns;
    if (json_get_unsigned(json_object_get(row, "took"), key, &ns))
        text_duration(cell, ns);
    else
        strbuf_puts(cell, "-");
    table_cell_end(table);
}

static void put_notes(struct strbuf *out, const struct view *view, const json_t *answer) {
    uint64_t groups = json_get_count(answer, "groups"), ungrouped = json_get_count(answer, "ungrouped");
    uint64_t rootless = json_get_count(answer, "rootless"), lost = json_get_count(answer, "lost");
    size_t shown = json_array_size(json_get_array(answer, "rows"));
    double seconds = json_get_real(answer, "seconds", 0);
    text_count(out, json_get_count(answer, "requests"), "request");
    if (json_get_count(answer, "open"))
        strbuf_printf(out, " and %" PRIu64 " that have not ended", json_get_count(answer, "open"));
    if (seconds > 0 && seconds < 1e9) {
        strbuf_puts(out, " in ");
        text_duration(out, (uint64_t)(seconds * 1e9));
    }
    if (groups > shown)
        strbuf_printf(out, "; the %zu %s of %" PRIu64 " rows, --limit shows more", shown,
                      is_grouped_by(answer, GROUP_TIME) ? "newest" : "largest", groups);
    strbuf_puts(out, "\n");
    if (rootless) {
        text_styled(out, view->color, STYLE_WARN,
                    "began before the history does, or their beginning was lost, and not counted: ");
        text_count(out, rootless, "request");
        strbuf_puts(out, "\n");
    }
    if (ungrouped) {
        text_styled(out, view->color, STYLE_WARN, "of more rows than traced keeps, and only counted: ");
        text_count(out, ungrouped, "request");
        strbuf_puts(out, "; a narrower filter helps\n");
    }
    if (lost) {
        text_styled(out, view->color, STYLE_BAD,
                    "lost in that time before traced could read them, so that requests may be missing: ");
        text_count(out, lost, "event");
        strbuf_puts(out, "\n");
    }
}

void render_requests(struct strbuf *out, const struct view *view, const json_t *answer) {
    static const struct table_column numbers[] = {{"requests", TABLE_RIGHT}, {"per s", TABLE_RIGHT}, {"failed", TABLE_RIGHT},
                                                  {"expired", TABLE_RIGHT},  {"bad", TABLE_RIGHT},   {"open", TABLE_RIGHT},
                                                  {"p50", TABLE_RIGHT},      {"p90", TABLE_RIGHT},   {"p99", TABLE_RIGHT},
                                                  {"longest", TABLE_RIGHT},  {"slowest", TABLE_LEFT}};
    struct table_column columns[GROUP_COLUMNS + sizeof numbers / sizeof *numbers];
    unsigned count = 0;
    struct table table;
    size_t i;
    const json_t *row;
    for (unsigned column = 0; column < GROUP_COLUMNS; column++)
        if (is_grouped_by(answer, column)) columns[count++] = (struct table_column){titles[column], TABLE_LEFT};
    memcpy(columns + count, numbers, sizeof numbers);
    table_init(&table, count + sizeof numbers / sizeof *numbers, columns);
    json_array_foreach(json_get_array(answer, "rows"), i, row) {
        for (unsigned column = 0; column < GROUP_COLUMNS; column++)
            if (is_grouped_by(answer, column)) cell_group(&table, view, json_object_get(row, "group"), column);
        cell_count(&table, row, "count", STYLE_HEAD);
        cell_rate(&table, row);
        cell_count(&table, row, "failed", STYLE_BAD);
        cell_count(&table, row, "expired", STYLE_BAD);
        cell_failed_share(&table, row);
        cell_count(&table, row, "open", STYLE_WARN);
        cell_took(&table, row, "p50");
        cell_took(&table, row, "p90");
        cell_took(&table, row, "p99");
        cell_took(&table, row, "max");
        names_short_trace(table_cell_begin(&table, STYLE_ID), view->names, json_get_hex(row, "slowest", TRACE_DIGITS));
        table_cell_end(&table);
    }
    if (table.cell_count) table_print(out, &table, view->header, view->color);
    out->failed |= table.text.failed;
    table_fini(&table);
    if (view->header) put_notes(out, view, answer);
}
