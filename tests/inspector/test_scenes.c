/* SPDX-License-Identifier: MIT
 *
 * Scenes: each scenes/NAME.scene is played in memory, its `show` commands run on it, and their output is compared with
 * scenes/NAME.txt.  A new case is a new pair.  tests/integration/test_scenes.py plays the same scenes through real rings.
 *
 *
 *     show trace ID [--graph] | show diff ID ID | show analyze [trace ID | node NAME | from MS] | show spread KEY
 *     show traces ...
 *
 *
 * "from MS" leaves out what happened before.  Only traced answers `traces`, so the other test checks it; its lines in NAME.txt
 * are skipped here. */
#include "golden.h"
#include "json_get.h"
#include "render.h"
#include "render_analyze.h"
#include "render_diff.h"
#include "render_spread.h"
#include "scene.h"
#include "scene_clocks.h"

#include <check.h>
#include <proto/event_json.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN_NS (UINT64_C(1767225600) * 1000000000) /* 2026-01-01 00:00:00 */

/* ---- a scene as answers of traced ---- */

static json_t *event_new(const struct scene *scene, const struct scene_event *played) {
    char text[TRACE_EVENT_JSON_MAX];
    const struct trace_event_origin origin = {.node_id = &scene->nodes[scene->lives[played->life].node].id};
    char *end = trace_event_json(text, &played->event, &origin);
    json_t *event = json_loadb(text, (size_t)(end - text), JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(event);
    return event;
}

/* trace: the id's first digits; "" for all events.  Losses belong to every trace. */
static json_t *events_new(const struct scene *scene, const char *trace) {
    json_t *all = json_array(), *events = json_array(), *event;
    size_t i;
    for (i = 0; i < scene->count; i++) json_array_append_new(all, event_new(scene, &scene->events[i]));
    scene_correct_times(scene, all);
    json_array_foreach(all, i, event) {
        const char *id = json_get_hex(event, "trace_id", TRACE_DIGITS);
        bool wanted = !*trace || (id && !strncmp(id, trace, strlen(trace))) || json_get_kind(event) == TRACE_KIND_EVENTS_LOST;
        if (wanted) ck_assert_int_eq(json_array_append(events, event), 0);
    }
    json_decref(all);
    return events;
}

static json_t *time_new(uint64_t ns) {
    return json_pack("{s:I,s:i}", "timestamp", (json_int_t)(ns / 1000), "ns", (int)(ns % 1000));
}

static json_t *steps_new(const struct scene *scene) {
    json_t *rows = json_array();
    for (unsigned i = 0; i < scene->step_count; i++) {
        const struct scene_step *step = &scene->steps[i];
        json_array_append_new(rows, json_pack("{s:o,s:o,s:I,s:s,s:i}", "before", time_new(step->before_ns), "after",
                                              time_new(step->after_ns), "step", (json_int_t)(step->after_ns - step->before_ns),
                                              "kind", step->slept ? "sleep" : "step", "number", (int)i + 1));
    }
    return rows;
}

static char *id_text(char *out, const struct trace_node_id *id) {
    for (size_t i = 0; i < sizeof id->bytes; i++) sprintf(out + 2 * i, "%02x", id->bytes[i]);
    return out;
}

static json_t *ended_new(const struct scene_life *life) {
    if (!life->by_ns) return json_null();
    return json_pack("{s:o,s:o}", "after", time_new(life->after_ns), "by", time_new(life->by_ns));
}

/* An answer to `nodes`: each life. */
static json_t *nodes_new(const struct scene *scene) {
    static const char *const states[] = {[SCENE_LIVES] = "live", [SCENE_CLOSED] = "exited", [SCENE_CRASHED] = "crashed"};
    json_t *rows = json_array();
    char id[2 * TRACE_NODE_ID_BYTES + 1];
    for (unsigned i = 0; i < scene->life_count; i++) {
        uint64_t last_ns = 0;
        for (size_t k = 0; k < scene->count; k++)
            if (scene->events[k].life == i) last_ns = scene->events[k].event.timestamp;
        const struct scene_node *node = &scene->nodes[scene->lives[i].node];
        json_array_append_new(rows,
                              json_pack("{s:s,s:s,s:s,s:o,s:o,s:s,s:o}", "node_id", id_text(id, &node->id), "name", node->name,
                                        "state", states[scene->lives[i].end], "started", time_new(scene->lives[i].start_ns),
                                        "last", time_new(last_ns), "kinds", "all", "ended", ended_new(&scene->lives[i])));
    }
    return json_pack("{s:o,s:o}", "nodes", rows, "clock_steps", steps_new(scene));
}

/* ---- what is shown ---- */

/* All events, as an answer: more than what may settle doubts.  The live test of the scenes asks for just those. */
static json_t *all_new(const struct scene *scene) {
    return json_pack("{s:o,s:[I,I]}", "events", events_new(scene, ""), "looked", (json_int_t)0, (json_int_t)(UINT64_MAX / 2000));
}

static void show_trace(struct strbuf *out, const struct view *view, const struct scene *scene, const char *trace, bool graph) {
    json_t *events = events_new(scene, trace);
    const char *id = json_get_hex(json_array_get(events, 0), "trace_id", TRACE_DIGITS);
    json_t *answer = json_pack("{s:s,s:O,s:o}", "trace_id", id ? id : trace, "events", events, "beside", all_new(scene));
    ck_assert_ptr_nonnull(answer);
    if (graph)
        render_graph(out, view, answer);
    else
        render_trace(out, view, answer);
    json_decref(answer);
    json_decref(events);
}

static const struct trace_node_id *id_of(const struct scene *scene, const char *name) {
    for (unsigned i = 0; i < SCENE_NODES_MAX; i++)
        if (scene->nodes[i].known && !strcmp(scene->nodes[i].name, name)) return &scene->nodes[i].id;
    ck_abort_msg("no node is called %s", name);
}

static void drop_before(json_t *events, uint64_t from_ns) {
    uint64_t time_ns;
    while (json_get_time(json_array_get(events, 0), &time_ns) && time_ns < from_ns) json_array_remove(events, 0);
}

/* trace: as for events_new; node: a name, or "" for all findings; from_ms: of the scene. */
static void show_analyze(struct strbuf *out, const struct view *view, const struct scene *scene, const char *trace,
                         const char *node, unsigned from_ms, const json_t *nodes) {
    struct facts facts = {0};
    struct analysis analysis;
    struct analyze_scope scope = {0};
    json_t *events = events_new(scene, trace);
    struct node_states states;
    json_t *all = *trace ? all_new(scene) : NULL;
    if (from_ms) drop_before(events, BEGIN_NS + from_ms * UINT64_C(1000000));
    ck_assert_int_eq(facts_add(&facts, events), 0);
    ck_assert_int_eq(facts_sort(&facts), 0);
    if (all) ck_assert_int_eq(facts_add_beside(&facts, all), 0);
    json_decref(all);
    ck_assert_int_eq(node_states_read(&states, &facts, nodes), 0);
    node_states_settle(&states, &facts, *trace ? FACTS_OF_TRACE : FACTS_OF_PERIOD);
    uint64_t now_ns = facts.count ? facts.items[facts.count - 1].time_ns : 0; /* as with --to */
    ck_assert_int_eq(analyze(&analysis, &facts, &states, now_ns, *trace != 0), 0);
    char id[2 * TRACE_NODE_ID_BYTES + 1];
    if (*node) {
        scope.about = id_text(id, id_of(scene, node));
        ck_assert_int_eq(analysis_keep_node(&analysis, intern_find(&facts.nodes, id)), 0);
    }
    render_analysis(out, view, &analysis, &scope);
    analysis_fini(&analysis);
    node_states_fini(&states);
    facts_fini(&facts);
    json_decref(events);
}

static void show_diff(struct strbuf *out, const struct view *view, const struct scene *scene, const char *const traces[2]) {
    json_t *events[2], *answer = json_pack("{s:o}", "beside", all_new(scene));
    struct timeline timelines[2];
    struct trace_diff diff;
    const char *ids[2];
    for (unsigned i = 0; i < 2; i++) {
        events[i] = events_new(scene, traces[i]);
        ids[i] = json_get_hex(json_array_get(events[i], 0), "trace_id", TRACE_DIGITS);
        ck_assert_int_eq(timeline_init(&timelines[i], events[i], answer, NULL), 0);
    }
    ck_assert_int_eq(trace_diff_init(&diff, &timelines[0], &timelines[1]), 0);
    trace_diff_keep(&diff, NULL, NULL);
    render_diff(out, view, &diff, ids[0], ids[1]);
    trace_diff_fini(&diff);
    for (unsigned i = 0; i < 2; i++) {
        timeline_fini(&timelines[i]);
        json_decref(events[i]);
    }
    json_decref(answer);
}

/* A trace, or message_id=N.  Links are followed by the command: only the scene's own trace is read here. */
static void show_spread(struct strbuf *out, const struct view *view, const struct scene *scene, const char *key,
                        const json_t *nodes) {
    struct facts facts = {0};
    struct spread spread;
    char text[SCENE_LINE_MAX];
    unsigned long message = 0;
    bool by_id = sscanf(key, "message_id=%lu", &message) == 1;
    json_t *events = events_new(scene, by_id ? "" : key), *kept = json_array(), *event;
    size_t i;
    const char *id = json_get_hex(json_array_get(events, 0), "trace_id", TRACE_DIGITS);
    json_array_foreach(events, i, event) {
        bool wanted = !by_id || (json_object_get(json_object_get(event, "data"), "message_id") &&
                                 json_get_count(json_object_get(event, "data"), "message_id") == message);
        if (wanted) json_array_append(kept, event);
    }
    ck_assert_int_eq(facts_add(&facts, kept), 0);
    ck_assert_int_eq(facts_sort(&facts), 0);
    bool *traced = spread_traced_new(&facts, nodes);
    ck_assert_ptr_nonnull(traced);
    ck_assert_int_eq(spread_init(&spread, &facts, traced, by_id), 0);
    snprintf(text, sizeof text, "message_id == %lu", message);
    const struct spread_about about = {.trace_id = by_id ? NULL : id, .key = text, .traces = intern_count(&facts.traces)};
    render_spread(out, view, &facts, &spread, &about);
    spread_fini(&spread);
    facts_fini(&facts);
    free(traced);
    json_decref(kept);
    json_decref(events);
}

/* Appends "$ inspector COMMAND" and its output.  False if this program does not answer the command. */
static bool show(struct strbuf *out, const struct view *view, const struct scene *scene, const char *command,
                 const json_t *nodes) {
    char trace[SCENE_LINE_MAX] = "", rest[SCENE_LINE_MAX] = "";
    unsigned from_ms;
    strbuf_printf(out, "$ inspector %s\n", command);
    if (!strncmp(command, "trace ", 6) && sscanf(command, "trace %255s %255s", trace, rest) > 0)
        show_trace(out, view, scene, trace, !strcmp(rest, "--graph"));
    else if (sscanf(command, "diff %255s %255s", trace, rest) == 2)
        show_diff(out, view, scene, (const char *const[]){trace, rest});
    else if (!strncmp(command, "spread ", 7))
        show_spread(out, view, scene, command + 7, nodes);
    else if (sscanf(command, "analyze from %u", &from_ms) == 1)
        show_analyze(out, view, scene, "", "", from_ms, nodes);
    else if (sscanf(command, "analyze node %255s", rest) == 1)
        show_analyze(out, view, scene, "", rest, 0, nodes);
    else if (!strncmp(command, "analyze", 7))
        show_analyze(out, view, scene, sscanf(command, "analyze trace %255s", trace) == 1 ? trace : "", "", 0, nodes);
    else
        return false;
    strbuf_puts(out, "\n");
    return true;
}

/* A command's part of the expected text, up to the next "$ inspector "; the caller frees it. */
static char *expected_of(const char *expected, const char *command) {
    char title[2 * SCENE_LINE_MAX];
    snprintf(title, sizeof title, "$ inspector %s\n", command);
    const char *begin = strstr(expected, title);
    if (!begin) return strdup("");
    const char *end = strstr(begin + 1, "$ inspector ");
    return end ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}

static void compare_or_update(const char *path, const struct scene *scene, const struct view *view, const json_t *nodes) {
    char *expected = golden_read(path);
    struct strbuf all = {0}, shown = {0};
    for (unsigned i = 0; i < scene->show_count; i++) {
        char *wanted = expected_of(expected, scene->shows[i]);
        strbuf_clear(&shown);
        bool answered = show(&shown, view, scene, scene->shows[i], nodes);
        ck_assert(!shown.failed);
        strbuf_puts(&all, answered ? strbuf_text(&shown) : wanted);
        if (answered && !golden_update())
            ck_assert_msg(!strcmp(wanted, strbuf_text(&shown)), "%s is expected, but this came:\n%s", path, strbuf_text(&shown));
        free(wanted);
    }
    if (golden_update()) golden_write(path, strbuf_text(&all));
    strbuf_fini(&all);
    strbuf_fini(&shown);
    free(expected);
}

START_TEST(a_scene_is_shown_in_these_sentences) {
    char input[4096], path[4096];
    struct scene scene;
    struct names names;
    golden_paths(_i, input, path);
    ck_assert_int_eq(scene_read(&scene, input, BEGIN_NS), 0);
    ck_assert_msg(scene.show_count > 0, "%s shows nothing", input);
    json_t *nodes = nodes_new(&scene), *events = events_new(&scene, ""), *all = json_pack("{s:o}", "events", events);
    ck_assert_int_eq(names_init(&names), 0);
    names_learn(&names, nodes);
    names_see(&names, all);
    const struct view view = {.names = &names, .utc = true, .header = true, .utf8 = true};
    compare_or_update(path, &scene, &view, nodes);
    names_fini(&names);
    json_decref(nodes);
    json_decref(all);
    scene_fini(&scene);
}
END_TEST

int main(int argc, char **argv) {
    const TTest *const tests[] = {a_scene_is_shown_in_these_sentences};
    return golden_main(argc, argv, "scenes", ".scene", tests, 1);
}
