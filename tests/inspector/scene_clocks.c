/* SPDX-License-Identifier: MIT */
#include "scene_clocks.h"

#include "json_get.h"
#include "machine_clocks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct machine machine_of(const struct scene *scene, unsigned number) {
    struct machine machine = {0};
    machine.id[0] = (uint8_t)(number + 1);
    snprintf(machine.name, sizeof machine.name, "%s", number ? scene->machines[number].name : "here");
    return machine;
}

static void list_nodes(struct node_info *infos, const struct node_info **list, const struct scene *scene) {
    for (unsigned i = 0; i < scene->life_count; i++) {
        const struct scene_node *node = &scene->nodes[scene->lives[i].node];
        infos[i] = (struct node_info){.node_id = node->id, .log = i + 1, .machine = machine_of(scene, node->machine)};
        list[i] = &infos[i];
    }
}

static int compare_shown(const void *left, const void *right) {
    uint64_t a = 0, b = 0;
    json_get_time(*(const json_t *const *)left, &a);
    json_get_time(*(const json_t *const *)right, &b);
    return a < b ? -1 : a > b;
}

void scene_correct_times(const struct scene *scene, json_t *events) {
    struct machine_clocks *machines;
    struct node_info *infos = calloc(scene->life_count + 1, sizeof *infos);
    const struct node_info **list = calloc(scene->life_count + 1, sizeof *list);
    const json_t **shown = calloc(scene->count + 1, sizeof *shown);
    ck_assert(infos && list && shown);
    list_nodes(infos, list, scene);
    ck_assert_int_eq(machine_clocks_create(&machines, list, scene->life_count), 0);
    struct clock_ends ends = {.max = clock_ends_max(machines ? machine_clocks_count(machines) : 0)};
    for (size_t i = 0; machines && i < scene->count; i++) {
        const struct trace_event *event = &scene->events[i].event;
        struct clock_end end = {.order = i + 1, .time_ns = event->timestamp};
        if (!clock_end_sample(event, &end.sample, &end.sent)) continue;
        if (!machine_clocks_end(machines, scene->events[i].life, &event->peer_id, &end)) continue;
        ck_assert_int_eq(clock_ends_add(&ends, &end), 0);
    }
    if (machines) ck_assert_int_eq(machine_clocks_estimate(machines, &ends), 0);
    for (size_t i = 0; machines && i < scene->count; i++) {
        uint32_t machine = machine_clocks_machine(machines, scene->events[i].life);
        uint64_t ns = clocks_time(machine_clocks_estimated(machines), machine, i + 1, scene->events[i].event.timestamp);
        json_object_set_new(json_array_get(events, i), "timestamp", json_integer((json_int_t)(ns / 1000)));
        json_object_set_new(json_array_get(events, i), "ns", json_integer((json_int_t)(ns % 1000)));
    }
    if (machines) {
        machine_clocks_annotate_events(machines, events);
        for (size_t i = 0; i < scene->count; i++) shown[i] = json_incref(json_array_get(events, i));
        qsort(shown, scene->count, sizeof *shown, compare_shown);
        for (size_t i = 0; i < scene->count; i++) json_array_set_new(events, i, (json_t *)shown[i]);
    }
    machine_clocks_destroy(machines);
    clock_ends_fini(&ends);
    free(infos);
    free(list);
    free(shown);
}
