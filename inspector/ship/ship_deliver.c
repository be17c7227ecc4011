/* SPDX-License-Identifier: MIT */
#include "ship_deliver.h"

#include <proto/clock.h>
#include <stdio.h>
#include <sys/random.h>

void ship_deliver_init(struct ship_delivery *delivery, struct clickhouse *server) {
    *delivery = (struct ship_delivery){.server = server, .patience_ms = WAIT_FOREVER};
    http_backoff_init(&delivery->backoff, SHIP_PAUSE_MAX_MS);
}

static void note_away(struct ship_delivery *delivery, const struct failure *failure) {
    char line[1024];
    if (delivery->progress->up && delivery->say) {
        snprintf(line, sizeof line, "%s; trying again, and nothing is lost meanwhile", failure->text);
        delivery->say(line);
    }
    delivery->progress->up = false;
    delivery->progress->retries++;
}

static void note_back(struct ship_delivery *delivery) {
    struct ship_progress *progress = delivery->progress;
    char line[256];
    if (!progress->up && delivery->say) {
        snprintf(line, sizeof line, "%.200s takes rows again", clickhouse_address(delivery->server));
        delivery->say(line);
    }
    progress->up = true;
    http_backoff_reset(&delivery->backoff);
}

bool ship_deliver_pause(struct ship_delivery *delivery, uint64_t ms) {
    const struct http *http = clickhouse_http(delivery->server);
    while (ms > 0) {
        uint64_t step_ms = ms < SHIP_LOOK_MS ? ms : SHIP_LOOK_MS;
        if (delivery->waits) delivery->waits(delivery->arg);
        if (http_pause(http, step_ms)) return true;
        ms -= step_ms;
    }
    return false;
}

/* One request. */
static enum clickhouse_outcome insert(struct ship_delivery *delivery, const char *name, const struct row_writer *rows, bool once,
                                      struct clickhouse_answer *ret_answer, struct failure *failure) {
    const struct clickhouse_how how = {delivery->gzip, once};
    struct strbuf columns = {0};
    char local[64];
    snprintf(local, sizeof local, "%s_local", name);
    fleet_column_list(&columns, fleet_table_find(name));
    enum clickhouse_outcome outcome =
        columns.failed ? (failure_out_of_memory(failure), CLICKHOUSE_AGAIN)
                       : clickhouse_insert(delivery->server, local, strbuf_text(&columns), rows, how, ret_answer, failure);
    strbuf_fini(&columns);
    if (outcome) return outcome;
    delivery->progress->bytes += rows->count;
    delivery->progress->success_ns = trace_now_unix_ns();
    return CLICKHOUSE_OK;
}

/* Written before the events, so that nobody sees a row twice without this. */
static enum clickhouse_outcome announce(struct ship_delivery *delivery, struct batch *batch, struct clickhouse_answer *ret_answer,
                                        struct failure *failure) {
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        failure_set(failure, EXIT_FAILED, "cannot get random numbers");
        return CLICKHOUSE_REFUSED;
    }
    batch_write_deliveries(batch, number);
    if (batch_failed(batch)) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    return insert(delivery, "deliveries", &batch->deliveries, false, ret_answer, failure);
}

/* Tries until it arrives.  announced: each attempt is announced first; NULL: none.  An attempt that could only be announced has
 * failed: a server may take those rows, and no events. */
static enum clickhouse_outcome deliver(struct ship_delivery *delivery, const char *name, const struct row_writer *rows,
                                       struct batch *announced, struct failure *failure) {
    uint64_t begin_ms = trace_now_monotonic_ms();
    for (;;) {
        struct clickhouse_answer answer = {0};
        enum clickhouse_outcome outcome = announced ? announce(delivery, announced, &answer, failure) : CLICKHOUSE_OK;
        if (!outcome) /* nobody knows of attempts that curl adds */
            outcome = insert(delivery, name, rows, announced != NULL, &answer, failure);
        if (!outcome) note_back(delivery);
        if (outcome == CLICKHOUSE_REFUSED) delivery->progress->up = false;
        if (!outcome || outcome == CLICKHOUSE_REFUSED || outcome == CLICKHOUSE_STOPPED) return outcome;
        note_away(delivery, failure);
        uint64_t pause_ms = http_backoff_next(&delivery->backoff, answer.retry_after_s);
        if (delivery->patience_ms != WAIT_FOREVER && trace_now_monotonic_ms() + pause_ms > begin_ms + delivery->patience_ms)
            return outcome;
        if (ship_deliver_pause(delivery, pause_ms)) return CLICKHOUSE_STOPPED;
    }
}

enum clickhouse_outcome ship_deliver_rows(struct ship_delivery *delivery, const char *name, const struct row_writer *rows,
                                          struct failure *failure) {
    return deliver(delivery, name, rows, NULL, failure);
}

enum clickhouse_outcome ship_deliver(struct ship_delivery *delivery, struct batch *batch, struct failure *failure) {
    const struct {
        const char *name;
        const struct row_writer *rows;
    } first[] = {{"trace_index", &batch->index_rows}, {"nodes", &batch->nodes.nodes}, {"apps", &batch->nodes.apps},
                 {"aliases", &batch->nodes.aliases},  {"losses", &batch->losses},     {"rare_events", &batch->rare_rows}};
    enum clickhouse_outcome outcome = CLICKHOUSE_OK;
    row_writer_clear(&batch->index_rows);
    trace_index_write(&batch->index, &batch->index_rows);
    if (batch_failed(batch)) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
    for (size_t i = 0; i < sizeof first / sizeof *first && !outcome; i++)
        if (first[i].rows->count) outcome = ship_deliver_rows(delivery, first[i].name, first[i].rows, failure);
    for (size_t i = 0; i < batch->group_count && !outcome; i++) {
        const struct batch_group *group = &batch->groups[i];
        if (!group->count) continue;
        if (batch_encode_group(batch, group)) return failure_out_of_memory(failure), CLICKHOUSE_AGAIN;
        if (group->clock_rows.count) outcome = ship_deliver_rows(delivery, "clock_ends", &group->clock_rows, failure);
        if (outcome) break;
        outcome = deliver(delivery, "events", &batch->event_rows, batch, failure);
    }
    /* A reader that sees a step estimates the clocks again: by then, the packets after the step are there. */
    if (!outcome && batch->nodes.steps.count) outcome = ship_deliver_rows(delivery, "clock_steps", &batch->nodes.steps, failure);
    /* Last, so that a reader that sees a segment finds all of it. */
    if (!outcome) outcome = ship_deliver_rows(delivery, "segments", &batch->segments, failure);
    return outcome;
}
