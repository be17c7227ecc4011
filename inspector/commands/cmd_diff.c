/* SPDX-License-Identifier: MIT
 *
 * Compares two traces: what one did and the other did not, and where their times diverged. */
#include "commands.h"
#include "event_list.h"
#include "json_get.h"
#include "pages.h"
#include "render_diff.h"

#include <string.h>

/* One of the two traces. */
struct diffed {
    json_t *answer, *events;
    const char *trace_id; /* borrowed from the events */
    struct timeline timeline;
    bool has_timeline;
};

static int fetch(struct session *session, const char *prefix, struct diffed *ret) {
    json_t *filter = session_filter_of_new(session, "trace_id", prefix);
    if (pages_collect(&session->inquiry, filter, TIMELINE_EVENTS_MAX, &ret->answer)) return -1;
    const json_t *first = json_array_get(json_get_array(ret->answer, "events"), 0);
    ret->trace_id = json_get_hex(first, "trace_id", TRACE_DIGITS);
    if (!ret->trace_id)
        return failure_set(&session->failure, EXIT_FAILED, "no event in the history belongs to a trace %s", prefix);
    if (json_get_bool(ret->answer, "more"))
        output_note("a trace is longer than diff can read: only the first events are compared");
    names_see(&session->names, ret->answer);
    ret->events = events_merge(json_get_array(ret->answer, "events"), json_get_array(ret->answer, "gaps"));
    if (!ret->events || timeline_init(&ret->timeline, ret->events)) return session_out_of_memory(session);
    ret->has_timeline = true;
    return 0;
}

static void diffed_fini(struct diffed *diffed) {
    if (diffed->has_timeline) timeline_fini(&diffed->timeline);
    json_decref(diffed->events);
    json_decref(diffed->answer);
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------- */

static json_t *id_or_null(const char *id) { return id ? json_string(id) : json_null(); }

static int put_line(struct session *session, json_t *line_new) {
    int result = line_new ? output_json(&session->output, line_new) : session_out_of_memory(session);
    json_decref(line_new);
    return result;
}

static json_t *side_new(const struct diffed *diffed, const struct diff_side *side) {
    uint64_t ns;
    bool stepped = false, took = diff_took(side->timeline, &ns, &stepped) && !stepped;
    return json_pack("{s:s,s:o,s:b,s:I}", "trace_id", diffed->trace_id, "took", took ? json_integer((json_int_t)ns) : json_null(),
                     "took_stepped", stepped, "steps", (json_int_t)side->count);
}

/* The members that say who did what, in lines about steps. */
static json_t *step_new(const char *what, const struct diff_side *side, size_t step) {
    const json_t *event = side->timeline->items[side->steps[step].item].event;
    return json_pack("{s:s,s:o,s:o,s:s}", "diff", what, "node_id", id_or_null(json_get_hex(event, "node_id", NODE_DIGITS)),
                     "peer_id", id_or_null(json_get_hex(event, "peer_id", NODE_DIGITS)), "step", side->steps[step].name);
}

/* null where a step of the clock lies in it. */
static json_t *at_new(const struct diff_step *step) { return step->stepped ? json_null() : json_integer(step->at_ns); }

static int put_alone(struct session *session, const char *letter, const struct diff_side *side) {
    int result = 0;
    for (size_t i = 0; !result && i < side->count; i++) {
        if (side->steps[i].other != NO_STEP) continue;
        json_t *line = step_new("only", side, i);
        json_object_set_new(line, "in", json_string(letter));
        json_object_set_new(line, "at", at_new(&side->steps[i]));
        result = put_line(session, line);
    }
    return result;
}

static int put_otherwise(struct session *session, const struct trace_diff *diff) {
    int result = 0;
    for (size_t i = 0; !result && i < diff->a.count; i++) {
        if (!diff_ended_otherwise(diff, i)) continue;
        json_t *line = step_new("otherwise", &diff->a, i);
        json_object_set_new(line, "step_b", json_string(diff->b.steps[diff->a.steps[i].other].name));
        result = put_line(session, line);
    }
    return result;
}

static int put_partings(struct session *session, const struct trace_diff *diff) {
    int result = 0;
    for (size_t i = 0; !result && i < diff->parting_count; i++) {
        const struct diff_step *step = &diff->a.steps[diff->partings[i].step];
        json_t *line = step_new("parted", &diff->a, diff->partings[i].step);
        json_object_set_new(line, "a", at_new(step));
        json_object_set_new(line, "b", at_new(&diff->b.steps[step->other]));
        json_object_set_new(line, "by", json_integer(diff->partings[i].ns));
        result = put_line(session, line);
    }
    return result;
}

static int put_places(struct session *session, const struct trace_diff *diff) {
    static const char *const kinds[] = {[WAIT_NODE] = "node", [WAIT_LINK] = "link", [WAIT_PEER] = "peer"};
    int result = 0;
    for (size_t i = 0; !result && i < diff->place_count; i++) {
        const struct diff_place *place = &diff->places[i];
        result = put_line(session, json_pack("{s:s,s:s,s:o,s:o,s:I,s:I}", "diff", "place", "place", kinds[place->kind], "node_id",
                                             id_or_null(place->node_id), "peer_id", id_or_null(place->peer_id), "a",
                                             (json_int_t)place->a_ns, "b", (json_int_t)place->b_ns));
    }
    return result;
}

static int put_json(struct session *session, const struct trace_diff *diff, const struct diffed *a, const struct diffed *b) {
    json_t *head = json_pack("{s:s,s:o,s:o}", "diff", "traces", "a", side_new(a, &diff->a), "b", side_new(b, &diff->b));
    return put_line(session, head) || put_alone(session, "a", &diff->a) || put_alone(session, "b", &diff->b) ||
                   put_otherwise(session, diff) || put_partings(session, diff) || put_places(session, diff)
               ? -1
               : 0;
}

int run_diff(struct session *session) {
    struct diffed a = {0}, b = {0};
    struct trace_diff diff = {0};
    int result = session_learn_names(session) || fetch(session, session->options->args[1], &a) ||
                         fetch(session, session->options->args[2], &b)
                     ? -1
                     : 0;
    if (!result && trace_diff_init(&diff, &a.timeline, &b.timeline)) result = session_out_of_memory(session);
    if (!result && option_given(session->options, OPTION_JSON))
        result = put_json(session, &diff, &a, &b);
    else if (!result)
        render_diff(&session->output.text, &session->view, &diff, a.trace_id, b.trace_id);
    trace_diff_fini(&diff);
    diffed_fini(&a);
    diffed_fini(&b);
    return result;
}
