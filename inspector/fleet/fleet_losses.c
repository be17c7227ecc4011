/* SPDX-License-Identifier: MIT */
#include "fleet_losses.h"

#include <inttypes.h>
#include <time.h>

#define HOST_BYTES (FLEET_HOST_BYTES_MAX + 1)

/* A loss that was noted again replaces the one before it. */
void fleet_losses_put(struct strbuf *sql, const struct clickhouse *server) {
    strbuf_printf(sql,
                  "SELECT host, sum(segments), sum(events_max), min(from_ns), max(to_ns) FROM `%s`.losses FINAL GROUP BY host "
                  "ORDER BY host FORMAT RowBinary",
                  clickhouse_database(server));
}

static void put_time(struct strbuf *out, uint64_t ns) {
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char text[sizeof "2026-01-31T12:00:00"];
    if (gmtime_r(&seconds, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm)) strbuf_printf(out, "%sZ", text);
}

static void put_line(struct strbuf *out, const char *host, uint64_t segments, uint64_t events, uint64_t from_ns, uint64_t to_ns) {
    strbuf_printf(out, "up to %" PRIu64 " event%s of host %s are missing in this fleet", events, events == 1 ? "" : "s", host);
    if (from_ns || to_ns) strbuf_puts(out, ", all");
    if (from_ns) strbuf_puts(out, " after "), put_time(out, from_ns);
    if (to_ns) strbuf_puts(out, from_ns ? " and before " : " before "), put_time(out, to_ns + 999999999);
    if (segments)
        strbuf_printf(out, ": %" PRIu64 " segment%s gone before %s shipped", segments, segments == 1 ? " was" : "s were",
                      segments == 1 ? "it was" : "they were");
    else
        strbuf_puts(out, ": their recordings are damaged");
}

int fleet_losses_tell(const struct clickhouse_question *question, void (*note)(const char *text), struct failure *failure) {
    struct row_reader rows = clickhouse_rows(question);
    struct strbuf line = {0};
    uint64_t hosts = 0, events_of_others = 0;
    while (row_reader_more(&rows)) {
        char host[HOST_BYTES];
        row_read_text(&rows, host, sizeof host);
        uint64_t segments = row_read_u64(&rows), events = row_read_u64(&rows);
        uint64_t from_ns = row_read_u64(&rows), to_ns = row_read_u64(&rows);
        if (rows.failed) break;
        if (++hosts > FLEET_LOSSES_TOLD) {
            events_of_others += events;
            continue;
        }
        strbuf_clear(&line);
        put_line(&line, host, segments, events, from_ns, to_ns);
        if (!line.failed) note(strbuf_text(&line));
    }
    strbuf_clear(&line);
    if (hosts > FLEET_LOSSES_TOLD) {
        strbuf_printf(&line, "up to %" PRIu64 " events of %" PRIu64 " more hosts are missing, too: inspector fleet status",
                      events_of_others, hosts - FLEET_LOSSES_TOLD);
        if (!line.failed) note(strbuf_text(&line));
    }
    bool failed = line.failed;
    strbuf_fini(&line);
    if (failed) return failure_out_of_memory(failure);
    return rows.failed ? failure_set(failure, EXIT_FAILED, "the fleet's answer was cut short: ask again") : 0;
}
