/* SPDX-License-Identifier: MIT */
#include "top_history.h"

#include "json_get.h"

/* The time of a row: `count` names the field as it was asked for, `requests` calls it time. */
static bool row_time(const json_t *row, const struct top_look *look, uint64_t *ret_us) {
    const json_t *group = json_object_get(row, "group");
    return json_get_unsigned(group, look->field, ret_us) || json_get_unsigned(group, "time", ret_us);
}

static json_t *interval_new(const struct top_look *look) {
    return json_pack("{s:[],s:i,s:f}", "rows", "events", 0, "seconds", (double)look->every_us / 1e6);
}

static void add_row(json_t *interval, json_t *row) {
    uint64_t events = json_get_count(interval, "events") + json_get_count(row, "count");
    json_array_append(json_object_get(interval, "rows"), row);
    json_object_set_new(interval, "events", json_integer((json_int_t)events));
}

/* The first complete interval that has rows or follows one that has; look->count if there is none. */
static unsigned first_whole(const json_t *rows, const struct top_look *look, bool cut) {
    unsigned first = look->count;
    size_t i;
    uint64_t us;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        if (!row_time(row, look, &us) || us < look->from_us) continue;
        uint64_t number = (us - look->from_us) / look->every_us;
        if (number < first) first = (unsigned)number;
    }
    return first < look->count && cut ? first + 1 : first;
}

json_t *top_history_split(const json_t *answer, const struct top_look *look) {
    json_t *rows = json_object_get(answer, "rows"), *row, *intervals = json_array();
    bool cut = json_get_count(answer, "groups") > json_array_size(rows);
    unsigned first = first_whole(rows, look, cut);
    size_t i;
    uint64_t us;
    if (json_array_size(rows) && !row_time(json_array_get(rows, 0), look, &us)) {
        json_decref(intervals);
        return NULL;
    }
    for (unsigned number = first; number < look->count; number++) json_array_append_new(intervals, interval_new(look));
    json_array_foreach(rows, i, row) {
        if (!row_time(row, look, &us) || us < look->from_us) continue;
        uint64_t number = (us - look->from_us) / look->every_us;
        json_t *interval = number >= first ? json_array_get(intervals, number - first) : NULL;
        if (interval) add_row(interval, row);
    }
    return intervals;
}
