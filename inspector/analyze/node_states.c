/* SPDX-License-Identifier: MIT */
#include "node_states.h"

#include "json_get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void find_returned(struct node_states *states) {
    for (size_t i = 0; i < states->count; i++) {
        struct node_state *crashed = &states->items[i];
        for (size_t k = 0; crashed->crashed && k < states->count; k++)
            crashed->returned |= states->items[k].live && states->items[k].node == crashed->node;
    }
}

int node_states_read(struct node_states *ret_states, const struct facts *facts, const json_t *nodes) {
    const json_t *rows = json_get_array(nodes, "nodes"), *row;
    struct node_states states = {.items = calloc(json_array_size(rows) + 1, sizeof *states.items)};
    size_t i;
    if (!states.items) return -ENOMEM;
    json_array_foreach(rows, i, row) {
        const char *state = json_get_text(row, "state");
        unsigned node = intern_find(&facts->nodes, json_get_hex(row, "node_id", NODE_DIGITS));
        if (!state || node == NO_NUMBER) continue;
        struct node_state *added = &states.items[states.count++];
        *added = (struct node_state){.node = node, .live = !strcmp(state, "live"), .crashed = !strcmp(state, "crashed")};
        json_get_time(json_object_get(row, "started"), &added->started_ns);
        json_get_time(json_object_get(row, "last"), &added->last_ns);
        added->sample = json_get_real(row, "sample", 0);
    }
    find_returned(&states);
    *ret_states = states;
    return 0;
}

double node_states_sample(const struct node_state *states, size_t count, unsigned node) {
    double sample = 1;
    for (size_t i = 0; i < count; i++)
        if (states[i].node == node && states[i].sample > 0) sample = states[i].sample;
    return sample;
}

void node_states_fini(struct node_states *states) {
    free(states->items);
    *states = (struct node_states){0};
}
