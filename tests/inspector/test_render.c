/* SPDX-License-Identifier: MIT
 *
 * Views against recorded answers: each data/NAME.json is rendered and compared with data/NAME.txt.  A new case is a new pair.
 *
 *     {"view": "trace", "nodes": an answer to `nodes`, "answer": what the view gets,
 *      "color": false, "header": true, "all": false, "utf8": false, "columns": 0} */
#include "golden.h"
#include "json_get.h"
#include "render.h"
#include "render_analyze.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* {"events", "now" (Unix microseconds), "crashed": a node id or null, "about", "cut", "traces" and "total": as `traces` answers};
 * everything else is unknown. */
static void render_analyzed(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct facts facts = {0};
    struct analysis analysis;
    ck_assert_int_eq(facts_add(&facts, json_get_array(answer, "events")), 0);
    ck_assert_int_eq(facts_sort(&facts), 0);
    struct node_state state = {.node = intern_find(&facts.nodes, json_get_text(answer, "crashed")), .crashed = true};
    struct node_states states = {.items = &state, .count = 1};
    node_states_settle(&states, &facts, FACTS_OF_PERIOD);
    struct analyze_scope scope = {.about = json_get_text(answer, "about"), .cut = json_get_bool(answer, "cut")};
    scope.cut_off = cut_off_read(&facts, answer);
    ck_assert_int_eq(analyze(&analysis, &facts, &states, json_get_count(answer, "now") * 1000, false), 0);
    render_analysis(out, view, &analysis, &scope);
    for (size_t i = 0; i < analysis.count; i++) {
        json_t *line = finding_new(view, &facts, &analysis.findings[i]);
        char *text = json_dumps(line, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
        ck_assert_ptr_nonnull(text);
        strbuf_printf(out, "%s\n", text);
        free(text);
        json_decref(line);
    }
    analysis_fini(&analysis);
    facts_fini(&facts);
}

static const struct {
    const char *name;
    void (*render)(struct strbuf *out, const struct view *view, const json_t *answer);
} views[] = {
    {"nodes", render_nodes},       {"peers", render_peers},     {"traces", render_traces}, {"apps", render_apps},
    {"stats", render_stats},       {"control", render_control}, {"count", render_count},   {"events", render_events},
    {"trace", render_trace},       {"peer", render_peer},       {"graph", render_graph},   {"analyze", render_analyzed},
    {"requests", render_requests},
};

static bool flag(const json_t *test, const char *key, bool otherwise) {
    const json_t *value = json_object_get(test, key);
    return value ? json_is_true(value) : otherwise;
}

static void render_case(struct strbuf *out, const json_t *test) {
    struct names names;
    struct strbuf text = {0};
    const char *name = json_string_value(json_object_get(test, "view"));
    const json_t *answer = json_object_get(test, "answer");
    unsigned columns = (unsigned)json_integer_value(json_object_get(test, "columns"));
    size_t i = 0;
    ck_assert_ptr_nonnull(name);
    while (i < sizeof views / sizeof *views && strcmp(views[i].name, name) != 0) i++;
    ck_assert_msg(i < sizeof views / sizeof *views, "no view is called %s", name);
    ck_assert_int_eq(names_init(&names), 0);
    names_learn(&names, json_object_get(test, "nodes"));
    names_see(&names, answer);
    struct view view = {.names = &names,
                        .utc = true,
                        .color = flag(test, "color", false),
                        .header = flag(test, "header", true),
                        .all = flag(test, "all", false),
                        .utf8 = flag(test, "utf8", false),
                        .columns = columns};
    views[i].render(&text, &view, answer);
    ck_assert(!text.failed);
    if (columns)
        text_wrap_lines(out, strbuf_text(&text), text.bytes, columns);
    else
        strbuf_add(out, strbuf_text(&text), text.bytes);
    strbuf_fini(&text);
    names_fini(&names);
}

START_TEST(a_view_of_a_recorded_answer_is_the_recorded_text) {
    char input[4096], path[4096];
    json_error_t error;
    struct strbuf text = {0};
    golden_paths(_i, input, path);
    json_t *test = json_load_file(input, JSON_ALLOW_NUL, &error);
    ck_assert_msg(test != NULL, "%s:%d: %s", input, error.line, error.text);
    render_case(&text, test);
    json_decref(test);
    if (golden_update()) golden_write(path, strbuf_text(&text));
    char *expected = golden_read(path);
    ck_assert_msg(!strcmp(expected, strbuf_text(&text)), "%s is expected, but this came:\n%s", path, strbuf_text(&text));
    free(expected);
    strbuf_fini(&text);
}
END_TEST

/* Whatever a node wrote, only text, newlines and our own colours reach the terminal. */
START_TEST(no_view_lets_a_control_character_through) {
    char input[4096], expected[4096];
    struct strbuf text = {0};
    golden_paths(_i, input, expected);
    json_t *test = json_load_file(input, JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(test);
    json_object_set_new(test, "color", json_false());
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        json_object_set_new(test, "view", json_string(views[i].name)); /* also views of other methods */
        strbuf_clear(&text);
        render_case(&text, test);
        for (size_t j = 0; j < text.bytes; j++) {
            unsigned char byte = (unsigned char)text.text[j];
            ck_assert_msg(byte == '\n' || (byte >= 0x20 && byte != 0x7f), "%s: byte 0x%02x at %zu", views[i].name, byte, j);
            ck_assert_msg(byte != 0xc2 || (unsigned char)text.text[j + 1] >= 0xa0, "%s: a C1 control at %zu", views[i].name, j);
        }
    }
    json_decref(test);
    strbuf_fini(&text);
}
END_TEST

int main(int argc, char **argv) {
    const TTest *const tests[] = {a_view_of_a_recorded_answer_is_the_recorded_text, no_view_lets_a_control_character_through};
    return golden_main(argc, argv, "render", ".json", tests, sizeof tests / sizeof *tests);
}
