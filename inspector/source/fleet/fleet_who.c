/* SPDX-License-Identifier: MIT */
#include "fleet_who.h"

#include "allocation.h"
#include "fleet_sql.h"

#include <inttypes.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#define SHOWN_BYTES_MAX 100000 /* a statement has 256 KiB, and some have it twice */
#define CHAIN_MAX 8            /* an alias of an alias of ..., as in store/aliases */
#define ANY_LOG UINT32_MAX     /* those that say nothing of an id */

/* All that was said, sorted by the id that it is said of. */
struct sayings {
    const struct alias **all;
    size_t count;
};

/* What decides who one id is: when that may change, and for which logs it differs. */
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
    const char *time;
    struct trace_text turns;                /* clauses of ids that change */
    struct trace_text own_keys, own_values; /* ids that are the same for all logs */
    struct trace_text keys, values;         /* ids and logs */
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
    *ret_sayings = (struct sayings){calloc(places + 1, sizeof(struct alias *)), 0};
    if (!ret_sayings->all) return -1;
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
    deciders->times[deciders->time_count++] = atomic_load_explicit(&node->last_unix_ns, memory_order_relaxed) + 1;
    return 0;
}

static int add_sayings(struct deciders *deciders, const struct writer *writer, const struct sayings *sayings,
                       const struct trace_node_id *id, unsigned depth) {
    for (size_t i = find_first(sayings, id); i < sayings->count; i++) {
        const struct alias *alias = sayings->all[i];
        if (memcmp(&alias->alias_id, id, sizeof *id) != 0) break;
        if (add_saying(deciders, writer, alias)) return -1;
        if (depth && add_sayings(deciders, writer, sayings, &alias->peer_id, depth - 1)) return -1;
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

/* ---- as SQL --------------------------------------------------------------------------------------------------------------- */

static void put_id(struct trace_text *out, const struct trace_node_id *id) {
    char digits[2 * TRACE_NODE_ID_BYTES + 1];
    *trace_hex_encode(digits, id->bytes, sizeof id->bytes) = 0;
    fleet_put_format(out, "unhex('%s')", digits);
}

static void put_comma(struct trace_text *out) {
    if (out->bytes) trace_text_puts(out, ",");
}

/* "peer_id = ... AND log_id = ... AND time < ..., ..., " for each turn. */
static void put_turns(struct writer *writer, const struct trace_node_id *id, uint32_t log, const struct turn *turns,
                      size_t count) {
    struct trace_text *out = &writer->turns;
    for (size_t i = 0; i < count; i++) {
        fleet_put_format(out, "peer_id = toFixedString(");
        put_id(out, id);
        fleet_put_format(out, ",%d)", TRACE_NODE_ID_BYTES);
        if (log != ANY_LOG) fleet_put_format(out, " AND log_id = %" PRIu64, writer->logs->all[log].info.log);
        if (i + 1 < count) {
            trace_text_puts(out, " AND ");
            trace_text_puts(out, writer->time);
            fleet_put_format(out, " < %" PRIu64, turns[i + 1].from_ns);
        }
        trace_text_puts(out, ", ");
        put_id(out, &turns[i].peer_id);
        trace_text_puts(out, ", ");
    }
}

static void put_constant(struct writer *writer, const struct trace_node_id *id, uint32_t log,
                         const struct trace_node_id *peer_id) {
    struct trace_text *keys = log == ANY_LOG ? &writer->own_keys : &writer->keys;
    struct trace_text *values = log == ANY_LOG ? &writer->own_values : &writer->values;
    put_comma(keys);
    put_comma(values);
    if (log != ANY_LOG) trace_text_puts(keys, "concat(");
    put_id(keys, id);
    if (log != ANY_LOG) fleet_put_format(keys, ",'%" PRIu64 "')", writer->logs->all[log].info.log);
    put_id(values, peer_id);
}

/* Logs before the rest: the first clause, or table, that has an event decides. */
static int write_id(struct writer *writer, const struct sayings *sayings, const struct trace_node_id *id) {
    struct deciders deciders = {0};
    bool changes = false;
    int result = add_sayings(&deciders, writer, sayings, id, CHAIN_MAX);
    settle(&deciders);
    struct turn *turns = result ? NULL : calloc(deciders.time_count + 1, sizeof *turns);
    for (size_t i = 0; turns && i <= deciders.log_count; i++)
        changes |= find_turns(writer, &deciders, i < deciders.log_count ? deciders.logs[i] : ANY_LOG, id, turns) > 1;
    for (size_t i = 0; turns && i <= deciders.log_count; i++) {
        uint32_t log = i < deciders.log_count ? deciders.logs[i] : ANY_LOG;
        size_t count = find_turns(writer, &deciders, log, id, turns);
        if (changes)
            put_turns(writer, id, log, turns, count);
        else
            put_constant(writer, id, log, &turns[0].peer_id);
    }
    if (!turns) result = -1;
    free(turns);
    free(deciders.times);
    free(deciders.logs);
    return result;
}

static void put_table(struct trace_text *out, const char *key, const struct trace_text *keys, const struct trace_text *values) {
    trace_text_puts(out, "transform(");
    trace_text_puts(out, key);
    trace_text_puts(out, ", [");
    trace_text_add(out, keys->data, keys->bytes);
    trace_text_puts(out, "], [");
    trace_text_add(out, values->data, values->bytes);
    trace_text_puts(out, "], ");
}

static void put_shown(struct trace_text *out, const struct writer *writer) {
    trace_text_puts(out, "WITH toFixedString(");
    if (writer->turns.bytes) trace_text_puts(out, "multiIf(");
    trace_text_add(out, writer->turns.data, writer->turns.bytes);
    if (writer->keys.bytes) put_table(out, "concat(toString(peer_id), toString(log_id))", &writer->keys, &writer->values);
    if (writer->own_keys.bytes) put_table(out, "toString(peer_id)", &writer->own_keys, &writer->own_values);
    trace_text_puts(out, "toString(peer_id)");
    if (writer->own_keys.bytes) trace_text_puts(out, ")");
    if (writer->keys.bytes) trace_text_puts(out, ")");
    if (writer->turns.bytes) trace_text_puts(out, ")");
    fleet_put_format(out, ",%d) AS who ", TRACE_NODE_ID_BYTES);
}

static bool same_log(const struct fleet_logs *logs) {
    for (size_t i = 0; i < logs->count; i++)
        for (size_t k = 0; k < i; k++)
            if (logs->all[i].info.log == logs->all[k].info.log) return true;
    return false;
}

/* Returns 0, or -1 when out of memory. */
static int write_ids(struct writer *writer) {
    struct sayings sayings;
    int result = 0;
    rcu_read_lock();
    if (list_sayings(&sayings, writer->who->picture)) result = -1;
    for (size_t i = 0; !result && i < sayings.count; i++) {
        const struct trace_node_id *id = &sayings.all[i]->alias_id;
        if (i && !memcmp(&sayings.all[i - 1]->alias_id, id, sizeof *id)) continue;
        if (writer->turns.bytes + writer->keys.bytes + writer->values.bytes + writer->own_keys.bytes > SHOWN_BYTES_MAX) break;
        result = write_id(writer, &sayings, id);
    }
    rcu_read_unlock();
    free(sayings.all);
    return result;
}

static void writer_fini(struct writer *writer) {
    trace_text_fini(&writer->turns);
    trace_text_fini(&writer->own_keys);
    trace_text_fini(&writer->own_values);
    trace_text_fini(&writer->keys);
    trace_text_fini(&writer->values);
}

int fleet_who_open(struct fleet_who *ret_who, const struct store *store, const struct fleet_logs *logs, const char *time) {
    struct writer writer = {.who = ret_who, .store = store, .logs = logs, .time = time};
    struct trace_text shown = {0};
    *ret_who = (struct fleet_who){.picture = alias_picture_take(store->aliases)};
    if (!ret_who->picture) return 0;
    int result = write_ids(&writer);
    put_shown(&shown, &writer);
    trace_text_add(&shown, "", 1);
    if (shown.failed) result = -1;
    ret_who->beyond_sql = !result && (shown.bytes > SHOWN_BYTES_MAX || same_log(logs));
    if (!result && !ret_who->beyond_sql && !(ret_who->shown = strdup(shown.data))) result = -1;
    writer_fini(&writer);
    trace_text_fini(&shown);
    if (result) fleet_who_fini(ret_who);
    return result;
}

void fleet_who_fini(struct fleet_who *who) {
    alias_picture_release(who->picture);
    free(who->shown);
    *who = (struct fleet_who){0};
}

const char *fleet_who_column(const struct fleet_who *who) { return who->shown ? "who" : "peer_id"; }

void fleet_who_put(struct trace_text *out, const struct fleet_who *who) {
    if (who->shown) trace_text_puts(out, who->shown);
}

int fleet_who_refuse(struct failure *failure) {
    return failure_set(
        failure, EXIT_FAILED,
        "the nodes of this fleet have more aliases than a statement to ClickHouse can hold: ask for one trace, or by "
        "node, without a peer");
}
