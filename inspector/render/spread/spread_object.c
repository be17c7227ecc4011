/* SPDX-License-Identifier: MIT
 *
 * A spread as JSON: docs/spread.md. */
#include "render_spread.h"

static json_t *node_new(const struct facts *facts, unsigned node) {
    const char *id = facts_node(facts, node);
    return id ? json_string(id) : json_null();
}

static json_t *ns_new(uint64_t ns) { return json_integer((json_int_t)ns); }
static json_t *known_ns_new(bool known, uint64_t ns) { return known ? ns_new(ns) : json_null(); }
static json_t *command_new(const struct facts *facts, unsigned command) {
    const char *text = facts_command(facts, command);
    return text ? json_string(text) : json_null();
}

static const char *sort_name(enum step_sort sort) {
    static const char *const names[] = {
        [STEP_HELD] = "held", [STEP_LINK] = "link", [STEP_BOTH] = "held_or_link", [STEP_WAITED] = "waited"};
    return names[sort];
}

static json_t *since_new(const struct facts *facts, const struct spread *spread, uint64_t time_ns) {
    return time_ns && facts_steady(facts, spread->start_ns, time_ns) ? json_integer((json_int_t)(time_ns - spread->start_ns))
                                                                     : json_null();
}

static json_t *reached_new(const struct facts *facts, const struct spread *spread) {
    json_t *rows = json_array();
    for (size_t i = 0; i < spread->count; i++) {
        const struct reach *reach = &spread->reached[i];
        bool step = reach->parent != NO_POSITION && !reach->untimed;
        json_array_append_new(
            rows, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:b}", "node_id", node_new(facts, reach->node), "after",
                            reach->untimed ? json_null() : since_new(facts, spread, reach->time_ns), "hops",
                            reach->on_tree ? json_integer(reach->hops) : json_null(), "from",
                            reach->parent == NO_POSITION ? json_null() : node_new(facts, spread->reached[reach->parent].node),
                            "held", known_ns_new(step && reach->sent_known, reach->held_ns), "link",
                            known_ns_new(step && reach->sent_known, reach->link_ns), "duplicates", (json_int_t)reach->duplicates,
                            "late", reach->late != NO_POSITION));
    }
    return rows;
}

static json_t *culprits_new(const struct facts *facts, const struct spread *spread) {
    json_t *rows = json_array();
    for (size_t i = 0; i < spread->culprit_count; i++) {
        const struct culprit *culprit = &spread->culprits[i];
        json_t *late = json_array();
        for (size_t k = 0; k < spread->count; k++)
            if (spread->reached[k].late == i) json_array_append_new(late, node_new(facts, spread->reached[k].node));
        json_array_append_new(rows, json_pack("{s:s,s:o,s:o,s:o,s:o,s:I,s:o}", "step", sort_name(culprit->sort), "node_id",
                                              node_new(facts, culprit->node), "peer_id", node_new(facts, culprit->peer), "took",
                                              ns_new(culprit->ns), "usual", ns_new(culprit->usual_ns), "sends",
                                              (json_int_t)culprit->sends, "late", late));
    }
    return rows;
}

static json_t *vain_new(const struct facts *facts, const struct spread *spread) {
    json_t *rows = json_array();
    for (size_t i = 0; i < spread->delivery_count; i++) {
        const struct delivery *delivery = &spread->deliveries[i];
        if (delivery->receives || delivery->other_sort) continue;
        json_array_append_new(rows, json_pack("{s:o,s:o,s:o,s:I}", "from", node_new(facts, delivery->from), "to",
                                              node_new(facts, delivery->to), "sent", since_new(facts, spread, delivery->sent_ns),
                                              "sends", (json_int_t)delivery->sends));
    }
    return rows;
}

static json_t *questions_new(const struct facts *facts, const struct spread *spread) {
    json_t *rows = json_array();
    for (size_t i = 0; i < spread->questions.count; i++) {
        const struct question *question = &spread->questions.items[i];
        bool answered = question->answer < ANSWER_NEVER;
        json_array_append_new(
            rows, json_pack("{s:o,s:o,s:o,s:o,s:s,s:o,s:b,s:b,s:o,s:I}", "asker_id", node_new(facts, question->asker), "asked_id",
                            node_new(facts, question->asked), "question", command_new(facts, question->command), "after",
                            since_new(facts, spread, question->asked_ns), "answer", answer_name(question->answer), "took",
                            known_ns_new(answered && !question->untimed, question->took_ns), "traced", question->traced,
                            "arrived", question->arrived, "work", known_ns_new(question->work_ns, question->work_ns), "sends",
                            (json_int_t)question->sends));
    }
    return rows;
}

json_t *spread_object_new(const struct facts *facts, const struct spread *spread, const struct spread_about *about) {
    static const char *const by[] = {
        [SPREAD_BY_NOTHING] = "nothing", [SPREAD_BY_MESSAGES] = "messages", [SPREAD_BY_SPANS] = "spans"};
    bool timed = spread->timed;
    uint64_t start_ns = facts_unix(facts, spread->count ? spread->reached->node : NO_NUMBER, spread->start_ns);
    return json_pack(
        "{s:o,s:o,s:I,s:s,s:o,s:I,s:I,s:I,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:f,s:I,s:I,s:I,s:b,s:o,s:o,s:o,s:o}", "trace_id",
        about->trace_id ? json_string(about->trace_id) : json_null(), "key", about->key ? json_string(about->key) : json_null(),
        "traces", (json_int_t)about->traces, "by", by[spread->by], "origin_id",
        node_new(facts, spread->count ? spread->reached->node : NO_NUMBER), "timestamp", (json_int_t)(start_ns / 1000), "ns",
        (json_int_t)(start_ns % 1000), "nodes_reached", (json_int_t)(spread->count ? spread->count - 1 : 0), "p50",
        known_ns_new(timed, spread->p50_ns), "p90", known_ns_new(timed, spread->p90_ns), "last",
        known_ns_new(timed, spread->last_ns), "hops", (json_int_t)spread->hops_max, "sent", (json_int_t)spread->messages,
        "arrived", (json_int_t)spread->arrived, "duplicates", (json_int_t)spread->duplicates, "redundancy",
        spread_redundancy(spread), "lost", (json_int_t)spread->lost, "untraced", (json_int_t)spread->untraced, "events_missing",
        (json_int_t)spread->events_missing, "cut", about->cut, "reached", reached_new(facts, spread), "culprits",
        culprits_new(facts, spread), "not_arrived", vain_new(facts, spread), "questions", questions_new(facts, spread));
}
