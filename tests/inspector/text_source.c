/* SPDX-License-Identifier: MIT
 *
 * A source written by an outsider: the inspector over a text file.  --socket names the file; a line is a row of `nodes`, or
 * else an event:
 *
 *     (inspector nodes --json; inspector recent 1000000 --json) > saved.ndjson
 *     text_source traces --socket saved.ndjson
 *
 * This is all that a new source needs: load a store, or implement source_ops, and every command works. */
#include "program.h"
#include "source_store.h"

#include <proto/event_parse.h>
#include <proto/hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t find_node(struct store *store, const struct trace_node_id *id) {
    uint32_t node = 0;
    struct node_info info = {.node_id = *id};
    while (node < nodes_count(store->nodes) && memcmp(&nodes_at(store->nodes, node)->info.node_id, id, sizeof *id) != 0) node++;
    if (node == nodes_count(store->nodes) && store_add_node(store, &info, NODE_UNKNOWN, &node)) exit(EXIT_FAILED);
    return node;
}

static int load_line(struct store *store, const json_t *line) {
    const char *name = json_string_value(json_object_get(line, "name"));
    struct trace_parsed_event parsed;
    struct trace_parse_error error;
    if (name) {
        struct node_info info = {0};
        uint32_t node;
        snprintf(info.node_name, sizeof info.node_name, "%s", name);
        return trace_hex_decode(info.node_id.bytes, json_string_value(json_object_get(line, "node_id")),
                                sizeof info.node_id.bytes) ||
               store_add_node(store, &info, NODE_UNKNOWN, &node);
    }
    if (trace_event_parse(line, &parsed, &error)) return -1;
    return store_append(store, find_node(store, &parsed.node_id), parsed.lane, &parsed.event, 1);
}

static void close_store(void *store) { store_destroy(store); }

static int open_text(struct source **ret_source, const struct options *options, uint64_t call_timeout_ms,
                     struct failure *failure) {
    const char *path = options->texts[OPTION_SOCKET];
    FILE *file = path ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t capacity = 0;
    struct store *store;
    (void)call_timeout_ms;
    if (!file || store_create(&store, HISTORY_BYTES_MIN)) return failure_set(failure, EXIT_NOT_THERE, "cannot open %s", path);
    for (unsigned number = 1; getline(&line, &capacity, file) > 0; number++) {
        json_t *object = json_loads(line, 0, NULL);
        int result = load_line(store, object);
        json_decref(object);
        if (result) return failure_set(failure, EXIT_FAILED, "%s:%u is neither a node nor an event", path, number);
    }
    free(line);
    fclose(file);
    store_close(store, 0);
    return source_store_open(ret_source, store, (struct source_store_owner){close_store, store}, path, failure);
}

int main(int argc, char **argv) { return inspector_main(argc, argv, open_text); }
