/* SPDX-License-Identifier: MIT */
#include "resume.h"

#include "event_list.h"
#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Losses without a place in the lane: events that were never given a position. */
enum sum { SUM_DISCARDED, SUM_NO_LANE, SUM_COUNT };

/* A lane, or a log. */
struct shown_entry {
    bool begun;       /* a lane: next and window are meant */
    bool is_old;      /* a log: it was there before us */
    uint64_t next;    /* the position behind the last that was shown or told as missing */
    uint64_t window;  /* bit n: position next - 1 - n was */
    uint64_t resumed; /* next when hidden losses began to be counted, or behind those that were counted since */
    unsigned stream;  /* a log: that its sums are of */
    uint64_t sums[SUM_COUNT];
    uint64_t told[SUM_COUNT];
};

int shown_init(struct shown *shown, bool whole, uint64_t recent) {
    *shown = (struct shown){.places = json_object(), .stream = 1, .recent = recent, .whole = whole};
    return shown->places ? 0 : -ENOMEM;
}

void shown_fini(struct shown *shown) {
    json_decref(shown->places);
    free(shown->entries);
}

/* Finds or makes an entry; its index, or a negative errno: -ENOSPC when we remember enough. */
static long entry_at(struct shown *shown, const char *key) {
    const json_t *place = json_object_get(shown->places, key);
    if (place) return (long)json_integer_value(place);
    if (shown->count == SHOWN_ENTRIES_MAX) return -ENOSPC;
    if (shown->count == shown->capacity) {
        size_t capacity = shown->capacity ? shown->capacity * 2 : 64;
        struct shown_entry *entries = realloc(shown->entries, capacity * sizeof *entries);
        if (!entries) return -ENOMEM;
        shown->entries = entries;
        shown->capacity = capacity;
    }
    if (json_object_set_new(shown->places, key, json_integer((json_int_t)shown->count))) return -ENOMEM;
    shown->entries[shown->count] = (struct shown_entry){0};
    return (long)shown->count++;
}

/* Room for "node log lane". */
#define KEY_BYTES (NODE_DIGITS + LOG_DIGITS + 24)

/* The key of a log; false when the object does not say which. */
static bool log_key(char key[KEY_BYTES], const json_t *object) {
    const char *node = json_get_hex(object, "node_id", NODE_DIGITS), *log = json_get_hex(object, "log", LOG_DIGITS);
    if (!node || !log) return false;
    snprintf(key, KEY_BYTES, "%s %s", node, log);
    return true;
}

int shown_know_logs(struct shown *shown, const json_t *nodes_answer) {
    static const char *const causes[SUM_COUNT] = {[SUM_DISCARDED] = "discarded", [SUM_NO_LANE] = "no_lane"};
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(nodes_answer, "nodes"), i, node) {
        char key[KEY_BYTES];
        if (!log_key(key, node)) continue;
        long at = entry_at(shown, key);
        if (at == -ENOSPC) return 0;
        if (at < 0) return (int)at;
        struct shown_entry *log = &shown->entries[at];
        log->is_old = true;
        for (unsigned sum = 0; sum < SUM_COUNT; sum++)
            log->told[sum] = json_get_count(json_object_get(node, "lost_by"), causes[sum]);
        memcpy(log->sums, log->told, sizeof log->sums);
        log->stream = shown->stream;
    }
    return 0;
}

void shown_next_stream(struct shown *shown) {
    shown->stream++;
    shown->recent = 0;
    shown->explained = 0;
}

void shown_begin_hidden(struct shown *shown) {
    for (size_t i = 0; i < shown->count; i++) shown->entries[i].resumed = shown->entries[i].next;
}

void shown_explain(struct shown *shown, uint64_t lost) {
    if (shown->whole) shown->explained += lost;
}

/* ---- a lane ---- */

/* Where the 32 bits that are told lie on the lane's line: within half of their range of a position near it. */
static uint64_t position_near(uint64_t near, uint64_t told) {
    return near + (uint64_t)(int64_t)(int32_t)((uint32_t)told - (uint32_t)near);
}

/* The end of a loss, as far as it lies ahead of a position: 0 when none of it does. */
static uint64_t gap_ahead(uint64_t position, uint64_t first, uint64_t count) {
    uint64_t end = first == position ? first + count : position_near(position, first + count);
    return end - position > UINT64_MAX / 2 ? 0 : end - position;
}

/* Moves on to a position behind a loss, or an event.  known: what was passed over is told, and will not be shown. */
static void move_to(struct shown_entry *lane, uint64_t next, bool known) {
    uint64_t by = next - lane->next;
    uint64_t shifted = by < 64 ? lane->window << by : 0;
    uint64_t passed = by < 64 ? (UINT64_C(1) << by) - 1 : UINT64_MAX;
    lane->window = known ? shifted | passed : shifted;
    lane->next = next;
}

/* The events that are missing from where we are to `begin`, less what traced has told of them. */
static uint64_t step(struct shown *shown, const struct shown_entry *lane, uint64_t begin) {
    if (!shown->whole || shown->recent || begin <= lane->next) return 0;
    uint64_t missing = begin - lane->next, told = missing < shown->explained ? missing : shown->explained;
    shown->explained -= told;
    return missing - told;
}

static struct shown_verdict take_event(struct shown *shown, struct shown_entry *lane, const json_t *event) {
    uint64_t position = position_near(lane->next, json_get_count(event, "sequence"));
    if (position >= lane->next) {
        uint64_t missed = step(shown, lane, position);
        bool known = shown->recent == 0;
        move_to(lane, position + 1, known);
        lane->window |= 1;
        return (struct shown_verdict){.show = true, .missed = missed};
    }
    uint64_t ago = lane->next - 1 - position, bit = ago < 64 ? UINT64_C(1) << ago : 0;
    bool seen = !bit || lane->window & bit;
    lane->window |= bit;
    return (struct shown_verdict){.show = !seen || shown->stream == 1};
}

static void set_loss(json_t *event, uint64_t first, uint64_t count) {
    json_t *data = json_object_get(event, "data");
    json_object_set_new(data, "first", json_integer((json_int_t)first));
    json_object_set_new(data, "count", json_integer((json_int_t)count));
}

/* A loss of so many events in front of a place. */
static struct shown_verdict take_gap(struct shown *shown, struct shown_entry *lane, json_t *event) {
    const json_t *data = json_object_get(event, "data");
    uint64_t first = json_get_count(data, "first"), count = json_get_count(data, "count");
    uint64_t ahead = gap_ahead(lane->next, first, count);
    if (!ahead) return (struct shown_verdict){.show = shown->stream == 1};
    struct shown_verdict verdict = {.show = true};
    if (count > ahead)
        set_loss(event, first + (count - ahead), ahead);
    else
        verdict.missed = step(shown, lane, lane->next + ahead - count);
    move_to(lane, lane->next + ahead, true);
    return verdict;
}

/* A lane that is met for the first time.  Of a log that came while no stream ran, all events are meant; else those from here
 * on. */
static void begin_lane(struct shown_entry *lane, bool is_old, const json_t *event) {
    *lane = (struct shown_entry){.begun = true, .window = UINT64_MAX};
    if (!is_old) return;
    lane->next =
        event_is_gap(event) ? json_get_count(json_object_get(event, "data"), "first") : json_get_count(event, "sequence");
}

/* ---- a log's sums ---- */

static bool has_sum(const json_t *event, enum sum *ret_sum) {
    const char *cause = json_get_text(json_object_get(event, "data"), "cause");
    if (!event_is_gap(event) || !cause) return false;
    *ret_sum = !strcmp(cause, "no_lane") ? SUM_NO_LANE : SUM_DISCARDED;
    return *ret_sum == SUM_NO_LANE || !strcmp(cause, "discarded");
}

static struct shown_verdict take_sum(struct shown *shown, struct shown_entry *log, enum sum sum, json_t *event) {
    const json_t *data = json_object_get(event, "data");
    if (log->stream != shown->stream) {
        log->stream = shown->stream;
        memset(log->sums, 0, sizeof log->sums);
    }
    log->sums[sum] += json_get_count(data, "count");
    if (log->sums[sum] <= log->told[sum]) return (struct shown_verdict){.show = false};
    set_loss(event, json_get_count(data, "first"), log->sums[sum] - log->told[sum]);
    log->told[sum] = log->sums[sum];
    return (struct shown_verdict){.show = true};
}

/* Finds or makes the entries of an event's log and lane.  Returns 0; 1 when it does not say where it belongs, or there are too
 * many; or
 * -ENOMEM. */
static int find_entries(struct shown *shown, const json_t *event, long *ret_log, long *ret_lane) {
    char key[KEY_BYTES];
    uint64_t lane;
    if (!log_key(key, event) || !json_get_unsigned(event, "lane", &lane)) return 1;
    *ret_log = entry_at(shown, key);
    snprintf(key + strlen(key), sizeof key - strlen(key), " %" PRIu64, lane);
    *ret_lane = *ret_log < 0 ? *ret_log : entry_at(shown, key);
    return *ret_lane >= 0 ? 0 : *ret_lane == -ENOSPC ? 1 : (int)*ret_lane;
}

int shown_take(struct shown *shown, json_t *event, struct shown_verdict *ret_verdict) {
    enum sum sum;
    long log_at, lane_at;
    int result = find_entries(shown, event, &log_at, &lane_at);
    *ret_verdict = (struct shown_verdict){.show = true};
    if (result) return result < 0 ? result : 0;
    struct shown_entry *log = &shown->entries[log_at], *lane = &shown->entries[lane_at];
    if (has_sum(event, &sum)) {
        *ret_verdict = take_sum(shown, log, sum, event);
        return 0;
    }
    if (!lane->begun) begin_lane(lane, log->is_old || shown->stream == 1, event);
    *ret_verdict = event_is_gap(event) ? take_gap(shown, lane, event) : take_event(shown, lane, event);
    if (shown->recent && !event_is_gap(event)) shown->recent--;
    return 0;
}

int shown_count_hidden(struct shown *shown, json_t *loss, uint64_t *ret_count) {
    const json_t *data = json_object_get(loss, "data");
    uint64_t count = json_get_count(data, "count");
    enum sum sum;
    long log, lane;
    int result = find_entries(shown, loss, &log, &lane);
    *ret_count = count;
    if (result) return result < 0 ? result : 0;
    if (has_sum(loss, &sum)) {
        struct shown_verdict verdict = take_sum(shown, &shown->entries[log], sum, loss);
        *ret_count = verdict.show ? json_get_count(data, "count") : 0;
        return 0;
    }
    uint64_t *resumed = &shown->entries[lane].resumed, ahead = gap_ahead(*resumed, json_get_count(data, "first"), count);
    *ret_count = ahead < count ? ahead : count;
    *resumed += ahead;
    return 0;
}
