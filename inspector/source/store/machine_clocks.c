/* SPDX-License-Identifier: MIT */
#include "machine_clocks.h"

#include "json_get.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>

#define SEVERAL (UINT32_MAX - 1) /* machines */
#define ID_SLOTS 8192            /* a power of two, twice the nodes that there can be */

/* A node's id, and its machine. */
struct id_slot {
    struct trace_node_id id;
    uint32_t machine; /* CLOCKS_NOBODY: the slot is empty, or the machine is not known */
    bool used;
};

struct member {
    struct trace_node_id id;
    uint64_t log;
    uint32_t machine; /* CLOCKS_NOBODY: not known */
};

/* Nodes may come while machines stay. */
struct estimate {
    struct clocks *clocks;
    unsigned users;
};

struct machine_clocks {
    struct estimate *estimate; /* NULL: none yet */
    struct machine *machines;  /* by name, then id: in whatever order nodes are given, the same is the first */
    uint32_t machine_count;
    struct member *members; /* by node */
    uint32_t member_count;
    struct id_slot ids[ID_SLOTS];
};

/* ---- who there is ---- */

static int compare_machines(const void *left, const void *right) {
    const struct machine *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : memcmp(a->id, b->id, sizeof a->id);
}

static uint32_t find_machine(const struct machine_clocks *clocks, const struct machine *machine) {
    for (uint32_t i = 0; i < clocks->machine_count; i++)
        if (!memcmp(clocks->machines[i].id, machine->id, sizeof machine->id)) return i;
    return CLOCKS_NOBODY;
}

static struct id_slot *find_id(struct machine_clocks *clocks, const struct trace_node_id *id) {
    uint64_t hash;
    memcpy(&hash, id->bytes, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t at = (uint32_t)(hash >> 40);; at++) {
        struct id_slot *slot = &clocks->ids[at % ID_SLOTS];
        if (!slot->used || !memcmp(&slot->id, id, sizeof *id)) return slot;
    }
}

static void note_id(struct machine_clocks *clocks, const struct trace_node_id *id, uint32_t machine) {
    struct id_slot *slot = find_id(clocks, id);
    if (!slot->used)
        *slot = (struct id_slot){*id, machine, true};
    else if (slot->machine != machine)
        slot->machine = SEVERAL;
}

static void list_machines(struct machine_clocks *clocks, const struct node_info *const *nodes) {
    for (uint32_t i = 0; i < clocks->member_count; i++)
        if (nodes[i] && machine_known(&nodes[i]->machine) && find_machine(clocks, &nodes[i]->machine) == CLOCKS_NOBODY)
            clocks->machines[clocks->machine_count++] = nodes[i]->machine;
    if (clocks->machine_count) qsort(clocks->machines, clocks->machine_count, sizeof *clocks->machines, compare_machines);
    for (uint32_t i = 0; i < clocks->member_count; i++) {
        struct member *member = &clocks->members[i];
        member->machine = CLOCKS_NOBODY;
        if (!nodes[i]) continue;
        member->id = nodes[i]->node_id;
        member->log = nodes[i]->log;
        if (machine_known(&nodes[i]->machine)) member->machine = find_machine(clocks, &nodes[i]->machine);
        if (nodes_id_is_known(&member->id)) note_id(clocks, &member->id, member->machine);
    }
}

int machine_clocks_create(struct machine_clocks **ret_clocks, const struct node_info *const *nodes, uint32_t count) {
    struct machine_clocks *clocks = calloc(1, sizeof *clocks);
    *ret_clocks = NULL;
    if (!clocks) return -ENOMEM;
    clocks->member_count = count;
    clocks->machines = calloc((size_t)count + 1, sizeof *clocks->machines);
    clocks->members = calloc((size_t)count + 1, sizeof *clocks->members);
    if (!clocks->machines || !clocks->members) {
        machine_clocks_destroy(clocks);
        return -ENOMEM;
    }
    list_machines(clocks, nodes);
    if (clocks->machine_count < 2)
        machine_clocks_destroy(clocks);
    else
        *ret_clocks = clocks;
    return 0;
}

void machine_clocks_destroy(struct machine_clocks *clocks) {
    if (!clocks) return;
    if (clocks->estimate && !--clocks->estimate->users) {
        clocks_destroy(clocks->estimate->clocks);
        free(clocks->estimate);
    }
    free(clocks->machines);
    free(clocks->members);
    free(clocks);
}

uint32_t machine_clocks_count(const struct machine_clocks *clocks) { return clocks->machine_count; }

uint32_t machine_clocks_machine(const struct machine_clocks *clocks, uint32_t node) {
    return node < clocks->member_count ? clocks->members[node].machine : CLOCKS_NOBODY;
}

const struct machine *machine_clocks_at(const struct machine_clocks *clocks, uint32_t machine) {
    return &clocks->machines[machine];
}

const struct clocks *machine_clocks_estimated(const struct machine_clocks *clocks) {
    return clocks->estimate ? clocks->estimate->clocks : NULL;
}

/* ---- packets ---- */

/* Both ends of a packet between two nodes of one machine say nothing. */
static bool may_cross(struct machine_clocks *clocks, const struct trace_node_id *peer_id, uint32_t machine) {
    const struct id_slot *slot = find_id(clocks, peer_id);
    return slot->used && slot->machine != machine && slot->machine != CLOCKS_NOBODY;
}

bool machine_clocks_end(struct machine_clocks *clocks, uint32_t node, const struct trace_node_id *peer_id,
                        struct clock_end *end) {
    end->machine = machine_clocks_machine(clocks, node);
    if (end->machine == CLOCKS_NOBODY || !may_cross(clocks, peer_id, end->machine)) return false;
    end->key = clock_end_key(end->sample, end->sent, &clocks->members[node].id, peer_id);
    return true;
}

int machine_clocks_estimate(struct machine_clocks *clocks, struct clock_ends *ends) {
    struct clocks_packet *packets = NULL;
    struct estimate *estimate = calloc(1, sizeof *estimate);
    size_t count;
    int result = estimate ? clock_ends_match(ends, &packets, &count) : -ENOMEM;
    if (!result) result = clocks_create(&estimate->clocks, clocks->machine_count, packets, count);
    free(packets);
    if (result) {
        free(estimate);
        return result;
    }
    estimate->users = 1;
    clocks->estimate = estimate;
    return 0;
}

void machine_clocks_share(struct machine_clocks *clocks, struct machine_clocks *with) {
    clocks->estimate = with->estimate;
    clocks->estimate->users++;
}

/* ---- what answers say ---- */

static json_t *name_new(const struct machine_clocks *clocks, uint32_t machine) {
    return machine == CLOCKS_NOBODY || !*clocks->machines[machine].name ? json_null()
                                                                        : json_string(clocks->machines[machine].name);
}

static json_t *id_new(const struct machine_clocks *clocks, uint32_t machine) {
    char digits[2 * MACHINE_ID_BYTES + 1] = "";
    if (machine == CLOCKS_NOBODY) return json_null();
    trace_hex_encode(digits, clocks->machines[machine].id, MACHINE_ID_BYTES);
    return json_string(digits);
}

static json_t *number_new(bool has, int64_t number) { return has ? json_integer(number) : json_null(); }

/* NULL without memory. */
static json_t *lead_new(const struct machine_clocks *clocks, uint32_t machine, uint64_t time_ns, bool all) {
    struct clocks_lead lead;
    clocks_lead(clocks->estimate->clocks, machine, time_ns, &lead);
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
static uint32_t machine_of_row(const struct machine_clocks *clocks, const json_t *row) {
    struct trace_node_id id;
    const char *digits = json_get_hex(row, "node_id", NODE_DIGITS), *log = json_get_hex(row, "log", LOG_DIGITS);
    if (!digits || trace_hex_decode(id.bytes, digits, sizeof id.bytes)) return CLOCKS_NOBODY;
    const struct id_slot *slot = find_id((struct machine_clocks *)clocks, &id);
    if (!slot->used || slot->machine != SEVERAL || !log)
        return slot->used && slot->machine != SEVERAL ? slot->machine : CLOCKS_NOBODY;
    for (uint32_t i = 0; i < clocks->member_count; i++) {
        const struct member *member = &clocks->members[i];
        if (!memcmp(&member->id, &id, sizeof id) && member->log == strtoull(log, NULL, 16)) return member->machine;
    }
    return CLOCKS_NOBODY;
}

static void annotate_rows(const struct machine_clocks *clocks, const json_t *rows, bool nodes) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        uint32_t machine = machine_of_row(clocks, row);
        uint64_t time_ns;
        if (machine != CLOCKS_NOBODY && json_get_time(nodes ? json_object_get(row, "last") : row, &time_ns))
            json_object_set_new(row, "clock_lead", lead_new(clocks, machine, time_ns, nodes));
    }
}

void machine_clocks_annotate_events(const struct machine_clocks *clocks, json_t *events) { annotate_rows(clocks, events, false); }

void machine_clocks_annotate(const struct machine_clocks *clocks, const char *method, json_t *result) {
    if (!strcmp(method, "nodes")) annotate_rows(clocks, json_object_get(result, "nodes"), true);
    if (strcmp(method, "query") != 0) return;
    annotate_rows(clocks, json_object_get(result, "events"), false);
    annotate_rows(clocks, json_object_get(result, "gaps"), false);
}
