/* SPDX-License-Identifier: MIT */
#include "resume.h"

#include "allocation.h"
#include "event_list.h"
#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Losses without a place in the lane: these events never had a position. */
enum sum { SUM_DISCARDED, SUM_NO_LANE, SUM_COUNT };

/* A lane, or a log. */
struct resume_entry {
    bool begun;       /* a lane: next and window are valid */
    bool is_old;      /* a log: it existed before the first stream */
    uint64_t next;    /* the position after the last one delivered or reported missing */
    uint64_t window;  /* bit n: position next - 1 - n was delivered or reported */
    uint64_t resumed; /* hidden losses are counted from this position on */
    unsigned stream;  /* a log: the stream that its sums come from */
    uint64_t sums[SUM_COUNT];
    uint64_t reported[SUM_COUNT];
};

int resume_init(struct resume *resume, bool whole, uint64_t recent) {
    *resume = (struct resume){.places = json_object(), .stream = 1, .recent = recent, .whole = whole};
    return resume->places ? 0 : -ENOMEM;
}

void resume_fini(struct resume *resume) {
    json_decref(resume->places);
    free(resume->entries);
}

/* Finds or adds an entry.  Returns its index, or a negative errno: -ENOSPC when the table is full. */
static long entry_at(struct resume *resume, const char *key) {
    const json_t *place = json_object_get(resume->places, key);
    if (place) return (long)json_integer_value(place);
    if (resume->count == RESUME_ENTRIES_MAX) return -ENOSPC;
    struct resume_entry *entries = memory_room(resume->entries, resume->count, &resume->capacity, sizeof *entries);
    if (!entries) return -ENOMEM;
    resume->entries = entries;
    if (json_object_set_new(resume->places, key, json_integer((json_int_t)resume->count))) return -ENOMEM;
    resume->entries[resume->count] = (struct resume_entry){0};
    return (long)resume->count++;
}

/* Room for "node log lane". */
#define KEY_BYTES (NODE_DIGITS + LOG_DIGITS + 24)

/* The key of a log.  False when the object does not name one. */
static bool log_key(char key[KEY_BYTES], const json_t *object) {
    const char *node = json_get_hex(object, "node_id", NODE_DIGITS), *log = json_get_hex(object, "log", LOG_DIGITS);
    if (!node || !log) return false;
    snprintf(key, KEY_BYTES, "%s %s", node, log);
    return true;
}

int resume_know_logs(struct resume *resume, const json_t *nodes_answer) {
    static const char *const causes[SUM_COUNT] = {[SUM_DISCARDED] = "discarded", [SUM_NO_LANE] = "no_lane"};
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(nodes_answer, "nodes"), i, node) {
        char key[KEY_BYTES];
        if (!log_key(key, node)) continue;
        long at = entry_at(resume, key);
        if (at == -ENOSPC) return 0;
        if (at < 0) return (int)at;
        struct resume_entry *log = &resume->entries[at];
        log->is_old = true;
        for (unsigned sum = 0; sum < SUM_COUNT; sum++)
            log->reported[sum] = json_get_count(json_object_get(node, "lost_by"), causes[sum]);
        memcpy(log->sums, log->reported, sizeof log->sums);
        log->stream = resume->stream;
    }
    return 0;
}

void resume_next_stream(struct resume *resume) {
    resume->stream++;
    resume->recent = 0;
    resume->explained = 0;
}

void resume_start_hidden(struct resume *resume) {
    for (size_t i = 0; i < resume->count; i++) resume->entries[i].resumed = resume->entries[i].next;
}

void resume_explain(struct resume *resume, uint64_t lost) {
    if (resume->whole) resume->explained += lost;
}

/* ---- a lane ---- */

static bool may_repeat(const struct resume *resume) { return resume->repeats || resume->stream > 1; }

/* The full position whose lower 32 bits an event carries: the one within 2^31 of a position near it. */
static uint64_t position_near(uint64_t near, uint64_t low) {
    return near + (uint64_t)(int64_t)(int32_t)((uint32_t)low - (uint32_t)near);
}

/* How far a loss reaches beyond a position; 0 when it does not. */
static uint64_t gap_ahead(uint64_t position, uint64_t first, uint64_t count) {
    uint64_t end = first == position ? first + count : position_near(position, first + count);
    return end - position > UINT64_MAX / 2 ? 0 : end - position;
}

/* Advances a lane past a loss or an event.  known: what lies between was reported, so it is never delivered later. */
static void lane_advance(struct resume_entry *lane, uint64_t next, bool known) {
    uint64_t by = next - lane->next;
    uint64_t shifted = by < 64 ? lane->window << by : 0;
    uint64_t passed = by < 64 ? (UINT64_C(1) << by) - 1 : UINT64_MAX;
    lane->window = known ? shifted | passed : shifted;
    lane->next = next;
}

/* Events missing between our position and `begin`, less those that traced reported. */
static uint64_t count_missing(struct resume *resume, const struct resume_entry *lane, uint64_t begin) {
    if (!resume->whole || resume->recent || begin <= lane->next) return 0;
    uint64_t missing = begin - lane->next, known = missing < resume->explained ? missing : resume->explained;
    resume->explained -= known;
    return missing - known;
}

static struct resume_verdict accept_event(struct resume *resume, struct resume_entry *lane, const json_t *event) {
    uint64_t position = position_near(lane->next, json_get_count(event, "sequence"));
    if (position >= lane->next) {
        uint64_t missed = count_missing(resume, lane, position);
        bool known = resume->recent == 0;
        lane_advance(lane, position + 1, known);
        lane->window |= 1;
        return (struct resume_verdict){.deliver = true, .missed = missed};
    }
    uint64_t ago = lane->next - 1 - position, bit = ago < 64 ? UINT64_C(1) << ago : 0;
    bool seen = !bit || lane->window & bit;
    lane->window |= bit;
    return (struct resume_verdict){.deliver = !seen || resume->recent || !may_repeat(resume)};
}

static void set_loss(json_t *event, uint64_t first, uint64_t count) {
    json_t *data = json_object_get(event, "data");
    json_object_set_new(data, "first", json_integer((json_int_t)first));
    json_object_set_new(data, "count", json_integer((json_int_t)count));
}

/* A loss with a place: `count` events from position `first` on. */
static struct resume_verdict accept_gap(struct resume *resume, struct resume_entry *lane, json_t *event) {
    const json_t *data = json_object_get(event, "data");
    uint64_t first = json_get_count(data, "first"), count = json_get_count(data, "count");
    uint64_t ahead = gap_ahead(lane->next, first, count);
    if (!ahead) return (struct resume_verdict){.deliver = !may_repeat(resume)};
    struct resume_verdict verdict = {.deliver = true};
    if (count > ahead)
        set_loss(event, first + (count - ahead), ahead);
    else
        verdict.missed = count_missing(resume, lane, lane->next + ahead - count);
    lane_advance(lane, lane->next + ahead, true);
    return verdict;
}

/* The first event of a lane.  A log that appeared while no stream ran owes us all its events; any other, those from here on. */
static void begin_lane(struct resume_entry *lane, bool is_old, const json_t *event) {
    *lane = (struct resume_entry){.begun = true, .window = UINT64_MAX};
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

static struct resume_verdict accept_sum(struct resume *resume, struct resume_entry *log, enum sum sum, json_t *event) {
    const json_t *data = json_object_get(event, "data");
    if (log->stream != resume->stream) {
        log->stream = resume->stream;
        memset(log->sums, 0, sizeof log->sums);
    }
    log->sums[sum] += json_get_count(data, "count");
    if (log->sums[sum] <= log->reported[sum]) return (struct resume_verdict){.deliver = false};
    set_loss(event, json_get_count(data, "first"), log->sums[sum] - log->reported[sum]);
    log->reported[sum] = log->sums[sum];
    return (struct resume_verdict){.deliver = true};
}

/* Finds or adds the entries of an event's log and lane.  Returns 0; 1 when the event does not say where it belongs, or the
 * table is full; or -ENOMEM. */
static int find_entries(struct resume *resume, const json_t *event, long *ret_log, long *ret_lane) {
    char key[KEY_BYTES];
    uint64_t lane;
    if (!log_key(key, event) || !json_get_unsigned(event, "lane", &lane)) return 1;
    *ret_log = entry_at(resume, key);
    snprintf(key + strlen(key), sizeof key - strlen(key), " %" PRIu64, lane);
    *ret_lane = *ret_log < 0 ? *ret_log : entry_at(resume, key);
    return *ret_lane >= 0 ? 0 : *ret_lane == -ENOSPC ? 1 : (int)*ret_lane;
}

int resume_accept(struct resume *resume, json_t *event, struct resume_verdict *ret_verdict) {
    enum sum sum;
    long log_at, lane_at;
    int result = find_entries(resume, event, &log_at, &lane_at);
    *ret_verdict = (struct resume_verdict){.deliver = true};
    if (result) return result < 0 ? result : 0;
    struct resume_entry *log = &resume->entries[log_at], *lane = &resume->entries[lane_at];
    if (has_sum(event, &sum)) {
        *ret_verdict = accept_sum(resume, log, sum, event);
        return 0;
    }
    if (!lane->begun) begin_lane(lane, log->is_old || resume->stream == 1, event);
    *ret_verdict = event_is_gap(event) ? accept_gap(resume, lane, event) : accept_event(resume, lane, event);
    if (resume->recent && !event_is_gap(event)) resume->recent--;
    return 0;
}

int resume_count_hidden(struct resume *resume, json_t *loss, uint64_t *ret_count) {
    const json_t *data = json_object_get(loss, "data");
    uint64_t count = json_get_count(data, "count");
    enum sum sum;
    long log, lane;
    int result = find_entries(resume, loss, &log, &lane);
    *ret_count = count;
    if (result) return result < 0 ? result : 0;
    if (has_sum(loss, &sum)) {
        struct resume_verdict verdict = accept_sum(resume, &resume->entries[log], sum, loss);
        *ret_count = verdict.deliver ? json_get_count(data, "count") : 0;
        return 0;
    }
    uint64_t *resumed = &resume->entries[lane].resumed, ahead = gap_ahead(*resumed, json_get_count(data, "first"), count);
    *ret_count = ahead < count ? ahead : count;
    *resumed += ahead;
    return 0;
}
