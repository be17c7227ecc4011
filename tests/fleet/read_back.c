/* SPDX-License-Identifier: MIT
 *
 * Prints events as lines of JSON, each preceded by its log and host:
 *
 *     read_back HOST DIR          events of recordings
 *     read_back < ROWS            events from rows of the fleet's table events, as RowBinary
 *     read_back --columns         the columns that these rows have, in their order */
#include "fleet_tables.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>

static void print(const struct trace_event *event, const struct trace_node_id *node_id, uint64_t log, uint32_t lane,
                  const char *host) {
    static char json[TRACE_EVENT_JSON_MAX];
    const char *end = trace_event_json(json, event, &(struct trace_event_origin){node_id, lane, NULL});
    printf("%s %" PRIu64 " %u %.*s\n", host, log, event->kind, (int)(end - json), json);
}

struct visit {
    const struct nodes *nodes;
    const char *host;
};

static int visit_event(void *context, const struct trace_event *event, history_source source) {
    const struct visit *visit = context;
    const struct node *node = nodes_at(visit->nodes, history_source_node(source));
    print(event, &node->info.node_id, node->info.log, history_source_lane(source), visit->host);
    return 0;
}

static int print_recordings(const char *host, const char *dir) {
    char reason[RECORDING_REASON_BYTES];
    const struct history_query all = {0};
    struct history_visited visited;
    struct recording *recording;
    if (recording_open(&recording, &dir, 1, reason)) return fprintf(stderr, "%s\n", reason), 1;
    struct store *store = recording_store(recording);
    struct visit visit = {store->nodes, host};
    int result = history_visit(store->history, &all, 0, history_end_position(store->history), visit_event, &visit, &visited);
    recording_close(recording);
    return result != 0;
}

static int print_rows(void) {
    size_t count = 0, room = 1 << 20;
    uint8_t *bytes = malloc(room);
    for (size_t done; bytes && (done = fread(bytes + count, 1, room - count, stdin)); count += done)
        if (count + done == room) bytes = realloc(bytes, room *= 2);
    struct row_reader reader = row_reader_of(bytes, count);
    struct fleet_event event;
    while (row_reader_more(&reader)) {
        if (fleet_event_read(&reader, &event)) return 1;
        print(&event.event, &event.node_id, event.log_id, event.lane, event.host);
    }
    free(bytes);
    return 0;
}

static int print_columns(void) {
    struct strbuf list = {0};
    fleet_column_list(&list, fleet_table_find("events"));
    printf("%s\n", strbuf_text(&list));
    strbuf_fini(&list);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2) return print_columns();
    return argc > 2 ? print_recordings(argv[1], argv[2]) : print_rows();
}
