/* SPDX-License-Identifier: MIT
 *
 * One turn of the loop of ship.h:
 *
 *     scan the directory -> choose a batch -> record in the place that it is being sent -> send it until it arrives
 *                                                                                                  |
 *     the next turn records that it has arrived, together with what it sends itself  <------------+
 *
 * So each batch costs one write of the place, and the place always names a batch that may or may not have arrived. */
#include "ship.h"

#include "fleet_schema.h"
#include "place.h"
#include "ship_deliver.h"
#include "ship_metrics.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACE_NAME "p2ptrace-ship.place"
#define REPORT_MS 60000
#define HOST_BYTES_MAX (MACHINE_NAME_BYTES - 1) /* of those that a row can hold: then `nodes` and filters have the same name */

struct ship {
    struct ship_options options;
    const atomic_int *stop;
    struct clickhouse *server;
    struct fleet_schema schema;
    struct strbuf place_path;
    int lock_fd;
    struct place place;
    bool place_changed;
    bool metrics_failed, remove_failed; /* and the user knows */
    bool first_run;                     /* segments that are gone already were never to be shipped */
    struct spool spool;
    struct batch batch;
    struct ship_delivery delivery;
    struct ship_progress progress;
    struct row_writer host_row;
    uint64_t host_row_ms, report_ms, reported_events;
    char host[FLEET_HOST_BYTES_MAX + 1];
    void (*say)(const char *line);
};

/* ---- life ----------------------------------------------------------------------------------------------------------------- */

/* The name in /etc/hostname, as the administrator chose it; without it, the kernel's. */
static void find_host(char out[FLEET_HOST_BYTES_MAX + 1]) {
    FILE *file = fopen("/etc/hostname", "re");
    char line[256] = "";
    if (file) {
        while (fgets(line, sizeof line, file) && (*line == '#' || *line == '\n')) *line = 0;
        fclose(file);
    }
    line[strcspn(line, " \t\r\n")] = 0;
    if (!*line && gethostname(line, sizeof line - 1)) strcpy(line, "unknown");
    snprintf(out, FLEET_HOST_BYTES_MAX + 1, "%.*s", HOST_BYTES_MAX, line);
}

static int check_host(const char *host, struct failure *failure) {
    size_t bytes = strlen(host);
    bool fit = bytes <= HOST_BYTES_MAX; /* the options are never empty */
    for (const char *at = host; *at; at++) fit = fit && (unsigned char)*at > ' ' && *at != 0x7f;
    return fit ? 0
               : failure_set(failure, EXIT_USAGE, "--host %.80s: a name of 1 to %d bytes without spaces is expected", host,
                             HOST_BYTES_MAX);
}

static int open_files(struct ship *ship, struct failure *failure) {
    const struct ship_options *options = &ship->options;
    if (options->place)
        strbuf_puts(&ship->place_path, options->place);
    else
        strbuf_printf(&ship->place_path, "%s/" PLACE_NAME, options->dir);
    if (ship->place_path.failed) return failure_out_of_memory(failure);
    if (spool_scan(&ship->spool, options->dir, failure)) return -1; /* before we leave a lock file in the wrong directory */
    if (!options->look_only) {
        ship->lock_fd = place_lock(strbuf_text(&ship->place_path), failure);
        if (ship->lock_fd < 0) return -1;
    }
    return place_read(&ship->place, strbuf_text(&ship->place_path), failure);
}

static int save_place(struct ship *ship, struct failure *failure);
static void while_waiting(void *arg);

int ship_open(struct ship **ret_ship, const struct ship_options *options, const atomic_int *stop, struct failure *failure) {
    const struct clickhouse_settings settings = {.login_file = options->login, .ca_file = options->ca_file};
    struct ship *ship = calloc(1, sizeof *ship);
    if (!ship) return failure_out_of_memory(failure);
    ship->options = *options;
    if (options->look_only) ship->options.metrics = NULL; /* that of the one that ships stays */
    ship->stop = stop;
    ship->lock_fd = -1;
    ship->report_ms = trace_now_monotonic_ms();
    find_host(ship->host);
    int result = options->host ? check_host(options->host, failure) : 0;
    if (!result && options->host) strcpy(ship->host, options->host);
    if (!result) result = clickhouse_open(&ship->server, options->url, &settings, failure);
    if (!result) result = open_files(ship, failure);
    if (!result && batch_init(&ship->batch, ship->host)) result = failure_out_of_memory(failure);
    if (result) {
        ship_close(ship);
        return -1;
    }
    http_stop_on(clickhouse_http(ship->server), stop, SHIP_GRACE_MS);
    ship_deliver_init(&ship->delivery, ship->server);
    ship->delivery.progress = &ship->progress;
    ship->delivery.waits = while_waiting;
    ship->delivery.arg = ship;
    ship->delivery.patience_ms = options->patience_ms;
    ship->delivery.gzip =
        options->gzip == SHIP_GZIP_ALWAYS || (options->gzip == SHIP_GZIP_AUTO && !clickhouse_is_local(ship->server));
    *ret_ship = ship;
    return 0;
}

void ship_close(struct ship *ship) {
    struct failure failure;
    if (!ship) return;
    if (ship->place_changed) (void)save_place(ship, &failure); /* an older one is correct, too */
    clickhouse_close(ship->server);
    if (ship->lock_fd >= 0) close(ship->lock_fd);
    batch_fini(&ship->batch);
    spool_fini(&ship->spool);
    row_writer_fini(&ship->host_row);
    strbuf_fini(&ship->place_path);
    free(ship);
}

const char *ship_host(const struct ship *ship) { return ship->host; }

/* ---- the server ----------------------------------------------------------------------------------------------------------- */

static void count_waiting(struct ship *ship);
static void remove_shipped(struct ship *ship);

/* Is a batch that may have arrived still there, so that it can be sent again? */
static bool is_in_doubt(const struct ship *ship) {
    const struct place *place = &ship->place;
    const struct spool_segment *segment = spool_find(&ship->spool, place->sending.instance, place->sending.first);
    return segment && segment->number - place->sending.first < place->sending.count;
}

static int check_place(struct ship *ship, struct failure *failure) {
    struct place *place = &ship->place;
    const struct fleet_schema *schema = &ship->schema;
    const char *path = strbuf_text(&ship->place_path);
    ship->first_run = !*place->fleet;
    if (ship->first_run) {
        strcpy(place->fleet, schema->id);
        place->shard = schema->shard;
        return 0;
    }
    if (strcmp(place->fleet, schema->id) != 0)
        return failure_set(
            failure, EXIT_FAILED,
            "the place %s belongs to another fleet than %s/%s: give this one its own with --place FILE, or remove it to send "
            "everything that is still there",
            path, clickhouse_address(ship->server), clickhouse_database(ship->server));
    if (place->shard != schema->shard && is_in_doubt(ship))
        return failure_set(failure, EXIT_FAILED,
                           "the last batch may have reached shard %u, and %s is shard %u, where it would count once more: run "
                           "inspector ship --once "
                           "--to a server of shard %u first",
                           place->shard, clickhouse_address(ship->server), schema->shard, place->shard);
    place->shard = schema->shard; /* the next batch saves it */
    return 0;
}

/* "(instance = I AND segment >= FIRST) OR ...": all that is in the directory. */
static void put_spool(struct strbuf *out, const struct spool *spool) {
    for (size_t i = 0; i < spool->count; i++) {
        const struct spool_segment *first = &spool->segments[i];
        if (i && first->instance == first[-1].instance) continue;
        strbuf_printf(out, "%s(instance = %" PRIu64 " AND segment >= %" PRIu64 ")", i ? " OR " : "", first->instance,
                      first->number);
    }
}

/* A place that knows nothing: may another shard have what is to be sent?  Here it would count once more, because only rows of
 * one shard are compared.  Asks all shards. */
static enum clickhouse_outcome check_other_shards(struct ship *ship, struct failure *failure) {
    const char *database = clickhouse_database(ship->server);
    struct strbuf sql = {0};
    struct clickhouse_answer answer;
    if (*ship->place.fleet || !*ship->schema.cluster || !ship->spool.count) return CLICKHOUSE_OK;
    strbuf_printf(&sql, "SELECT instance, segment FROM `%s`.deliveries WHERE (", database);
    put_spool(&sql, &ship->spool);
    strbuf_printf(&sql, ") AND (instance, segment) GLOBAL NOT IN (SELECT instance, segment FROM `%s`.deliveries_local WHERE ",
                  database);
    put_spool(&sql, &ship->spool);
    strbuf_puts(&sql, ") LIMIT 1 FORMAT RowBinary");
    enum clickhouse_outcome outcome = sql.failed ? (failure_out_of_memory(failure), CLICKHOUSE_AGAIN)
                                                 : clickhouse_ask(ship->server, strbuf_text(&sql), &answer, failure);
    strbuf_fini(&sql);
    if (outcome || !answer.count) return outcome;
    struct row_reader rows = row_reader_of(answer.bytes, answer.count);
    uint64_t instance = row_read_u64(&rows), segment = row_read_u64(&rows);
    failure_set(failure, EXIT_FAILED,
                "another shard may have recordings of %.200s, as segment %" PRIu64 " of %016" PRIx64
                ", and %s is shard %u, where they would count once more: use the place with which they were shipped (--place "
                "FILE), or ship to a server of that shard",
                ship->options.dir, segment, instance, clickhouse_address(ship->server), ship->schema.shard);
    return ship->schema.replicated ? CLICKHOUSE_AGAIN : CLICKHOUSE_REFUSED; /* a replica may lag */
}

static int try_metrics(struct ship *ship) {
    const char *path = ship->options.metrics;
    return path ? ship_metrics_write(path, ship->host, &ship->progress, trace_now_unix_ns()) : 0;
}

static void write_metrics(struct ship *ship) {
    char line[512];
    int error = try_metrics(ship);
    if (error && !ship->metrics_failed && ship->say) {
        snprintf(line, sizeof line, "%.300s is not renewed: %s", ship->options.metrics, strerror(-error));
        ship->say(line);
    }
    ship->metrics_failed = error != 0;
}

static void while_waiting(void *arg) {
    struct ship *ship = arg;
    struct failure failure; /* the next turn reports it */
    bool saved = !ship->options.look_only && (!ship->place_changed || !save_place(ship, &failure));
    if (!spool_scan(&ship->spool, ship->options.dir, &failure)) {
        count_waiting(ship);
        if (saved) remove_shipped(ship);
    }
    write_metrics(ship);
}

int ship_connect(struct ship *ship, void (*say)(const char *line), struct failure *failure) {
    uint64_t begin_ms = trace_now_monotonic_ms(), patience_ms = ship->options.patience_ms;
    struct http_backoff backoff;
    bool said = false;
    http_backoff_init(&backoff, SHIP_PAUSE_MAX_MS);
    ship->say = ship->delivery.say = say;
    count_waiting(ship); /* also while nobody answers */
    int error = try_metrics(ship);
    if (error)
        return failure_set(failure, EXIT_FAILED, "%.300s cannot be written: %s; name another file with --metrics FILE",
                           ship->options.metrics, strerror(-error));
    for (;;) {
        enum clickhouse_outcome outcome = fleet_schema_need(ship->server, &ship->schema, failure);
        if (!outcome) outcome = check_other_shards(ship, failure);
        if (!outcome) break;
        uint64_t pause_ms = http_backoff_next(&backoff, 0);
        if (outcome == CLICKHOUSE_REFUSED || outcome == CLICKHOUSE_STOPPED) return -1;
        if (patience_ms != WAIT_FOREVER && trace_now_monotonic_ms() + pause_ms > begin_ms + patience_ms) return -1;
        if (!said && say) say(failure->text);
        said = true;
        if (ship_deliver_pause(&ship->delivery, pause_ms)) return failure_set(failure, EXIT_FAILED, "interrupted");
    }
    ship->progress.up = true;
    return check_place(ship, failure);
}

int ship_try_insert(struct ship *ship, struct failure *failure) {
    const struct row_writer none = {0};
    struct clickhouse_answer answer;
    struct strbuf columns = {0};
    fleet_column_list(&columns, fleet_table_find("hosts"));
    enum clickhouse_outcome outcome = clickhouse_insert(ship->server, "hosts_local", strbuf_text(&columns), &none,
                                                        (struct clickhouse_how){0}, &answer, failure);
    strbuf_fini(&columns);
    return outcome ? -1 : 0;
}

/* ---- the place ------------------------------------------------------------------------------------------------------------ */

static void say_not_removed(struct ship *ship, int error) {
    char line[512];
    snprintf(line, sizeof line, "shipped recordings in %.300s cannot be removed, and take more room than --keep: %s",
             ship->options.dir, strerror(-error));
    if (ship->say && !ship->remove_failed) ship->say(line);
    ship->remove_failed = true;
}

/* Removes shipped files only after the place has recorded them durably: otherwise, after a kill, they would look like a loss. */
static void remove_shipped(struct ship *ship) {
    uint64_t bytes = 0;
    if (!ship->options.keep_bytes) return;
    for (size_t i = 0; i < ship->spool.count; i++) bytes += ship->spool.segments[i].bytes;
    while (bytes > ship->options.keep_bytes) {
        struct spool_segment *oldest = NULL;
        for (size_t i = 0; i < ship->spool.count; i++) {
            struct spool_segment *segment = &ship->spool.segments[i];
            const struct place_instance *entry = place_find(&ship->place, segment->instance);
            if (!segment->bytes || !entry || segment->number >= entry->next) continue;
            if (!oldest || segment->written_ns < oldest->written_ns) oldest = segment;
        }
        if (!oldest) break;
        int error = spool_remove(ship->options.dir, oldest->instance, oldest->number);
        if (error) say_not_removed(ship, error);
        if (error) return;
        bytes -= oldest->bytes;
        oldest->bytes = 0; /* do not remove it again */
    }
    ship->remove_failed = false;
}

/* Keeps instances without files while there is room: their traced may still run. */
static void forget_instances(struct ship *ship) {
    struct place *place = &ship->place;
    while (place->instance_count > PLACE_INSTANCES_MAX - 64) {
        const struct place_instance *oldest = NULL;
        for (size_t i = 0; i < place->instance_count; i++) {
            const struct place_instance *entry = &place->instances[i];
            if (spool_find(&ship->spool, entry->instance, 0)) continue;
            if (!oldest || entry->newest_ns < oldest->newest_ns) oldest = entry;
        }
        if (!oldest) return;
        place_forget(place, oldest->instance);
    }
}

static int save_place(struct ship *ship, struct failure *failure) {
    forget_instances(ship);
    if (place_save(&ship->place, strbuf_text(&ship->place_path), failure)) return -1;
    ship->place_changed = false;
    return 0;
}

/* ---- the next batch -------------------------------------------------------------------------------------------------------- */

/* Segments gone before the first run are no loss: each instance begins with its first file. */
static int begin_instances(struct ship *ship, struct failure *failure) {
    for (size_t i = 0; i < ship->spool.count; i++) {
        const struct spool_segment *segment = &ship->spool.segments[i];
        if (place_find(&ship->place, segment->instance)) continue;
        struct place_instance *entry = place_need(&ship->place, segment->instance);
        if (!entry)
            return failure_set(failure, EXIT_FAILED, "%s has recordings of too many runs: move old ones away", ship->options.dir);
        entry->next = ship->first_run ? segment->number : 0;
    }
    ship->first_run = false;
    return 0;
}

static uint64_t next_of(struct ship *ship, uint64_t instance) {
    const struct place_instance *entry = place_find(&ship->place, instance);
    return entry ? entry->next : 0;
}

static void count_waiting(struct ship *ship) {
    struct ship_progress *progress = &ship->progress;
    progress->waiting_segments = progress->waiting_bytes = progress->waiting_since_ns = 0;
    for (size_t i = 0; i < ship->spool.count; i++) {
        const struct spool_segment *segment = &ship->spool.segments[i];
        if (segment->number < next_of(ship, segment->instance)) continue;
        progress->waiting_segments++;
        progress->waiting_bytes += segment->bytes;
        if (!progress->waiting_since_ns || segment->written_ns < progress->waiting_since_ns)
            progress->waiting_since_ns = segment->written_ns;
    }
    progress->lost_segments = ship->place.lost_segments;
    progress->lost_events = ship->place.lost_events;
    progress->shipped_segments = ship->place.segments;
    progress->shipped_events = ship->place.events;
    for (size_t i = 0; i < ship->place.instance_count; i++)
        if (ship->place.instances[i].newest_ns > progress->newest_ns) progress->newest_ns = ship->place.instances[i].newest_ns;
}

static int scan_directory(struct ship *ship, struct failure *failure) {
    if (spool_scan(&ship->spool, ship->options.dir, failure)) return -1;
    if (begin_instances(ship, failure)) return -1;
    count_waiting(ship);
    return 0;
}

int ship_look(struct ship *ship, struct ship_progress *ret_progress, struct failure *failure) {
    if (spool_scan(&ship->spool, ship->options.dir, failure)) return -1;
    count_waiting(ship);
    *ret_progress = ship->progress;
    return 0;
}

/* The batch that was on its way, or else the segment that has waited longest.  NULL: nothing waits. */
static const struct spool_segment *choose_segment(struct ship *ship) {
    const struct spool_segment *oldest = NULL;
    for (size_t i = 0; i < ship->place.instance_count; i++) {
        const struct place_instance *entry = &ship->place.instances[i];
        const struct spool_segment *segment = spool_find(&ship->spool, entry->instance, entry->next);
        if (segment && ship->place.sending.count && ship->place.sending.instance == entry->instance) return segment;
        if (segment && (!oldest || segment->written_ns < oldest->written_ns)) oldest = segment;
    }
    return oldest;
}

/* The same batch again, or as many as may follow: reading them ends at the first that is not there. */
static uint64_t most_in_row(const struct ship *ship) {
    return ship->place.sending.count ? ship->place.sending.count : SHIP_BATCH_SEGMENTS;
}

/* ---- a turn --------------------------------------------------------------------------------------------------------------- */

enum turn { TURN_SHIPPED, TURN_NOTHING, TURN_AGAIN /* with a failure, if the user must know */, TURN_FAILED };

static void say_loss(const struct ship *ship, const char *format, uint64_t a, uint64_t b, uint64_t instance) {
    char line[256];
    snprintf(line, sizeof line, format, a, b, instance);
    if (ship->say) ship->say(line);
}

/* A missing segment: removed before it was shipped, or dropped by a traced whose disk was full. */
static void add_gap(struct ship *ship, uint64_t instance, uint64_t next, uint64_t number, uint64_t now_ns) {
    const struct place_instance *entry = place_find(&ship->place, instance);
    const struct batch_loss loss = {.instance = instance,
                                    .first_segment = next,
                                    .segments = number - next,
                                    .events_max = (number - next) * HISTORY_SEGMENT_EVENTS,
                                    .from_ns = entry ? entry->newest_ns : 0,
                                    .to_ns = ship->batch.oldest_ns,
                                    .cause = "missing"};
    batch_add_loss(&ship->batch, &loss, now_ns);
    say_loss(ship,
             "segments %" PRIu64 " to %" PRIu64 " of %016" PRIx64
             " were gone before they were shipped: give traced more room with --record-max; the loss is noted in the fleet",
             next, number - 1, instance);
}

static enum turn read_batch(struct ship *ship, const struct spool_segment *first, uint64_t *count, struct failure *failure) {
    uint64_t now_ns = trace_now_unix_ns(), instance = first->instance, number = first->number;
    batch_clear(&ship->batch);
    for (uint64_t i = 0; i < *count; i++) {
        switch (batch_add(&ship->batch, ship->options.dir, instance, number + i, now_ns, failure)) {
        case BATCH_READ: break;
        case BATCH_GONE: *count = i; break; /* the next scan counts it as a gap */
        case BATCH_LATER: batch_nodes_forget(&ship->batch.nodes); return TURN_AGAIN;
        case BATCH_REFUSED: return TURN_FAILED;
        }
    }
    if (!*count) return TURN_AGAIN;
    uint64_t next = next_of(ship, instance);
    if (number > next) add_gap(ship, instance, next, number, now_ns);
    return TURN_SHIPPED;
}

static void note_shipped(struct ship *ship, uint64_t instance, uint64_t number, uint64_t count) {
    struct place_instance *entry = place_find(&ship->place, instance);
    const struct batch *batch = &ship->batch;
    struct place *place = &ship->place;
    place->lost_segments += number - entry->next + batch->damaged_segments;
    place->lost_events += batch->damaged_events;
    place->segments += count;
    place->events += batch->events;
    place->sending.count = 0;
    entry->next = number + count;
    if (batch->newest_ns > entry->newest_ns) entry->newest_ns = batch->newest_ns;
    ship->place_changed = true;
    ship->progress.segments += count;
    ship->progress.events += batch->events;
    if (batch->damaged_segments || batch->damaged_events)
        say_loss(ship,
                 "%" PRIu64 " segments and %" PRIu64 " more events of %016" PRIx64 " are damaged; the loss is noted in the fleet",
                 batch->damaged_segments, batch->damaged_events, instance);
}

/* Reading a directory while files arrive may miss one and see a later one: count a gap only if two scans see it. */
static int next_segment(struct ship *ship, const struct spool_segment **ret_segment, struct failure *failure) {
    bool gap = true;
    for (unsigned scans = 0; gap && scans < 2; scans++) {
        if (scan_directory(ship, failure)) return -1;
        const struct spool_segment *segment = *ret_segment = choose_segment(ship);
        gap = segment && segment->number != next_of(ship, segment->instance);
    }
    return 0;
}

static enum turn take_turn(struct ship *ship, struct failure *failure) {
    const struct spool_segment *first;
    if (next_segment(ship, &first, failure)) return TURN_FAILED;
    if (!first) return TURN_NOTHING;
    uint64_t instance = first->instance, number = first->number, count = most_in_row(ship);
    enum turn turn = read_batch(ship, first, &count, failure);
    if (turn != TURN_SHIPPED) return turn;
    ship->place.sending.instance = instance;
    ship->place.sending.first = number;
    ship->place.sending.count = count;
    if (save_place(ship, failure)) {
        batch_nodes_forget(&ship->batch.nodes);
        return TURN_AGAIN;
    }
    remove_shipped(ship);
    if (ship_deliver(&ship->delivery, &ship->batch, failure)) return TURN_FAILED;
    note_shipped(ship, instance, number, count);
    count_waiting(ship);
    return TURN_SHIPPED;
}

/* ---- besides --------------------------------------------------------------------------------------------------------------- */

/* The row of this machine in `hosts`. */
static int write_host_row(struct ship *ship, struct failure *failure) {
    struct row_writer *row = &ship->host_row;
    const struct ship_progress *progress = &ship->progress;
    row_writer_clear(row);
    row_write_string(row, ship->host);
    row_write_string(row, ship->place.shipper);
    row_write_u64(row, trace_now_unix_ns());
    row_write_string(row, ship->options.program);
    row_write_u64(row, ship->place.segments);
    row_write_u64(row, ship->place.events);
    row_write_u64(row, ship->place.lost_segments);
    row_write_u64(row, ship->place.lost_events);
    row_write_u64(row, progress->newest_ns);
    row_write_u64(row, progress->waiting_segments);
    row_write_u64(row, progress->waiting_bytes);
    ship->host_row_ms = trace_now_monotonic_ms();
    if (row->failed) return failure_out_of_memory(failure);
    return ship_deliver_rows(&ship->delivery, "hosts", row, failure) ? -1 : 0;
}

static void report(struct ship *ship) {
    const struct ship_progress *progress = &ship->progress;
    char line[256];
    if (trace_now_monotonic_ms() - ship->report_ms < REPORT_MS) return;
    ship->report_ms = trace_now_monotonic_ms();
    if (progress->events == ship->reported_events) return;
    snprintf(line, sizeof line, "%" PRIu64 " events shipped since the last report; %" PRIu64 " segments wait",
             progress->events - ship->reported_events, progress->waiting_segments);
    ship->reported_events = progress->events;
    if (ship->say) ship->say(line);
}

/* When nothing waits: records what has arrived, and renews our row so that the fleet sees that we are alive. */
static enum turn settle(struct ship *ship, struct failure *failure) {
    uint64_t quiet_ms = trace_now_monotonic_ms() - ship->host_row_ms;
    bool changed = ship->place_changed;
    if (changed && save_place(ship, failure)) return TURN_AGAIN;
    remove_shipped(ship); /* all of them, also when there is less room than for the last run */
    if ((changed || quiet_ms >= 6 * SHIP_HOST_ROW_MS) && write_host_row(ship, failure)) return TURN_FAILED;
    return TURN_NOTHING;
}

/* Returns 0 when the flag was set, or with `once` when nothing waits; -1 with the failure. */
static int run(struct ship *ship, struct failure *failure) {
    struct http_backoff backoff;
    bool said = false;
    http_backoff_init(&backoff, SHIP_PAUSE_MAX_MS);
    while (!*ship->stop) {
        uint64_t pause_ms = SHIP_LOOK_MS;
        *failure = (struct failure){0};
        enum turn turn = take_turn(ship, failure);
        if (turn == TURN_NOTHING) turn = settle(ship, failure);
        if (turn == TURN_SHIPPED && trace_now_monotonic_ms() - ship->host_row_ms >= SHIP_HOST_ROW_MS &&
            write_host_row(ship, failure))
            turn = TURN_FAILED;
        bool failed = turn == TURN_AGAIN && *failure->text; /* also what then arrived may have left a text */
        if (turn == TURN_FAILED || (failed && ship->options.once)) return -1;
        if (turn == TURN_NOTHING && ship->options.once) return 0;
        write_metrics(ship);
        report(ship);
        if (failed && !said && ship->say) ship->say(failure->text);
        said = failed;
        if (failed) pause_ms = http_backoff_next(&backoff, 0);
        if (!failed) http_backoff_reset(&backoff);
        if (turn != TURN_SHIPPED) http_pause(clickhouse_http(ship->server), pause_ms);
    }
    return 0;
}

int ship_run(struct ship *ship, struct failure *failure) {
    int result = run(ship, failure);
    write_metrics(ship);
    return *ship->stop ? 0 : result;
}
