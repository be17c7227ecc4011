/* SPDX-License-Identifier: MIT
 *
 * Comparing two traces (trace_diff.h). */
#include "trace_diff.h"

#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "numbers.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OVERTAKEN_MAX 64U                /* steps back that are looked at for the one that came before */
#define DIFF_CELLS_MAX ((size_t)1 << 22) /* of the table that aligns the steps of one node */

/* ---- steps -------------------------------------------------------------------------------------------------------------- */

static const char *end_word(const json_t *event) {
    if (json_get_bool(json_object_get(event, "data"), "ok")) return "ok";
    return event_has_flag(event, "expired") ? "EXPIRED" : "FAILED";
}

/* The name of the step: what was done (the first *ret_what bytes), and how it ended.  Returns false if the event is no step. */
static bool step_name(struct strbuf *out, const struct timeline_item *item, size_t *ret_what) {
    const json_t *event = item->event, *data = json_object_get(event, "data");
    switch (item->kind) {
    case TRACE_KIND_APP_START:
        strbuf_puts(out, "> ");
        event_command(out, event);
        return true;
    case TRACE_KIND_APP_END:
        strbuf_puts(out, "< ");
        event_command(out, event);
        *ret_what = out->bytes;
        strbuf_printf(out, " %s", end_word(event));
        return true;
    case TRACE_KIND_APP_COMMAND: event_command(out, event); return true;
    case TRACE_KIND_MESSAGE_SENT:
    case TRACE_KIND_MESSAGE_RECEIVED:
        text_member(out, data, "type");
        strbuf_puts(out, item->kind == TRACE_KIND_MESSAGE_SENT ? " sent" : " received");
        return true;
    case TRACE_KIND_PACKET_LOST:
        strbuf_puts(out, event_has_flag(item->event, "probe") ? "MTU probe LOST" : "packet LOST");
        return true;
    case TRACE_KIND_CUSTOM: strbuf_printf(out, "custom %" PRIu64, json_get_count(data, "code")); return true;
    case TRACE_KIND_CONN_INIT: strbuf_puts(out, "connection begun"); return true;
    case TRACE_KIND_CONN_ESTABLISHED: strbuf_puts(out, "connection established"); return true;
    case TRACE_KIND_CONN_CLOSED: strbuf_puts(out, "connection closed"); return true;
    case TRACE_KIND_STREAM_OPENED: strbuf_puts(out, "stream opened"); return true;
    case TRACE_KIND_STREAM_CLOSED: strbuf_puts(out, "stream closed"); return true;
    default: return false;
    }
}

static int side_init(struct diff_side *side, const struct timeline *timeline) {
    side->timeline = timeline;
    side->start_ns = timeline->path.root != NO_POSITION ? timeline->path.start_ns : timeline->start_ns;
    side->steps = calloc(timeline->item_count + 1, sizeof *side->steps);
    if (!side->steps) return -ENOMEM;
    for (size_t i = 0; i < timeline->item_count; i++) {
        struct strbuf name = {0};
        size_t what_bytes = 0;
        if (!step_name(&name, &timeline->items[i], &what_bytes)) continue;
        if (!name.text || name.failed) {
            strbuf_fini(&name);
            return -ENOMEM;
        }
        bool stepped = !facts_steady(&timeline->facts, side->start_ns, timeline->items[i].time_ns);
        side->steps[side->count++] = (struct diff_step){.item = i,
                                                        .stepped = stepped,
                                                        .name = name.text,
                                                        .what_bytes = what_bytes ? what_bytes : name.bytes,
                                                        .at_ns = (int64_t)(timeline->items[i].time_ns - side->start_ns),
                                                        .other = NO_STEP};
    }
    return 0;
}

/* ---- alignment ---------------------------------------------------------------------------------------------------------- */

/* What the steps of both traces are numbered by. */
struct step_names {
    struct intern nodes, what, whole;
};

static int number_steps(struct step_names *names, struct diff_side *side) {
    int result = 0;
    for (size_t i = 0; i < side->count && !result; i++) {
        struct diff_step *step = &side->steps[i];
        const json_t *event = side->timeline->items[step->item].event;
        const char *node_id = json_get_hex(event, "node_id", NODE_DIGITS), *peer_id = json_get_hex(event, "peer_id", NODE_DIGITS);
        struct strbuf what = {0}, whole = {0};
        strbuf_printf(&what, "%s %.*s", peer_id ? peer_id : "", (int)step->what_bytes, step->name);
        strbuf_printf(&whole, "%s %s", peer_id ? peer_id : "", step->name);
        bool failed = what.failed || whole.failed || intern_number(&names->nodes, node_id ? node_id : "", &step->node) ||
                      intern_number(&names->what, strbuf_text(&what), &step->what) ||
                      intern_number(&names->whole, strbuf_text(&whole), &step->whole);
        result = failed ? -ENOMEM : 0;
        strbuf_fini(&what);
        strbuf_fini(&whole);
    }
    return result;
}

/* The steps of one node in one trace, in order. */
struct lane {
    struct diff_side *side;
    const size_t *steps;
    size_t count;
};

/* Do two steps of a node do the same with the same peer, and end in the same way? */
static bool is_same_step(const struct lane *a, size_t i, const struct lane *b, size_t j) {
    return a->side->steps[a->steps[i]].whole == b->side->steps[b->steps[j]].whole;
}

static void pair(struct lane *a, size_t i, struct lane *b, size_t j) {
    a->side->steps[a->steps[i]].other = b->steps[j];
    b->side->steps[b->steps[j]].other = a->steps[i];
}

/* Pairs the longest common subsequence of two lanes; of several equally long ones the latest, so that extra steps come first.
 * Lanes too long for the table are left to pair_rest. */
static int pair_common(struct lane *a, struct lane *b) {
    size_t wide = b->count + 1;
    if (!a->count || !b->count || a->count > DIFF_CELLS_MAX / wide) return 0;
    unsigned *longest = calloc((a->count + 1) * wide, sizeof *longest); /* [i][j]: of the first i and j steps */
    if (!longest) return -ENOMEM;
    for (size_t i = 1; i <= a->count; i++)
        for (size_t j = 1; j <= b->count; j++) {
            unsigned up = longest[(i - 1) * wide + j], left = longest[i * wide + j - 1];
            bool same = is_same_step(a, i - 1, b, j - 1);
            longest[i * wide + j] = same ? longest[(i - 1) * wide + j - 1] + 1 : up > left ? up : left;
        }
    for (size_t i = a->count, j = b->count; i && j;) {
        if (is_same_step(a, i - 1, b, j - 1)) {
            pair(a, --i, b, --j);
        } else if (longest[(i - 1) * wide + j] >= longest[i * wide + j - 1]) {
            i--;
        } else {
            j--;
        }
    }
    free(longest);
    return 0;
}

/* Pairs the remaining steps in order: the first of a with the first of b that did the same, even if it ended differently.  first,
 * next: room, by what was done and by step of b, for the first such step of b that is left, and for the next one. */
static void pair_rest(struct lane *a, struct lane *b, size_t *first, size_t *next) {
    for (size_t j = 0; j < b->count; j++) first[b->side->steps[b->steps[j]].what] = NO_STEP;
    for (size_t i = 0; i < a->count; i++) first[a->side->steps[a->steps[i]].what] = NO_STEP;
    for (size_t j = b->count; j-- > 0;) {
        const struct diff_step *step = &b->side->steps[b->steps[j]];
        if (step->other != NO_STEP) continue;
        next[j] = first[step->what];
        first[step->what] = j;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct diff_step *step = &a->side->steps[a->steps[i]];
        size_t j = first[step->what];
        if (step->other != NO_STEP || j == NO_STEP) continue;
        first[step->what] = next[j];
        pair(a, i, b, j);
    }
}

static int compare_by_node(const void *left, const void *right, void *steps) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    int order = compare_numbers(((struct diff_step *)steps)[i].node, ((struct diff_step *)steps)[j].node);
    return order ? order : compare_numbers(i, j);
}

/* The steps of a trace by node, in order.  NULL when out of memory. */
static size_t *steps_by_node_new(const struct diff_side *side) {
    size_t *order = calloc(side->count + 1, sizeof *order);
    for (size_t i = 0; order && i < side->count; i++) order[i] = i;
    if (order) qsort_r(order, side->count, sizeof *order, compare_by_node, side->steps);
    return order;
}

static size_t end_of_node(const struct diff_side *side, const size_t *order, size_t begin) {
    size_t end = begin;
    while (end < side->count && side->steps[order[end]].node == side->steps[order[begin]].node) end++;
    return end;
}

/* Node by node: the order of what different nodes do at once differs each time. */
static int align(struct diff_side *a, struct diff_side *b) {
    struct step_names names = {0};
    int result = number_steps(&names, a) || number_steps(&names, b) ? -ENOMEM : 0;
    size_t *x = result ? NULL : steps_by_node_new(a), *y = result ? NULL : steps_by_node_new(b);
    size_t *first = calloc((size_t)intern_count(&names.what) + 1, sizeof *first), *next = calloc(b->count + 1, sizeof *next);
    if (!x || !y || !first || !next) result = -ENOMEM;
    for (size_t i = 0, j = 0, i_end, j_end; !result && i < a->count && j < b->count;) {
        unsigned node = a->steps[x[i]].node, other = b->steps[y[j]].node;
        i_end = end_of_node(a, x, i), j_end = end_of_node(b, y, j);
        if (node == other) {
            struct lane lane = {a, x + i, i_end - i}, other_lane = {b, y + j, j_end - j};
            result = pair_common(&lane, &other_lane);
            if (!result) pair_rest(&lane, &other_lane, first, next);
        }
        if (node <= other) i = i_end;
        if (other <= node) j = j_end;
    }
    free(x);
    free(y);
    free(first);
    free(next);
    intern_fini(&names.nodes);
    intern_fini(&names.what);
    intern_fini(&names.whole);
    return result;
}

/* ---- where the times diverged --------------------------------------------------------------------------------------------- */

static int compare_partings(const void *left, const void *right) {
    const struct diff_parting *x = left, *y = right;
    int64_t a = llabs(x->ns), b = llabs(y->ns);
    if (a != b) return a > b ? -1 : 1;
    return compare_numbers(x->step, y->step);
}

/* Does no step of the clock lie between two steps of a trace?  before: NO_STEP for the beginning of the request. */
static bool is_steady(const struct diff_side *side, size_t before, size_t step) {
    const struct timeline_item *items = side->timeline->items;
    uint64_t from_ns = before == NO_STEP ? side->start_ns : items[side->steps[before].item].time_ns,
             to_ns = items[side->steps[step].item].time_ns;
    return facts_steady(&side->timeline->facts, least(from_ns, to_ns), greatest(from_ns, to_ns));
}

/* Steps of a that both took, by their time in b. */
struct passed {
    size_t *steps;
    size_t count;
};

static int64_t at_in_b(const struct trace_diff *diff, size_t step) { return diff->b.steps[diff->a.steps[step].other].at_ns; }

/* How many of them b took no later than this one. */
static size_t count_before(const struct trace_diff *diff, const struct passed *passed, size_t step) {
    size_t low = 0, high = passed->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at_in_b(diff, passed->steps[middle]) <= at_in_b(diff, step))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of the common steps that came before this one in both traces, the last one in b.  NO_STEP: none.  Adds the step, whose turn it
 * is in a. */
static size_t last_in_b(const struct trace_diff *diff, struct passed *passed, size_t step) {
    size_t at = count_before(diff, passed, step), before = at ? passed->steps[at - 1] : NO_STEP;
    memmove(passed->steps + at + 1, passed->steps + at, (passed->count - at) * sizeof *passed->steps);
    passed->steps[at] = step;
    passed->count++;
    return before;
}

/* The same, the last one in a.  NO_STEP also if it is not among the steps just before. */
static size_t last_in_a(const struct trace_diff *diff, size_t step) {
    for (size_t i = step; i > 0 && step - i < OVERTAKEN_MAX; i--)
        if (diff->a.steps[i - 1].other != NO_STEP && at_in_b(diff, i - 1) <= at_in_b(diff, step)) return i - 1;
    return NO_STEP;
}

static struct diff_parting parting_since(const struct trace_diff *diff, size_t before, size_t step) {
    const struct diff_side *a = &diff->a;
    struct diff_parting parting = {.step = step, .before = before, .a_ns = a->steps[step].at_ns, .b_ns = at_in_b(diff, step)};
    if (before != NO_STEP) {
        parting.a_ns -= a->steps[before].at_ns;
        parting.b_ns -= at_in_b(diff, before);
    }
    parting.ns = parting.b_ns - parting.a_ns;
    return parting;
}

static bool parting_is_steady(const struct trace_diff *diff, const struct diff_parting *parting) {
    const struct diff_step *steps = diff->a.steps;
    return is_steady(&diff->a, parting->before, parting->step) &&
           is_steady(&diff->b, parting->before == NO_STEP ? NO_STEP : steps[parting->before].other, steps[parting->step].other);
}

/* What nodes do at once may come in another order: the step before, which explains most of the time, is not always the one that
 * comes before in a. */
static void add_parting(struct trace_diff *diff, struct passed *passed, size_t step) {
    struct diff_parting parting = parting_since(diff, last_in_b(diff, passed, step), step);
    size_t before = last_in_a(diff, step);
    if (before != NO_STEP) {
        struct diff_parting other = parting_since(diff, before, step);
        if (llabs(other.ns) < llabs(parting.ns)) parting = other;
    }
    if (parting.ns && parting_is_steady(diff, &parting)) diff->partings[diff->parting_count++] = parting;
}

static int find_partings(struct trace_diff *diff) {
    const struct diff_side *a = &diff->a;
    struct passed passed = {.steps = calloc(a->count + 1, sizeof *passed.steps)};
    diff->partings = calloc(a->count + 1, sizeof *diff->partings);
    if (!passed.steps || !diff->partings) {
        free(passed.steps);
        return -ENOMEM;
    }
    for (size_t i = 0; i < a->count; i++)
        if (a->steps[i].other != NO_STEP) add_parting(diff, &passed, i);
    free(passed.steps);
    if (diff->parting_count) qsort(diff->partings, diff->parting_count, sizeof *diff->partings, compare_partings);
    return 0;
}

/* Is some of the time that one trace took longer the same in both partings? */
static bool is_same_wait(const struct trace_diff *diff, const struct diff_parting *x, const struct diff_parting *y) {
    if ((x->ns > 0) != (y->ns > 0)) return false;
    bool in_b = x->ns > 0;
    int64_t x_end = in_b ? at_in_b(diff, x->step) : diff->a.steps[x->step].at_ns,
            y_end = in_b ? at_in_b(diff, y->step) : diff->a.steps[y->step].at_ns, x_begin = x_end - (in_b ? x->b_ns : x->a_ns),
            y_begin = y_end - (in_b ? y->b_ns : y->a_ns);
    return x_begin < y_end && y_begin < x_end;
}

/* Several steps may have waited at once: keeps the one that waited longest, so that a wait is counted once. */
static void keep_waits(struct trace_diff *diff) {
    size_t kept = 0;
    for (size_t i = 0; i < diff->parting_count; i++) {
        bool again = false;
        for (size_t j = 0; j < kept && !again; j++) again = is_same_wait(diff, &diff->partings[i], &diff->partings[j]);
        if (!again) diff->partings[kept++] = diff->partings[i];
    }
    diff->parting_count = kept;
}

/* ---- places ------------------------------------------------------------------------------------------------------------- */

static bool is_same_id(const char *x, const char *y) { return x == y || (x && y && !strcmp(x, y)); }

/* names: each place's kind and ids, and its number in diff->places.  NULL when out of memory. */
static struct diff_place *find_place(struct trace_diff *diff, struct intern *names, const struct facts *facts,
                                     const struct spent *spent) {
    /* for a peer that is not traced, the place is the peer, whichever node waited */
    const char *node_id = spent->kind == WAIT_PEER ? NULL : facts_node(facts, spent->node),
               *peer_id = facts_node(facts, spent->peer);
    struct strbuf name = {0};
    unsigned number;
    strbuf_printf(&name, "%d %s %s", (int)spent->kind, node_id ? node_id : "", peer_id ? peer_id : "");
    bool failed = name.failed || intern_number(names, strbuf_text(&name), &number);
    strbuf_fini(&name);
    if (failed) return NULL;
    if (number == diff->place_count)
        diff->places[diff->place_count++] = (struct diff_place){.kind = spent->kind, .node_id = node_id, .peer_id = peer_id};
    return &diff->places[number];
}

static int64_t place_differs(const struct diff_place *place) { return (int64_t)(place->b_ns - place->a_ns); }

static int compare_places(const void *left, const void *right) {
    const struct diff_place *x = left, *y = right;
    int64_t a = llabs(place_differs(x)), b = llabs(place_differs(y));
    if (a != b) return a > b ? -1 : 1;
    return compare_numbers(y->a_ns + y->b_ns, x->a_ns + x->b_ns);
}

static int find_places(struct trace_diff *diff) {
    const struct timeline *a = diff->a.timeline, *b = diff->b.timeline;
    struct intern names = {0};
    struct diff_place *place;
    int result = 0;
    diff->places = calloc(a->path.spent_count + b->path.spent_count + 1, sizeof *diff->places);
    if (!diff->places) return -ENOMEM;
    for (size_t i = 0; i < a->path.spent_count && !result; i++) {
        if ((place = find_place(diff, &names, &a->facts, &a->path.spent[i])))
            place->a_ns += a->path.spent[i].ns;
        else
            result = -ENOMEM;
    }
    for (size_t i = 0; i < b->path.spent_count && !result; i++) {
        if ((place = find_place(diff, &names, &b->facts, &b->path.spent[i])))
            place->b_ns += b->path.spent[i].ns;
        else
            result = -ENOMEM;
    }
    intern_fini(&names);
    if (diff->place_count) qsort(diff->places, diff->place_count, sizeof *diff->places, compare_places);
    return result;
}

/* ---- all ---------------------------------------------------------------------------------------------------------------- */

bool diff_ended_otherwise(const struct trace_diff *diff, size_t step_of_a) {
    const struct diff_step *step = &diff->a.steps[step_of_a];
    return step->other != NO_STEP && strcmp(step->name, diff->b.steps[step->other].name) != 0;
}

bool diff_took(const struct timeline *timeline, uint64_t *ret_ns, bool *ret_stepped) {
    const struct critical_path *path = &timeline->path;
    if (path->root == NO_POSITION || path->spans.items[path->root].end == NO_POSITION || path->end_ns < path->start_ns)
        return false;
    *ret_ns = path->end_ns - path->start_ns;
    *ret_stepped = !facts_steady(&timeline->facts, path->start_ns, path->end_ns);
    return true;
}

int trace_diff_init(struct trace_diff *diff, const struct timeline *a, const struct timeline *b) {
    *diff = (struct trace_diff){0};
    if (side_init(&diff->a, a) || side_init(&diff->b, b) || align(&diff->a, &diff->b) || find_partings(diff) || find_places(diff))
        return -ENOMEM;
    return 0;
}

/* Is it this node, with this peer?  NULL: any. */
static bool is_wanted(const char *node_id, const char *peer_id, const char *wanted_node_id, const char *wanted_peer_id) {
    return (!wanted_node_id || is_same_id(node_id, wanted_node_id)) && (!wanted_peer_id || is_same_id(peer_id, wanted_peer_id));
}

static void keep_steps(struct diff_side *side, const char *node_id, const char *peer_id) {
    for (size_t i = 0; i < side->count; i++) {
        const json_t *event = side->timeline->items[side->steps[i].item].event;
        side->steps[i].unwanted = !is_wanted(json_get_hex(event, "node_id", NODE_DIGITS),
                                             json_get_hex(event, "peer_id", NODE_DIGITS), node_id, peer_id);
    }
}

/* Time spent waiting for a peer that has no events here is also that peer's, as a node. */
static bool is_wanted_place(const struct diff_place *place, const char *node_id, const char *peer_id) {
    bool waited_for = place->kind == WAIT_PEER && node_id && !peer_id && is_same_id(place->peer_id, node_id);
    return waited_for || is_wanted(place->node_id, place->peer_id, node_id, peer_id);
}

void trace_diff_keep(struct trace_diff *diff, const char *node_id, const char *peer_id) {
    size_t kept = 0;
    keep_steps(&diff->a, node_id, peer_id);
    keep_steps(&diff->b, node_id, peer_id);
    for (size_t i = 0; i < diff->parting_count; i++)
        if (!diff->a.steps[diff->partings[i].step].unwanted) diff->partings[kept++] = diff->partings[i];
    diff->parting_count = kept;
    keep_waits(diff);
    kept = 0;
    for (size_t i = 0; i < diff->place_count; i++)
        if (is_wanted_place(&diff->places[i], node_id, peer_id)) diff->places[kept++] = diff->places[i];
    diff->place_count = kept;
}

static void side_fini(struct diff_side *side) {
    for (size_t i = 0; i < side->count; i++) free(side->steps[i].name);
    free(side->steps);
}

void trace_diff_fini(struct trace_diff *diff) {
    side_fini(&diff->a);
    side_fini(&diff->b);
    free(diff->partings);
    free(diff->places);
    *diff = (struct trace_diff){0};
}
