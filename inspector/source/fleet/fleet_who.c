/* SPDX-License-Identifier: MIT */
#include "fleet_who.h"

#include "allocation.h"
#include "fleet_sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

#define CHAIN_MAX 8        /* an alias of an alias of ..., as in store/aliases */
#define ANY_LOG UINT32_MAX /* logs that say nothing about an id */

/* All aliases that were reported, sorted by alias id. */
struct sayings {
    const struct alias **all;
    size_t count;
    /* Of the search that runs: by place of an id's first saying, whether it was found, and those places in that order. */
    uint32_t *found, *queue, searches;
};

/* What decides who an id is: when that may change, and for which logs it differs. */
struct deciders {
    uint64_t *times;
    uint32_t *logs;
    size_t time_count, log_count, time_room, log_room;
};

/* From a time on, who the id is for a log. */
struct turn {
    uint64_t from_ns;
    struct trace_node_id peer_id;
};

struct writer {
    struct fleet_who *who;
    const struct store *store;
    const struct fleet_logs *logs;
    bool has_logs;   /* there are rows for one log */
    bool has_others; /* and for all others */
    bool has_turns;  /* and some that change */
};

static int by_alias_id(const void *one, const void *other) {
    const struct alias *a = *(const struct alias *const *)one, *b = *(const struct alias *const *)other;
    return memcmp(&a->alias_id, &b->alias_id, sizeof a->alias_id);
}

static int by_time(const void *one, const void *other) {
    const uint64_t *a = one, *b = other;
    return *a < *b ? -1 : *a > *b;
}

static int by_log(const void *one, const void *other) {
    const uint32_t *a = one, *b = other;
    return *a < *b ? -1 : *a > *b;
}

/* ---- what decides --------------------------------------------------------------------------------------------------------- */

static int list_sayings(struct sayings *ret_sayings, const struct alias_picture *picture) {
    size_t places = alias_picture_count(picture);
    *ret_sayings = (struct sayings){.all = calloc(places + 1, sizeof(struct alias *)),
                                    .found = calloc(places + 1, sizeof(uint32_t)),
                                    .queue = calloc(places + 1, sizeof(uint32_t))};
    if (!ret_sayings->all || !ret_sayings->found || !ret_sayings->queue) return -1;
    for (size_t i = 0; i < places; i++) {
        const struct alias *alias = alias_picture_at(picture, i);
        if (alias) ret_sayings->all[ret_sayings->count++] = alias;
    }
    qsort(ret_sayings->all, ret_sayings->count, sizeof *ret_sayings->all, by_alias_id);
    return 0;
}

static size_t find_first(const struct sayings *sayings, const struct trace_node_id *id) {
    size_t low = 0, high = sayings->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&sayings->all[middle]->alias_id, id, sizeof *id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A saying of a peer counts from when it was said; what a node says of itself depends on when it ran. */
static int add_saying(struct deciders *deciders, const struct writer *writer, const struct alias *alias) {
    uint64_t *times = memory_room(deciders->times, deciders->time_count + 1, &deciders->time_room, sizeof *times); /* two */
    if (!times) return -1;
    deciders->times = times;
    uint32_t *logs = memory_room(deciders->logs, deciders->log_count, &deciders->log_room, sizeof *logs);
    if (!logs) return -1;
    deciders->logs = logs;
    if (!alias->own) {
        deciders->logs[deciders->log_count++] = alias->node;
        deciders->times[deciders->time_count++] = alias->time_ns;
        return 0;
    }
    const struct node *node = nodes_at(writer->store->nodes, alias->node);
    deciders->times[deciders->time_count++] = node->info.started_unix_ns;
    deciders->times[deciders->time_count++] = nodes_live_until(node) + 1;
    return 0;
}

/* Unless it was found before, or is no alias. */
static void find_id(struct sayings *sayings, const struct trace_node_id *id, size_t *end) {
    size_t first = find_first(sayings, id);
    if (first == sayings->count || memcmp(&sayings->all[first]->alias_id, id, sizeof *id) != 0) return;
    if (sayings->found[first] == sayings->searches) return;
    sayings->found[first] = sayings->searches;
    sayings->queue[(*end)++] = (uint32_t)first;
}

/* Of the id, and of those that it may stand for: each once, however many ways lead to it. */
static int add_sayings(struct deciders *deciders, const struct writer *writer, struct sayings *sayings,
                       const struct trace_node_id *id) {
    size_t at = 0, end = 0;
    sayings->searches++;
    find_id(sayings, id, &end);
    for (unsigned depth = 0; depth <= CHAIN_MAX; depth++) {
        for (size_t level_end = end; at < level_end; at++) {
            const struct trace_node_id *alias_id = &sayings->all[sayings->queue[at]]->alias_id;
            for (size_t i = sayings->queue[at]; i < sayings->count; i++) {
                const struct alias *alias = sayings->all[i];
                if (memcmp(&alias->alias_id, alias_id, sizeof *alias_id) != 0) break;
                if (add_saying(deciders, writer, alias)) return -1;
                find_id(sayings, &alias->peer_id, &end);
            }
        }
    }
    return 0;
}

static void settle(struct deciders *deciders) {
    size_t times = 0, logs = 0;
    if (deciders->time_count) qsort(deciders->times, deciders->time_count, sizeof *deciders->times, by_time);
    if (deciders->log_count) qsort(deciders->logs, deciders->log_count, sizeof *deciders->logs, by_log);
    for (size_t i = 0; i < deciders->time_count; i++)
        if (!times || deciders->times[times - 1] != deciders->times[i]) deciders->times[times++] = deciders->times[i];
    for (size_t i = 0; i < deciders->log_count; i++)
        if (!logs || deciders->logs[logs - 1] != deciders->logs[i]) deciders->logs[logs++] = deciders->logs[i];
    deciders->time_count = times;
    deciders->log_count = logs;
}

/* Who the id is for a log, from the beginning on.  Returns how many turns there are, at least 1. */
static size_t find_turns(const struct writer *writer, const struct deciders *deciders, uint32_t log,
                         const struct trace_node_id *id, struct turn *turns) {
    size_t count = 0;
    for (size_t i = 0; i <= deciders->time_count; i++) {
        uint64_t from_ns = i ? deciders->times[i - 1] : 0;
        const struct trace_node_id *peer_id = alias_picture_resolve(writer->who->picture, log, from_ns, id);
        if (count && !memcmp(&turns[count - 1].peer_id, peer_id, sizeof *peer_id)) continue;
        turns[count++] = (struct turn){from_ns, *peer_id};
    }
    return count;
}

/* ---- as a table ----------------------------------------------------------------------------------------------------------- */

/* An id, and a log; zero: any log that has no row of its own.  Who that is from the beginning; from when on it is somebody else,
 * and who.  Whether one of them is a node of the fleet. */
static const char structure[] = "said_id FixedString(32), said_node FixedString(32), said_log UInt64, said_who FixedString(32), "
                                "said_from Array(UInt64), said_next Array(FixedString(32)), said_is_node UInt8";

_Static_assert(TRACE_NODE_ID_BYTES == 32, "the structure");

static void write_row(struct writer *writer, const struct trace_node_id *id, uint32_t log, const struct turn *turns,
                      size_t count) {
    static const struct node_info any_log;
    struct row_writer *rows = &writer->who->rows;
    const struct node_info *info = log == ANY_LOG ? &any_log : &writer->logs->all[log].info;
    row_write(rows, id, sizeof *id);
    row_write(rows, &info->node_id, sizeof info->node_id);
    row_write_u64(rows, info->log);
    row_write(rows, &turns[0].peer_id, sizeof turns[0].peer_id);
    row_write_count(rows, count - 1);
    for (size_t i = 1; i < count; i++) row_write_u64(rows, turns[i].from_ns);
    row_write_count(rows, count - 1);
    for (size_t i = 1; i < count; i++) row_write(rows, &turns[i].peer_id, sizeof turns[i].peer_id);
    bool is_node = false;
    for (size_t i = 0; i < count && !is_node; i++) is_node = fleet_logs_have_node(writer->logs, &turns[i].peer_id);
    row_write_u8(rows, is_node);
    *(log == ANY_LOG ? &writer->has_others : &writer->has_logs) = true;
    writer->has_turns |= count > 1;
}

static int write_id(struct writer *writer, struct sayings *sayings, const struct trace_node_id *id) {
    struct deciders deciders = {0};
    int result = add_sayings(&deciders, writer, sayings, id);
    settle(&deciders);
    struct turn *turns = result ? NULL : calloc(deciders.time_count + 1, sizeof *turns);
    for (size_t i = 0; turns && i <= deciders.log_count; i++) {
        uint32_t log = i < deciders.log_count ? deciders.logs[i] : ANY_LOG;
        size_t count = find_turns(writer, &deciders, log, id, turns);
        bool itself = log == ANY_LOG && count == 1 && !memcmp(&turns[0].peer_id, id, sizeof *id);
        if (!itself) write_row(writer, id, log, turns, count);
    }
    if (!turns) result = -1;
    free(turns);
    free(deciders.times);
    free(deciders.logs);
    return result;
}

/* Returns 0, or -1 when out of memory. */
static int write_ids(struct writer *writer) {
    struct sayings sayings;
    int result = 0;
    grace_read_lock();
    if (list_sayings(&sayings, writer->who->picture)) result = -1;
    for (size_t i = 0; !result && i < sayings.count; i++) {
        const struct trace_node_id *id = &sayings.all[i]->alias_id;
        if (i && !memcmp(&sayings.all[i - 1]->alias_id, id, sizeof *id)) continue;
        result = write_id(writer, &sayings, id);
    }
    grace_read_unlock();
    free(sayings.all);
    free(sayings.found);
    free(sayings.queue);
    return result;
}

/* ---- as SQL --------------------------------------------------------------------------------------------------------------- */

/* " ANY LEFT JOIN ... ON ...": at most one row for each event. */
static void put_join(struct trace_text *out, const struct writer *writer) {
    static const char own[] = "(peer_id, node_id, log_id) IN (SELECT said_id, said_node, said_log FROM " FLEET_WHO_TABLE ")";
    trace_text_puts(out, " ANY LEFT JOIN " FLEET_WHO_TABLE " ON peer_id = said_id");
    if (!writer->has_logs) return;
    if (!writer->has_others) {
        trace_text_puts(out, " AND node_id = said_node AND log_id = said_log");
        return;
    }
    fleet_put_format(out, " AND if(%s, node_id, toFixedString('',%d)) = said_node AND if(%s, log_id, toUInt64(0)) = said_log",
                     own, TRACE_NODE_ID_BYTES, own);
}

/* An alias may be defined anywhere in a statement; 18.16 does not take WITH in a subquery that joins.  Always true, by a function
 * that no version computes ahead: 26.7 takes a comparison of length() of a FixedString for false in WHERE. */
static void put_definition(struct trace_text *out, const struct writer *writer, const char *time) {
    fleet_put_format(out, "NOT ignore(if(said_id = toFixedString('',%d), peer_id, ", TRACE_NODE_ID_BYTES);
    if (writer->has_turns) {
        trace_text_puts(out, "if(empty(said_from) OR ");
        trace_text_puts(out, time);
        trace_text_puts(out, " < said_from[1], said_who, said_next[arrayCount(turn -> turn <= ");
        trace_text_puts(out, time);
        trace_text_puts(out, ", said_from)])");
    } else {
        trace_text_puts(out, "said_who");
    }
    trace_text_puts(out, ") AS " FLEET_WHO_COLUMN ") AND ");
}

/* Returns its text, or NULL when out of memory. */
static char *end_text(struct trace_text *text) {
    trace_text_add(text, "", 1);
    char *copy = text->failed ? NULL : strdup(text->data);
    trace_text_fini(text);
    return copy;
}

int fleet_who_open(struct fleet_who *ret_who, const struct store *store, const struct fleet_logs *logs, const char *time) {
    struct writer writer = {.who = ret_who, .store = store, .logs = logs};
    struct trace_text join = {0}, definition = {0};
    *ret_who = (struct fleet_who){.picture = alias_picture_take(store->aliases)};
    if (!ret_who->picture) return 0;
    int result = write_ids(&writer);
    put_join(&join, &writer);
    put_definition(&definition, &writer, time);
    ret_who->join = end_text(&join);
    ret_who->definition = end_text(&definition);
    ret_who->table = (struct clickhouse_table){FLEET_WHO_TABLE, structure, ret_who->rows.bytes, ret_who->rows.count};
    if (!result && !ret_who->rows.failed && ret_who->join && ret_who->definition) return 0;
    fleet_who_fini(ret_who);
    return -1;
}

void fleet_who_fini(struct fleet_who *who) {
    alias_picture_release(who->picture);
    row_writer_fini(&who->rows);
    free(who->join);
    free(who->definition);
    *who = (struct fleet_who){0};
}

const char *fleet_who_column(const struct fleet_who *who) { return who->picture ? FLEET_WHO_COLUMN : "peer_id"; }

bool fleet_who_is_in(const char *sql, size_t bytes) {
    return bytes && memmem(sql, bytes, FLEET_WHO_COLUMN, strlen(FLEET_WHO_COLUMN));
}

const char *fleet_who_join(const struct fleet_who *who, bool needed) { return needed && who->picture ? who->join : ""; }

const char *fleet_who_definition(const struct fleet_who *who, bool needed) {
    return needed && who->picture ? who->definition : "";
}
