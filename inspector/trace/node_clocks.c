/* SPDX-License-Identifier: MIT */
#include "node_clocks.h"

#include "allocation.h"
#include "json_get.h"

#include <errno.h>
#include <stdlib.h>

#define MACHINE_DIGITS 32

static bool get_signed(const json_t *object, const char *key, int64_t *ret_value) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) return false;
    *ret_value = json_integer_value(value);
    return true;
}

static int make_room(struct node_clocks *clocks, unsigned node) {
    while (clocks->count <= node) {
        struct node_clock *items = memory_room(clocks->items, clocks->count, &clocks->capacity, sizeof *items);
        if (!items) return -ENOMEM;
        clocks->items = items;
        clocks->items[clocks->count++] = (struct node_clock){.machine = NO_NUMBER};
    }
    return 0;
}

static int read_first(struct node_clocks *clocks, struct node_clock *clock, const json_t *lead) {
    *clock = (struct node_clock){.machine = NO_NUMBER};
    if (intern_number(&clocks->machines, json_get_hex(lead, "machine", MACHINE_DIGITS), &clock->machine) ||
        intern_number(&clocks->machines, json_get_hex(lead, "reference_machine", MACHINE_DIGITS), &clock->reference) ||
        intern_number(&clocks->names, json_get_text(lead, "host"), &clock->host) ||
        intern_number(&clocks->names, json_get_text(lead, "reference"), &clock->reference_host) ||
        intern_number(&clocks->names, json_get_text(lead, "beside"), &clock->beside_host))
        return -ENOMEM;
    clock->apart = json_get_bool(lead, "apart");
    clock->first_ns = UINT64_MAX;
    clock->has_most = get_signed(lead, "at_most", &clock->most_ns);
    clock->has_least = get_signed(lead, "at_least", &clock->least_ns);
    return 0;
}

int node_clocks_read(struct node_clocks *clocks, unsigned node, const json_t *event) {
    const json_t *lead = json_object_get(event, "clock_lead");
    if (node == NO_NUMBER || !json_is_object(lead)) return 0;
    if (make_room(clocks, node)) return -ENOMEM;
    struct node_clock *clock = &clocks->items[node];
    if (clock->machine == NO_NUMBER && read_first(clocks, clock, lead)) return -ENOMEM;
    uint64_t error_ns = json_get_count(lead, "error");
    if (error_ns > clock->error_ns) clock->error_ns = error_ns;
    uint64_t time_ns = 0;
    (void)json_get_time(event, &time_ns); /* events may be read newest first */
    if (time_ns < clock->first_ns && get_signed(lead, "lead", &clock->lead_ns)) clock->first_ns = time_ns;
    if (time_ns >= clock->last_ns && get_signed(lead, "lead", &clock->last_lead_ns)) clock->last_ns = time_ns;
    return 0;
}

const struct node_clock *node_clocks_at(const struct node_clocks *clocks, unsigned node) {
    return node < clocks->count && clocks->items[node].machine != NO_NUMBER ? &clocks->items[node] : NULL;
}

unsigned node_clocks_machine(const struct node_clocks *clocks, unsigned node) {
    const struct node_clock *clock = node_clocks_at(clocks, node);
    return clock ? clock->machine : NO_NUMBER;
}

bool node_clocks_comparable(const struct node_clocks *clocks, unsigned a, unsigned b, uint64_t *ret_error_ns) {
    const struct node_clock *left = node_clocks_at(clocks, a), *right = node_clocks_at(clocks, b);
    if (ret_error_ns) *ret_error_ns = 0;
    if (!left || !right || left->machine == right->machine) return true;
    if (left->reference == NO_NUMBER || left->reference != right->reference) return false;
    if (ret_error_ns) *ret_error_ns = left->error_ns + right->error_ns;
    return true;
}

int node_clocks_index(struct node_clocks *clocks) {
    const char *text;
    json_t *number;
    free(clocks->host_names);
    clocks->host_names = calloc(intern_count(&clocks->names) + 1, sizeof *clocks->host_names);
    if (!clocks->host_names) return -ENOMEM;
    json_object_foreach(clocks->names.numbers, text, number) clocks->host_names[json_integer_value(number)] = text;
    return 0;
}

const char *node_clocks_host(const struct node_clocks *clocks, unsigned host) {
    return host == NO_NUMBER || !clocks->host_names ? NULL : clocks->host_names[host];
}

void node_clocks_fini(struct node_clocks *clocks) {
    free(clocks->items);
    free(clocks->host_names);
    intern_fini(&clocks->machines);
    intern_fini(&clocks->names);
    *clocks = (struct node_clocks){0};
}
