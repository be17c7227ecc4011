/* SPDX-License-Identifier: MIT
 *
 * The tables of a fleet. */
#include "commands.h"

#include "fleet_admin.h"
#include "fleet_status.h"
#include "limits.h"
#include "table.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MANY 3
#define QUIET_NS UINT64_C(180000000000) /* a machine renews its row at least every minute */

/* ---- init, migrate ---- */

static void show_statement(void *arg, const char *address, const char *sql) {
    struct session *session = arg;
    if (option_given(session->options, OPTION_DRY_RUN)) strbuf_printf(&session->output.text, "-- %s\n%s;\n", address, sql);
}

static int administer(struct session *session, struct clickhouse **servers, size_t server_count, bool init) {
    const struct options *options = session->options;
    const char *cluster = options->texts[OPTION_CLUSTER];
    const struct fleet_admin admin = {.servers = servers,
                                      .server_count = server_count,
                                      .cluster = cluster,
                                      .on_cluster = option_given(options, OPTION_ON_CLUSTER),
                                      .replicated = option_given(options, OPTION_REPLICATED),
                                      .dry_run = option_given(options, OPTION_DRY_RUN),
                                      .say = show_statement,
                                      .arg = session};
    if (cluster && !fleet_name_is_fit(cluster))
        return failure_set(&session->failure, EXIT_USAGE, "--cluster %.80s: a name of letters, digits and _ is expected",
                           cluster);
    if (init && !cluster && (admin.on_cluster || admin.replicated || server_count > 1))
        return failure_set(&session->failure, EXIT_USAGE,
                           "several servers form a cluster: --cluster NAME, its name in their configuration");
    if (init ? fleet_init(&admin, &session->failure) : fleet_migrate(&admin, &session->failure)) return -1;
    if (!admin.dry_run && session->view.header)
        strbuf_printf(&session->output.text, "%s/%s is ready%s\n", clickhouse_address(servers[0]),
                      clickhouse_database(servers[0]), server_count > 1 ? ", and so are the others" : "");
    return 0;
}

/* ---- status ---- */

static int show_server(struct session *session, struct clickhouse *server) {
    struct fleet_server_status is;
    struct strbuf *out = &session->output.text;
    const char *at = clickhouse_address(server);
    if (fleet_server_status(server, &is, &session->failure)) return -1;
    if (!is.schema.exists)
        return failure_set(&session->failure, EXIT_FAILED,
                           "%s has no fleet in the database %s: create it with inspector fleet init %s/%s", at,
                           clickhouse_database(server), at, clickhouse_database(server));
    if (options_want_data(session->options)) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:b, s:I, s:I, s:I}", "server", at, "version", is.schema.server_version,
                      "fleet", is.schema.id, "schema", (json_int_t)is.schema.version, "cluster", is.schema.cluster, "shard",
                      (json_int_t)is.schema.shard, "replicated", is.schema.replicated, "rows", (json_int_t)is.rows, "bytes",
                      (json_int_t)is.bytes, "columns_missing", (json_int_t)is.columns_missing);
        int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
        json_decref(line);
        return result;
    }
    strbuf_printf(out, "%s  ClickHouse %s, schema %u", at, is.schema.server_version, is.schema.version);
    if (*is.schema.cluster)
        strbuf_printf(out, ", shard %u of %s%s", is.schema.shard, is.schema.cluster, is.schema.replicated ? ", replicated" : "");
    strbuf_printf(out, ", %" PRIu64 " rows of events, ", is.rows);
    text_bytes(out, is.bytes);
    if (is.schema.version > FLEET_SCHEMA_VERSION) strbuf_puts(out, "; it is newer than this inspector");
    if (is.schema.version < FLEET_SCHEMA_VERSION || is.columns_missing)
        strbuf_puts(out, "; it is older than this inspector: inspector fleet migrate");
    strbuf_puts(out, "\n");
    return 0;
}

struct host_list {
    struct session *session;
    struct table table;
    uint64_t now_ns;
    char last[FLEET_HOST_BYTES_MAX + 1];
    bool partial; /* not those of shards that do not answer */
    bool twice;   /* a name has two rows */
};

static void put_age(struct table *table, bool known, uint64_t ns, uint64_t now_ns, enum style style) {
    struct strbuf *out = table_cell_begin(table);
    if (known)
        text_duration(out, now_ns > ns ? now_ns - ns : 0);
    else
        strbuf_puts(out, "-");
    table_cell_end(table, style);
}

static int show_host(void *arg, const struct fleet_host_status *host) {
    struct host_list *list = arg;
    struct table *table = &list->table;
    struct session *session = list->session;
    if (options_want_data(session->options)) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "host", host->host, "shipper", host->shipper,
                      "program", host->program, "seen", (json_int_t)host->seen_ns, "segments", (json_int_t)host->segments,
                      "events", (json_int_t)host->events, "lost_segments", (json_int_t)host->lost_segments, "lost_events",
                      (json_int_t)host->lost_events, "newest", (json_int_t)host->newest_ns, "waiting_segments",
                      (json_int_t)host->waiting_segments, "waiting_bytes", (json_int_t)host->waiting_bytes);
        int result = line ? output_json(&session->output, line) : -1;
        json_decref(line);
        return result;
    }
    bool lost = host->lost_segments || host->lost_events, quiet = list->now_ns > host->seen_ns + QUIET_NS;
    list->twice |= !strcmp(list->last, host->host);
    strcpy(list->last, host->host);
    text_untrusted(table_cell_begin(table), host->host, strlen(host->host), CELL_COLUMNS_MAX);
    table_cell_end(table, STYLE_PLAIN);
    table_cell(table, STYLE_PLAIN, "%" PRIu64, host->events);
    put_age(table, host->newest_ns, host->newest_ns, list->now_ns, STYLE_PLAIN);
    put_age(table, true, host->seen_ns, list->now_ns, quiet ? STYLE_WARN : STYLE_PLAIN);
    table_cell(table, host->waiting_segments > WAITING_MANY ? STYLE_WARN : STYLE_PLAIN, "%" PRIu64, host->waiting_segments);
    table_cell(table, lost ? STYLE_BAD : STYLE_PLAIN, "%" PRIu64, host->lost_segments);
    table_cell(table, lost ? STYLE_BAD : STYLE_PLAIN, "%" PRIu64, host->lost_events);
    return 0;
}

/* Shows also the others when one does not answer, which becomes the failure.  first: of those that answer. */
static int show_servers(struct session *session, struct clickhouse **servers, size_t server_count, size_t *ret_first) {
    struct failure away = {0};
    *ret_first = server_count;
    for (size_t i = 0; i < server_count; i++) {
        session->failure = (struct failure){0};
        if (!show_server(session, servers[i])) {
            if (*ret_first == server_count) *ret_first = i;
        } else if (!session->failure.disconnected) {
            return -1;
        } else if (*away.text) {
            output_note(session->failure.text);
        } else {
            away = session->failure;
        }
    }
    session->failure = away;
    return 0;
}

/* Likewise the machines of the shards that answer. */
static int show_hosts(struct host_list *list, struct clickhouse *server) {
    struct session *session = list->session;
    struct failure failure = {0};
    if (!fleet_hosts(server, false, show_host, list, &failure)) return 0;
    list->partial = failure.disconnected;
    if (list->partial && !*session->failure.text) session->failure = failure;
    struct failure again = {0};
    if (list->partial && !fleet_hosts(server, true, show_host, list, &again)) return 0;
    session->failure = failure;
    return -1;
}

static int show_status(struct session *session, struct clickhouse **servers, size_t server_count) {
    static const struct table_column columns[] = {
        {"host", TABLE_LEFT, 0, 12}, {"events", TABLE_RIGHT, 5},        {"newest", TABLE_RIGHT, 3},  {"seen", TABLE_RIGHT, 2},
        {"waiting", TABLE_RIGHT, 1}, {"lost segments", TABLE_RIGHT, 4}, {"lost events", TABLE_RIGHT}};
    struct host_list list = {.session = session, .now_ns = trace_now_unix_ns()};
    size_t first;
    int result = show_servers(session, servers, server_count, &first);
    if (result) return -1;
    const struct table_style style = {
        .header = session->view.header, .color = session->view.color, .columns = output_columns(&session->output)};
    table_init(&list.table, sizeof columns / sizeof *columns, columns, &style);
    if (first < server_count) result = show_hosts(&list, servers[first]);
    if (!result && first < server_count && !options_want_data(session->options)) {
        bool none = !list.table.cell_count;
        table_end(&list.table, &session->output.text);
        if (none && !list.partial) strbuf_puts(&session->output.text, "no machine has shipped anything: inspector ship\n");
        if (list.twice)
            output_note("a name is there twice: either its machine ships with a new place file, because the old one is gone, and "
                        "the row seen last counts; or two machines have it: give one of them another with inspector ship --host "
                        "NAME");
    }
    table_fini(&list.table);
    if (!*session->failure.text) return result;
    struct failure why = session->failure; /* what is known is shown, too */
    (void)output_flush(&session->output);
    session->failure = why;
    return -1;
}

/* ---- the whole ---- */

static int run_word(struct session *session, struct clickhouse **servers, size_t server_count) {
    const char *word = session->options->args[1];
    uint64_t making = OPTION_BIT(CLUSTER) | OPTION_BIT(REPLICATED), changing = OPTION_BIT(ON_CLUSTER) | OPTION_BIT(DRY_RUN);
    if (!strcmp(word, "init")) return administer(session, servers, server_count, true);
    bool migrate = !strcmp(word, "migrate");
    if (session->options->given & (migrate ? making : making | changing))
        return failure_set(&session->failure, EXIT_USAGE,
                           "inspector fleet %s does not take that option; see inspector help fleet", word);
    return migrate ? administer(session, servers, server_count, false) : show_status(session, servers, server_count);
}

int run_fleet(struct session *session) {
    const struct options *options = session->options;
    const struct clickhouse_settings settings = {.login_file = options->texts[OPTION_LOGIN],
                                                 .ca_file = options->texts[OPTION_CA]};
    size_t server_count = options->arg_count - 2, opened = 0;
    const char *word = options->args[1];
    int result = 0;
    if (strcmp(word, "init") != 0 && strcmp(word, "status") != 0 && strcmp(word, "migrate") != 0)
        return failure_set(&session->failure, EXIT_USAGE, "inspector fleet %.40s: init, status or migrate is expected", word);
    struct clickhouse **servers = calloc(server_count, sizeof *servers);
    if (!servers) return session_out_of_memory(session);
    while (!result && opened < server_count) {
        result = clickhouse_open(&servers[opened], options->args[2 + opened], &settings, &session->failure);
        opened += !result;
    }
    if (!result) result = run_word(session, servers, server_count);
    while (opened) clickhouse_close(servers[--opened]);
    free(servers);
    return result;
}
