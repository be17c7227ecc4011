/* SPDX-License-Identifier: MIT
 *
 * Compares two traces: what one did and the other did not, and where their times diverged. */
#include "commands.h"
#include "json_get.h"
#include "render_diff.h"
#include "whole_trace.h"

#include <stdlib.h>

static int fetch(struct session *session, const char *prefix, struct whole_trace *ret_trace) {
    if (whole_trace_load(session, prefix, ret_trace)) return -1;
    if (!ret_trace->trace_id)
        return failure_set(&session->failure, EXIT_FAILED, "no event in the history belongs to a trace %s", prefix);
    if (json_get_bool(ret_trace->answer, "more"))
        output_note("a trace is longer than diff can read: only the first events are compared");
    return 0;
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

static json_t *id_or_null(const char *id) { return id ? json_string(id) : json_null(); }

static json_t *side_new(const struct whole_trace *diffed, const struct diff_side *side) {
    uint64_t ns;
    bool stepped = false, took = diff_took(side->timeline, &ns, &stepped) && !stepped;
    return json_pack("{s:s,s:o,s:b,s:I}", "trace_id", diffed->trace_id, "took", took ? json_integer((json_int_t)ns) : json_null(),
                     "took_stepped", stepped, "steps", (json_int_t)side->count);
}

/* The members that say who did what, in rows about steps. */
static json_t *step_new(const char *what, const struct diff_side *side, size_t step) {
    const json_t *event = side->timeline->items[side->steps[step].item].event;
    return json_pack("{s:s,s:o,s:o,s:s}", "diff", what, "node_id", id_or_null(json_get_hex(event, "node_id", NODE_DIGITS)),
                     "peer_id", id_or_null(json_get_hex(event, "peer_id", NODE_DIGITS)), "step", side->steps[step].name);
}

/* null where a step of the clock lies in it. */
static json_t *at_new(const struct diff_step *step) { return step->stepped ? json_null() : json_integer(step->at_ns); }

static int add_alone(json_t *rows, const char *letter, const struct diff_side *side) {
    int failed = 0;
    for (size_t i = 0; !failed && i < side->count; i++) {
        if (side->steps[i].other != NO_STEP || side->steps[i].unwanted) continue;
        json_t *row = step_new("only", side, i);
        failed |= json_object_set_new(row, "in", json_string(letter));
        failed |= json_object_set_new(row, "at", at_new(&side->steps[i]));
        failed |= json_array_append_new(rows, row);
    }
    return failed;
}

static int add_otherwise(json_t *rows, const struct trace_diff *diff) {
    int failed = 0;
    for (size_t i = 0; !failed && i < diff->a.count; i++) {
        if (diff->a.steps[i].unwanted || !diff_ended_otherwise(diff, i)) continue;
        json_t *row = step_new("otherwise", &diff->a, i);
        failed |= json_object_set_new(row, "step_b", json_string(diff->b.steps[diff->a.steps[i].other].name));
        failed |= json_array_append_new(rows, row);
    }
    return failed;
}

static int add_partings(json_t *rows, const struct trace_diff *diff) {
    int failed = 0;
    for (size_t i = 0; !failed && i < diff->parting_count; i++) {
        const struct diff_parting *parting = &diff->partings[i];
        json_t *row = step_new("parted", &diff->a, parting->step);
        failed |= json_object_set_new(row, "a", json_integer(parting->a_ns));
        failed |= json_object_set_new(row, "b", json_integer(parting->b_ns));
        failed |= json_object_set_new(row, "by", json_integer(parting->ns));
        failed |= json_array_append_new(rows, row);
    }
    return failed;
}

static int add_places(json_t *rows, const struct trace_diff *diff) {
    int failed = 0;
    for (size_t i = 0; !failed && i < diff->place_count; i++) {
        const struct diff_place *place = &diff->places[i];
        failed |= json_array_append_new(rows, json_pack("{s:s,s:s,s:o,s:o,s:I,s:I}", "diff", "place", "place",
                                                        wait_kind_name(place->kind), "node_id", id_or_null(place->node_id),
                                                        "peer_id", id_or_null(place->peer_id), "a", (json_int_t)place->a_ns, "b",
                                                        (json_int_t)place->b_ns));
    }
    return failed;
}

/* All that differs, an object for each; NULL when out of memory. */
static json_t *rows_new(const struct trace_diff *diff, const struct whole_trace *a, const struct whole_trace *b) {
    json_t *rows = json_array();
    int failed = !rows || json_array_append_new(rows, json_pack("{s:s,s:o,s:o}", "diff", "traces", "a", side_new(a, &diff->a),
                                                                "b", side_new(b, &diff->b)));
    if (!failed) failed = add_alone(rows, "a", &diff->a) || add_alone(rows, "b", &diff->b);
    if (!failed) failed = add_otherwise(rows, diff) || add_partings(rows, diff) || add_places(rows, diff);
    if (!failed) return rows;
    json_decref(rows);
    return NULL;
}

static int put_rows(struct session *session, const json_t *rows) {
    if (options_want_data(session->options)) return output_json_lines(&session->output, rows);
    list_put(&session->output.text, &session->view, &diff_list, rows, "nothing differs");
    return 0;
}

static int show(struct session *session, const struct trace_diff *diff, const struct whole_trace *a,
                const struct whole_trace *b) {
    if (!options_want_data(session->options) && !session->view.fields) {
        render_diff(&session->output.text, &session->view, diff, a->trace_id, b->trace_id);
        return 0;
    }
    json_t *rows = rows_new(diff, a, b);
    int result = rows ? put_rows(session, rows) : session_out_of_memory(session);
    json_decref(rows);
    return result;
}

/* Keeps what --node and --peer choose. */
static int keep_chosen(struct session *session, struct trace_diff *diff) {
    const char *node = session->options->texts[OPTION_NODE], *peer = session->options->texts[OPTION_PEER];
    char *node_id = NULL, *peer_id = NULL;
    int result = node ? session_resolve(session, false, node, &node_id) : 0;
    if (!result && peer) result = session_resolve(session, true, peer, &peer_id);
    if (!result) trace_diff_keep(diff, node_id, peer_id);
    free(node_id);
    free(peer_id);
    return result;
}

int run_diff(struct session *session) {
    struct whole_trace a = {0}, b = {0};
    struct trace_diff diff = {0};
    int result = session_learn_names(session) || fetch(session, session->options->args[1], &a) ||
                         fetch(session, session->options->args[2], &b)
                     ? -1
                     : 0;
    if (!result && trace_diff_init(&diff, &a.timeline, &b.timeline)) result = session_out_of_memory(session);
    if (!result) result = keep_chosen(session, &diff);
    if (!result) result = show(session, &diff, &a, &b);
    trace_diff_fini(&diff);
    whole_trace_fini(&a);
    whole_trace_fini(&b);
    return result;
}
