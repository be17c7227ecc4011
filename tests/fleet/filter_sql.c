/* SPDX-License-Identifier: MIT
 *
 * What a filter matches, and its SQL.
 *
 *     filter_sql DIR < FILTERS
 *
 * For each line of stdin, a filter, a line: how many events of the recordings in DIR match, three sums over these that a server
 * can make as well, and the condition; or "invalid". */
#include <inttypes.h>
#include <proto/filter_sql.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 8192
#define LOGS_MAX 64

struct logs {
    struct trace_filter_name names[LOGS_MAX];
    struct trace_filter_sql_log all[LOGS_MAX];
    const struct trace_app *apps[LOGS_MAX];
    size_t count, app_count;
};

struct sums {
    const struct store *store;
    const struct trace_filter *filter;
    uint64_t count, sequences, times, products;
};

static int see(void *context, const struct trace_event *event, history_source source) {
    struct sums *sums = context;
    const struct node *node = nodes_at(sums->store->nodes, history_source_node(source));
    uint32_t lane = history_source_lane(source);
    const struct trace_filter_origin origin = {&node->info.node_id, node->info.node_name, lane, nodes_event_app(node, event),
                                               node->info.machine.name};
    if (!trace_filter_match(sums->filter, event, &origin)) return 0;
    sums->count++;
    sums->sequences += event->sequence;
    sums->times += event->timestamp % 1000003;
    sums->products += (uint64_t)(event->sequence + 1) * (lane + 1) * (event->kind + UINT64_C(1)) % 1000003;
    return 0;
}

static int compare(const void *a, const void *b) {
    const struct trace_filter_sql_log *x = a, *y = b;
    int order = memcmp(&x->node_id, &y->node_id, sizeof x->node_id);
    return order ? order : (x->log_id > y->log_id) - (x->log_id < y->log_id);
}

static void list_logs(const struct store *store, struct logs *logs) {
    for (uint32_t i = 0; i < nodes_count(store->nodes) && logs->count < LOGS_MAX; i++) {
        const struct node *node = nodes_at(store->nodes, i);
        if (!node) continue;
        logs->names[logs->count] = (struct trace_filter_name){node->info.node_id, node->info.node_name, node->info.machine.name};
        logs->all[logs->count++] = (struct trace_filter_sql_log){node->info.node_id, node->info.log,  node->info.node_name,
                                                                 node->apps,         node->app_count, node->info.machine.name};
        if (node->app_count) logs->apps[logs->app_count++] = node->apps[0];
    }
    qsort(logs->all, logs->count, sizeof *logs->all, compare);
}

static void answer(struct store *store, const struct logs *logs, const char *text) {
    const struct trace_filter_names names = {logs->names, logs->count, logs->apps, logs->app_count, true};
    const struct trace_filter_options options = {.now_ns = store_now_ns(store), .names = &names};
    const struct history_query all = {0};
    struct history_visited visited;
    struct trace_filter_error error = {0};
    struct trace_filter *filter;
    struct trace_text sql = {0};
    if (trace_filter_compile(&filter, text, strlen(text), &options, &error)) {
        puts("invalid");
        return;
    }
    struct sums sums = {.store = store, .filter = filter};
    (void)history_visit(store->history, &all, 0, history_end_position(store->history), see, &sums, &visited);
    trace_filter_sql(filter, logs->all, logs->count, "time_ns", "peer_id", &sql);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %.*s\n", sums.count, sums.sequences, sums.times, sums.products,
           (int)sql.bytes, sql.data);
    trace_text_fini(&sql);
    trace_filter_destroy(filter);
}

int main(int argc, char **argv) {
    char reason[RECORDING_REASON_BYTES], line[LINE_BYTES];
    const char *dir = argc > 1 ? argv[1] : "";
    struct recording *recording;
    static struct logs logs;
    if (recording_open(&recording, &dir, 1, reason)) return fprintf(stderr, "%s\n", reason), 1;
    list_logs(recording_store(recording), &logs);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        answer(recording_store(recording), &logs, line);
    }
    recording_close(recording);
    return 0;
}
