/* SPDX-License-Identifier: MIT */
#include "recorded_clocks.h"

#include "clock_ends.h"
#include "json_get.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/history_image.h>
#include <string.h>
#include <urcu.h>

#define SEVERAL (UINT32_MAX - 1) /* machines */
#define ID_SLOTS 8192            /* a power of two, twice the nodes that there can be */

/* A node's id, and its machine. */
struct id_slot {
    struct trace_node_id id;
    uint32_t machine; /* CLOCKS_NOBODY: the slot is empty, or the machine is not known */
    bool used;
};

struct recorded_clocks {
    struct store *store;
    struct alias_picture *aliases; /* or NULL: a packet's ends name each other by whatever id they know */
    struct clocks *clocks;
    struct machine *machines; /* by name, then id: in whatever order recordings are given, the same is the first */
    uint32_t machine_count;
    uint32_t machine_of[HISTORY_NODES_MAX]; /* by node; CLOCKS_NOBODY: not known */
    struct id_slot ids[ID_SLOTS];
    uint32_t *segment_machines; /* by segment: all its events' one, SEVERAL, or CLOCKS_NOBODY */
    uint32_t segment_count;
};

/* ---- who there is ---- */

static int compare_machines(const void *left, const void *right) {
    const struct machine *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : memcmp(a->id, b->id, sizeof a->id);
}

static uint32_t find_machine(const struct recorded_clocks *clocks, const struct machine *machine) {
    for (uint32_t i = 0; i < clocks->machine_count; i++)
        if (!memcmp(clocks->machines[i].id, machine->id, sizeof machine->id)) return i;
    return CLOCKS_NOBODY;
}

static struct id_slot *find_id(struct recorded_clocks *clocks, const struct trace_node_id *id) {
    uint64_t hash;
    memcpy(&hash, id->bytes, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t at = (uint32_t)(hash >> 40);; at++) {
        struct id_slot *slot = &clocks->ids[at % ID_SLOTS];
        if (!slot->used || !memcmp(&slot->id, id, sizeof *id)) return slot;
    }
}

static void note_id(struct recorded_clocks *clocks, const struct trace_node_id *id, uint32_t machine) {
    struct id_slot *slot = find_id(clocks, id);
    if (!slot->used)
        *slot = (struct id_slot){*id, machine, true};
    else if (slot->machine != machine)
        slot->machine = SEVERAL;
}

/* Lists the machines of all nodes.  0 or -ENOMEM. */
static int list_machines(struct recorded_clocks *clocks) {
    const struct nodes *nodes = clocks->store->nodes;
    uint32_t count = nodes_count(nodes);
    clocks->machines = calloc((size_t)count + 1, sizeof *clocks->machines);
    if (!clocks->machines) return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(nodes, i);
        if (node && machine_known(&node->info.machine) && find_machine(clocks, &node->info.machine) == CLOCKS_NOBODY)
            clocks->machines[clocks->machine_count++] = node->info.machine;
    }
    qsort(clocks->machines, clocks->machine_count, sizeof *clocks->machines, compare_machines);
    for (uint32_t i = 0; i < HISTORY_NODES_MAX; i++) clocks->machine_of[i] = CLOCKS_NOBODY;
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(nodes, i);
        if (!node) continue;
        clocks->machine_of[i] = machine_known(&node->info.machine) ? find_machine(clocks, &node->info.machine) : CLOCKS_NOBODY;
        if (nodes_id_is_known(&node->info.node_id)) note_id(clocks, &node->info.node_id, clocks->machine_of[i]);
    }
    return 0;
}

/* ---- reading ---- */

/* Both ends of a packet between two nodes of one machine say nothing. */
static bool may_cross(struct recorded_clocks *clocks, const struct trace_event *event, uint32_t machine) {
    const struct id_slot *slot = find_id(clocks, &event->peer_id);
    return slot->used && slot->machine != machine && slot->machine != CLOCKS_NOBODY;
}

static int read_event(struct recorded_clocks *clocks, struct clock_ends *ends, const struct trace_event *written, uint32_t node,
                      uint64_t position) {
    struct trace_event meant = *written, *event = &meant;
    meant.peer_id = *alias_picture_resolve(clocks->aliases, node, written->timestamp, &written->peer_id);
    struct clock_end end = {.order = position + 1, .time_ns = event->timestamp, .machine = clocks->machine_of[node]};
    const struct node *entry = nodes_at(clocks->store->nodes, node);
    if (end.machine == CLOCKS_NOBODY || !entry || !(event->flags & TRACE_FLAG_HAS_PEER) ||
        !may_cross(clocks, event, end.machine) || !clock_end_key(event, &entry->info.node_id, &end.key, &end.sent))
        return 0;
    return clock_ends_add(ends, &end);
}

static int read_segment(struct recorded_clocks *clocks, struct clock_ends *ends, uint32_t segment) {
    uint64_t position = (uint64_t)segment * HISTORY_SEGMENT_EVENTS, end = position + HISTORY_SEGMENT_EVENTS;
    uint32_t *machine = &clocks->segment_machines[segment];
    bool first = true;
    for (; position < end; position++) {
        history_source source;
        const struct trace_event *event = history_at(clocks->store->history, position, &source);
        if (!event) continue;
        uint32_t node = history_source_node(source), its = clocks->machine_of[node];
        if (first) *machine = its;
        if (*machine != its) *machine = SEVERAL;
        first = false;
        if (read_event(clocks, ends, event, node, position)) return -ENOMEM;
    }
    return 0;
}

static int estimate(struct recorded_clocks *clocks) {
    struct clock_ends ends = {0};
    struct clocks_packet *packets = NULL;
    size_t count;
    int result = 0;
    for (uint32_t i = 0; !result && i < clocks->segment_count; i++) result = read_segment(clocks, &ends, i);
    if (!result) result = clock_ends_match(&ends, &packets, &count);
    clock_ends_fini(&ends);
    if (!result) result = clocks_create(&clocks->clocks, clocks->machine_count, packets, count);
    free(packets);
    return result;
}

/* ---- times ---- */

static uint64_t show_event(void *context, uint32_t node, uint64_t position, uint64_t own_ns) {
    const struct recorded_clocks *clocks = context;
    uint32_t machine = clocks->machine_of[node];
    return machine == CLOCKS_NOBODY ? own_ns : clocks_time(clocks->clocks, machine, position + 1, own_ns);
}

static bool show_bounds(void *context, uint32_t segment, uint64_t *min_ns, uint64_t *max_ns) {
    const struct recorded_clocks *clocks = context;
    uint32_t machine = clocks->segment_machines[segment];
    uint64_t first = (uint64_t)segment * HISTORY_SEGMENT_EVENTS + 1, least = *min_ns, greatest = *max_ns;
    if (machine == CLOCKS_NOBODY) return true;
    if (machine == SEVERAL) {
        clocks_widen(clocks->clocks, CLOCKS_NOBODY, min_ns, max_ns);
        if (least < *min_ns) *min_ns = least; /* some may be of a machine that is not known */
        if (greatest > *max_ns) *max_ns = greatest;
        return false;
    }
    clocks_widen(clocks->clocks, machine, min_ns, max_ns);
    if (!clocks_is_one(clocks->clocks, machine, first, first + HISTORY_SEGMENT_EVENTS - 1)) return false;
    *min_ns = clocks_time(clocks->clocks, machine, first, least);
    *max_ns = clocks_time(clocks->clocks, machine, first, greatest);
    return true;
}

/* When nodes began, and when they said the last. */
static void show_nodes(const struct recorded_clocks *clocks) {
    for (uint32_t i = 0; i < nodes_count(clocks->store->nodes); i++) {
        struct node *node = nodes_at(clocks->store->nodes, i);
        uint32_t machine = clocks->machine_of[i];
        if (!node || machine == CLOCKS_NOBODY) continue;
        uint64_t last_ns = atomic_load_explicit(&node->last_unix_ns, memory_order_relaxed); /* relaxed: one thread */
        if (node->info.started_unix_ns)
            node->info.started_unix_ns = clocks_time(clocks->clocks, machine, 0, node->info.started_unix_ns);
        if (last_ns) last_ns = clocks_time(clocks->clocks, machine, UINT64_MAX, last_ns);
        atomic_store_explicit(&node->last_unix_ns, last_ns, memory_order_relaxed); /* relaxed: likewise */
    }
}

static void show_all(struct recorded_clocks *clocks) {
    struct history_times times = {.event = show_event, .bounds = show_bounds, .context = clocks};
    struct history_stats stats;
    history_backed_set_times(clocks->store->history, &times);
    show_nodes(clocks);
    history_stats(clocks->store->history, &stats);
    atomic_store_explicit(&clocks->store->closed_ns, stats.last_ns + 1, memory_order_relaxed); /* relaxed: one thread */
}

/* ---- life ---- */

int recorded_clocks_open(struct recorded_clocks **ret_clocks, struct store *store) {
    struct recorded_clocks *clocks = calloc(1, sizeof *clocks);
    *ret_clocks = NULL;
    if (!clocks) return -ENOMEM;
    clocks->store = store;
    clocks->aliases = alias_picture_take(store->aliases);
    int result = list_machines(clocks);
    if (!result && clocks->machine_count < 2) {
        recorded_clocks_close(clocks);
        return 0;
    }
    clocks->segment_count =
        (uint32_t)((history_end_position(store->history) + HISTORY_SEGMENT_EVENTS - 1) / HISTORY_SEGMENT_EVENTS);
    clocks->segment_machines = calloc((size_t)clocks->segment_count + 1, sizeof *clocks->segment_machines);
    if (!clocks->segment_machines) result = -ENOMEM;
    if (!result) result = estimate(clocks);
    if (result) {
        recorded_clocks_close(clocks);
        return result;
    }
    show_all(clocks);
    *ret_clocks = clocks;
    return 0;
}

void recorded_clocks_close(struct recorded_clocks *clocks) {
    if (!clocks) return;
    clocks_destroy(clocks->clocks);
    alias_picture_release(clocks->aliases);
    free(clocks->machines);
    free(clocks->segment_machines);
    free(clocks);
}

/* ---- what answers say ---- */

static json_t *name_new(const struct recorded_clocks *clocks, uint32_t machine) {
    return machine == CLOCKS_NOBODY || !*clocks->machines[machine].name ? json_null()
                                                                        : json_string(clocks->machines[machine].name);
}

static json_t *id_new(const struct recorded_clocks *clocks, uint32_t machine) {
    char digits[2 * MACHINE_ID_BYTES + 1] = "";
    if (machine == CLOCKS_NOBODY) return json_null();
    trace_hex_encode(digits, clocks->machines[machine].id, MACHINE_ID_BYTES);
    return json_string(digits);
}

static json_t *number_new(bool has, int64_t number) { return has ? json_integer(number) : json_null(); }

/* NULL without memory. */
static json_t *lead_new(const struct recorded_clocks *clocks, uint32_t machine, uint64_t time_ns, bool all) {
    struct clocks_lead lead;
    clocks_lead(clocks->clocks, machine, time_ns, &lead);
    bool known = lead.known || lead.is_reference;
    json_t *json = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "host", name_new(clocks, machine), "machine", id_new(clocks, machine),
                             "lead", number_new(known, lead.lead_ns), "error", number_new(known, (int64_t)lead.error_ns),
                             "reference", name_new(clocks, lead.reference), "reference_machine", id_new(clocks, lead.reference));
    if (lead.apart) json_object_set_new(json, "apart", json_true());
    if (lead.beside != CLOCKS_NOBODY) {
        json_object_set_new(json, "beside", name_new(clocks, lead.beside));
        json_object_set_new(json, "at_least", number_new(lead.has_least, lead.least_ns));
        json_object_set_new(json, "at_most", number_new(lead.has_most, lead.most_ns));
    }
    if (all) {
        json_object_set_new(json, "drift", known ? json_real(lead.drift) : json_null());
        json_object_set_new(json, "steps", json_integer(lead.steps));
        json_object_set_new(json, "packets", number_new(lead.known, (int64_t)lead.packets));
    }
    return json;
}

/* The machine of a node's log, told by hex digits. */
static uint32_t machine_of_row(const struct recorded_clocks *clocks, const json_t *row) {
    struct trace_node_id id;
    const char *digits = json_get_hex(row, "node_id", NODE_DIGITS), *log = json_get_hex(row, "log", LOG_DIGITS);
    if (!digits || trace_hex_decode(id.bytes, digits, sizeof id.bytes)) return CLOCKS_NOBODY;
    const struct id_slot *slot = find_id((struct recorded_clocks *)clocks, &id);
    if (!slot->used || slot->machine != SEVERAL || !log)
        return slot->used && slot->machine != SEVERAL ? slot->machine : CLOCKS_NOBODY;
    for (uint32_t i = 0; i < nodes_count(clocks->store->nodes); i++) {
        const struct node *node = nodes_at(clocks->store->nodes, i);
        if (node && !memcmp(&node->info.node_id, &id, sizeof id) && node->info.log == strtoull(log, NULL, 16))
            return clocks->machine_of[i];
    }
    return CLOCKS_NOBODY;
}

static void annotate_rows(const struct recorded_clocks *clocks, const json_t *rows, bool nodes) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        uint32_t machine = machine_of_row(clocks, row);
        uint64_t time_ns;
        if (machine != CLOCKS_NOBODY && json_get_time(nodes ? json_object_get(row, "last") : row, &time_ns))
            json_object_set_new(row, "clock_lead", lead_new(clocks, machine, time_ns, nodes));
    }
}

void recorded_clocks_annotate(const struct recorded_clocks *clocks, const char *method, json_t *result) {
    if (!strcmp(method, "nodes")) annotate_rows(clocks, json_object_get(result, "nodes"), true);
    if (strcmp(method, "query") != 0) return;
    annotate_rows(clocks, json_object_get(result, "events"), false);
    annotate_rows(clocks, json_object_get(result, "gaps"), false);
}
