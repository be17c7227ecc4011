/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: rows of events as ClickHouse answers them (inspector/fleet/fleet_event.h).  A row that can be read can be written,
 * and is read again unchanged. */
#include "fleet_event.h"
#include "fuzz.h"

static void check_row(const struct fleet_event *row) {
    uint8_t bytes[FLEET_EVENT_BYTES_MAX];
    struct fleet_origin origin;
    struct fleet_event again, third;
    REQUIRE(memchr(row->host, 0, sizeof row->host) != NULL);
    fleet_origin_make(&origin, &row->node_id, row->log_id, row->host, row->instance, row->segment);
    const uint8_t *end = fleet_event_put(bytes, &origin, row->lane, &row->event);
    REQUIRE(end <= bytes + sizeof bytes);
    struct row_reader reader = row_reader_of(bytes, (size_t)(end - bytes));
    REQUIRE(fleet_event_read(&reader, &again) == 0 && !row_reader_more(&reader));
    /* The first write drops what is never shown (fleet_event.h); the second drops nothing more. */
    fleet_origin_make(&origin, &again.node_id, again.log_id, again.host, again.instance, again.segment);
    end = fleet_event_put(bytes, &origin, again.lane, &again.event);
    reader = row_reader_of(bytes, (size_t)(end - bytes));
    REQUIRE(fleet_event_read(&reader, &third) == 0 && fuzz_same(&again, &third, sizeof again));
    REQUIRE(again.event.timestamp == row->event.timestamp && again.event.kind == row->event.kind && again.lane == row->lane);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct row_reader reader = row_reader_of(data, bytes);
    struct fleet_event row;
    while (row_reader_more(&reader) && fleet_event_read(&reader, &row) == 0) check_row(&row);
    return 0;
}
