/* SPDX-License-Identifier: MIT
 *
 * The critical path against a model that determines for every nanosecond whom each span waits for; invariants that hold for
 * any events; and that a step of the clock at any place changes no conclusion, but only takes some away. */
#include "critical_path.h"
#include "facts_fixture.h"
#include "numbers.h"

#include <check.h>
#include <p2ptrace/shm.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 24
#define NODES 6
#define WHOLE_NS 400 /* far below the time after which a span counts as abandoned */
#define ROUNDS 400
#define FACTS_MAX 4096

static struct facts facts;
static struct critical_path path;
static uint64_t state;

static unsigned below(unsigned limit) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return limit ? (unsigned)(state >> 33) % limit : 0;
}

static void setup(void) {
    unsigned number;
    char name[8];
    facts = (struct facts){0};
    ck_assert_int_eq(facts_reserve(&facts, FACTS_MAX), 0);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "n%u", i);
        ck_assert_int_eq(intern_number(&facts.nodes, name, &number), 0);
    }
}

static void teardown(void) { facts_fini(&facts); }

static struct fact *add(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns) {
    return facts_push(&facts, kind, node, peer, at_ns);
}

static void run(void) {
    ck_assert_int_eq(facts_sort(&facts), 0);
    const struct trace_events events = {.facts = &facts, .count = facts.count};
    ck_assert_int_eq(critical_path_init(&path, &events), 0);
}

/* ---- the model ---- */

struct model_span {
    unsigned node;
    int parent;
    uint64_t start_ns, end_ns;
    bool ok;
};

static struct model_span tree[SPANS_MAX];
static int tree_count;

/* A child that ends after its asker is waited for only if the asker failed. */
static bool waits_for(const struct model_span *parent, const struct model_span *child, uint64_t at_ns) {
    if (child->start_ns > at_ns || child->start_ns >= parent->end_ns) return false;
    if (child->end_ns > parent->end_ns) return !parent->ok;
    return at_ns < child->end_ns;
}

/* Attributes a moment of a span. */
static unsigned model_who(int index, uint64_t at_ns) {
    int chosen = -1;
    uint64_t chosen_until_ns = 0;
    for (int i = 1; i < tree_count; i++) {
        if (tree[i].parent != index || !waits_for(&tree[index], &tree[i], at_ns)) continue;
        uint64_t until_ns = tree[i].end_ns > tree[index].end_ns ? UINT64_MAX : tree[i].end_ns;
        bool later = chosen < 0 || until_ns > chosen_until_ns;
        bool earlier_asked = chosen >= 0 && until_ns == chosen_until_ns && tree[i].start_ns < tree[chosen].start_ns;
        if (!later && !earlier_asked) continue;
        chosen = i;
        chosen_until_ns = until_ns;
    }
    return chosen < 0 ? tree[index].node : model_who(chosen, at_ns);
}

/* Children mostly lie within their parents; all times differ, so the order is never ambiguous. */
static void grow_tree(void) {
    tree_count = 1 + (int)below(SPANS_MAX);
    tree[0] = (struct model_span){.node = 0, .parent = -1, .start_ns = 1000, .end_ns = 1000 + WHOLE_NS, .ok = below(3) != 0};
    for (int i = 1; i < tree_count; i++) {
        struct model_span *span = &tree[i], *parent;
        span->parent = (int)below((unsigned)i);
        parent = &tree[span->parent];
        unsigned room = (unsigned)(parent->end_ns - parent->start_ns);
        span->node = below(NODES);
        span->start_ns = parent->start_ns + 1 + below(room);
        span->end_ns = span->start_ns + 1 + below(2 * room / 3 + 2);
        span->ok = below(4) != 0;
    }
    for (int i = 0; i < tree_count; i++) {
        struct fact *start = add(FACT_APP_START, tree[i].node, NO_NUMBER, tree[i].start_ns * SPANS_MAX + (uint64_t)i);
        start->span_id = (uint64_t)i + 1;
        start->parent_id = i ? (uint64_t)tree[i].parent + 1 : 0;
        struct fact *end = add(FACT_APP_END, tree[i].node, NO_NUMBER, tree[i].end_ns * SPANS_MAX + (uint64_t)i);
        end->span_id = (uint64_t)i + 1;
        end->ok = tree[i].ok;
        tree[i].start_ns = start->time_ns;
        tree[i].end_ns = end->time_ns;
    }
}

/* ---- what must hold for any events ---- */

static void check_whole(void) {
    uint64_t at_ns = path.start_ns, sum_ns = 0;
    for (size_t i = 0; i < path.count; i++) {
        ck_assert_uint_eq(path.waits[i].from_ns, at_ns);
        ck_assert_uint_gt(path.waits[i].to_ns, path.waits[i].from_ns);
        ck_assert_int_eq(i < path.within, path.waits[i].from_ns < path.end_ns);
        at_ns = path.waits[i].to_ns;
    }
    ck_assert_uint_eq(at_ns, path.reach_ns);
    for (size_t i = 0; i < path.spent_count; i++) {
        sum_ns += path.spent[i].ns;
        if (i) ck_assert_uint_ge(path.spent[i - 1].ns, path.spent[i].ns);
    }
    ck_assert_uint_eq(sum_ns, path.timed_ns);
    ck_assert_uint_eq(sum_ns + path.hidden_ns, path.end_ns - path.start_ns);
    for (size_t i = 0; i < path.loss_count; i++) ck_assert_uint_le(path.losses[i].ns, path.end_ns - path.start_ns);
}

START_TEST(every_moment_of_a_random_tree_is_attributed_as_in_the_model) {
    state = (uint64_t)_i * 7919 + 1;
    grow_tree();
    run();
    check_whole();
    size_t at = 0;
    for (uint64_t moment = path.start_ns; moment < path.end_ns; moment++) {
        while (path.waits[at].to_ns <= moment) at++;
        ck_assert_int_eq(path.waits[at].kind, WAIT_NODE);
        ck_assert_msg(path.waits[at].node == model_who(0, moment), "at %lu it is %u, not %u", (unsigned long)moment,
                      path.waits[at].node, model_who(0, moment));
    }
    critical_path_fini(&path);
}
END_TEST

/* Loses what a node emitted in a random period, except the request's own start and end, and its first event. */
static void lose_events(unsigned node) {
    uint64_t from_ns = tree[0].start_ns + below(WHOLE_NS * SPANS_MAX), to_ns = from_ns + below(WHOLE_NS * SPANS_MAX);
    size_t kept = 0;
    uint64_t lost = 0, next_ns = 0;
    bool first = true;
    for (size_t i = 0; i < facts.count; i++) {
        const struct fact *fact = &facts.items[i];
        bool spared = fact->node != node || first || fact->span_id == 1;
        if (fact->node == node && spared && lost) to_ns = least(to_ns, fact->time_ns);
        bool gone = !spared && fact->time_ns >= from_ns && fact->time_ns < to_ns;
        if (fact->node == node) first = false;
        if (fact->node == node && fact->time_ns >= to_ns && !next_ns) next_ns = fact->time_ns;
        lost += gone;
        if (!gone) facts.items[kept++] = *fact;
    }
    facts.count = kept;
    if (!lost) return;
    add(FACT_EVENTS_LOST, node, NO_NUMBER, (next_ns ? next_ns : to_ns) - 1)->missing = lost;
}

static int compare_times(const void *left, const void *right) {
    const struct fact *a = left, *b = right;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* Losses may remove blame, but never put it on another node. */
START_TEST(missing_events_blame_nobody_for_anothers_time) {
    state = (uint64_t)_i * 15485863 + 5;
    grow_tree();
    qsort(facts.items, facts.count, sizeof *facts.items, compare_times);
    unsigned node = below(NODES);
    lose_events(node);
    run();

    check_whole();
    size_t at = 0;
    for (uint64_t moment = path.start_ns; moment < path.end_ns; moment++) {
        while (path.waits[at].to_ns <= moment) at++;
        ck_assert_msg(path.waits[at].hidden || path.waits[at].node == model_who(0, moment),
                      "at %lu it is %u, not %u: events of %u are missing", (unsigned long)moment, path.waits[at].node,
                      model_who(0, moment), node);
    }
    critical_path_fini(&path);
}
END_TEST

/* The events of a lane before a gap show when the gap began at the earliest; those of other lanes show nothing. */
START_TEST(a_gap_is_of_one_lane) {
    add(FACT_APP_START, 0, NO_NUMBER, 1000)->span_id = 1;
    struct fact *start = add(FACT_APP_START, 1, NO_NUMBER, 1010);
    start->span_id = 2, start->parent_id = 1;
    add(FACT_CUSTOM, 1, NO_NUMBER, 1040)->lane = 1;
    add(FACT_EVENTS_LOST, 1, NO_NUMBER, 1060)->missing = 1;
    struct fact *end = add(FACT_APP_END, 1, NO_NUMBER, 1070);
    end->span_id = 2, end->ok = true;
    end = add(FACT_APP_END, 0, NO_NUMBER, 1100);
    end->span_id = 1, end->ok = true;
    run();
    check_whole();
    ck_assert_uint_eq(path.hidden_ns, 50);
    critical_path_fini(&path);
}
END_TEST

START_TEST(whatever_happens_each_moment_is_somebodys_once) {
    static const enum fact_kind kinds[] = {FACT_PACKET_SENT, FACT_PACKET_RECEIVED, FACT_PACKET_LOST, FACT_STREAM_DATA,
                                           FACT_METRICS,     FACT_APP_START,       FACT_APP_END,     FACT_EVENTS_LOST};
    unsigned count = below(200);
    state = (uint64_t)_i * 104729 + 3;
    count = 1 + below(300);
    for (unsigned i = 0; i < count; i++) {
        enum fact_kind kind = kinds[below(sizeof kinds / sizeof *kinds)];
        struct fact *fact = add(kind, below(NODES), below(8) ? below(NODES) : NO_NUMBER, 1 + below(1U << below(31)));
        fact->space = 2;
        if (kind == FACT_APP_START || kind == FACT_APP_END) {
            fact->span_id = 1 + below(12);
            fact->ok = below(2);
            if (kind == FACT_APP_START) fact->parent_id = below(13);
        } else {
            fact->number = below(20);
            fact->bytes = below(2) ? 40 : 1200;
            fact->sent = below(2);
        }
    }
    run();
    if (path.root == NO_POSITION)
        ck_assert_uint_eq(path.count, 0);
    else
        check_whole();
    critical_path_fini(&path);
}
END_TEST

/* ---- a step of the clock ---- */

#define STEPPED_TESTS 60  /* processes */
#define STEPPED_ROUNDS 60 /* in each */
#define LINES_MAX 3
#define STEPPED_BASE_NS UINT64_C(1767225600000000000)

/* Sends a packet from one node to another, perhaps in vain; returns when it or its repetition arrived. */
static uint64_t carry(unsigned from, unsigned to, uint64_t at_ns, uint64_t unit_ns, unsigned space) {
    static uint64_t number;
    uint64_t bytes = below(3) ? 1200 : 40;
    struct fact *sent = add(FACT_PACKET_SENT, from, to, at_ns);
    sent->number = ++number;
    sent->bytes = bytes;
    sent->space = space;
    if (!below(4)) {
        struct fact *stream = add(FACT_STREAM_DATA, from, to, at_ns);
        stream->sent = true;
        stream->bytes = bytes;
    }
    at_ns += 1 + below(20) * unit_ns;
    if (!below(5)) {
        if (below(2)) {
            struct fact *lost = add(FACT_PACKET_LOST, from, to, at_ns);
            lost->number = sent->number;
            lost->bytes = bytes;
            lost->space = space;
        }
        return below(3) ? carry(from, to, at_ns + below(30) * unit_ns, unit_ns, space) : at_ns;
    }
    struct fact *received = add(FACT_PACKET_RECEIVED, to, from, at_ns);
    received->number = sent->number;
    received->bytes = bytes;
    received->space = space;
    if (!below(4)) add(FACT_STREAM_DATA, to, from, at_ns)->bytes = bytes;
    return at_ns;
}

/* A request in a network: with questions and answers on the wire, untraced peers, losses, and missing ends.  The unit decides
 * whether its times are long or short compared with the path's thresholds. */
static void grow_request(void) {
    static const uint64_t units_ns[] = {1, 1000, 50000, 1000000, 40000000, 400000000};
    uint64_t unit_ns = units_ns[below(sizeof units_ns / sizeof *units_ns)];
    unsigned space = below(3);
    tree_count = 1 + (int)below(SPANS_MAX / 2);
    tree[0] = (struct model_span){
        .parent = -1, .start_ns = STEPPED_BASE_NS, .end_ns = STEPPED_BASE_NS + WHOLE_NS * unit_ns, .ok = true};
    for (int i = 1; i < tree_count; i++) {
        struct model_span *span = &tree[i], *parent;
        span->parent = (int)below((unsigned)i);
        parent = &tree[span->parent];
        unsigned room = (unsigned)((parent->end_ns - parent->start_ns) / unit_ns) + 1;
        span->node = below(NODES - 1);
        span->start_ns = parent->start_ns + 1 + below(room) * unit_ns;
        span->end_ns = span->start_ns + 1 + below(room) * unit_ns;
        if (span->node == parent->node) continue;
        span->start_ns = carry(parent->node, span->node, span->start_ns, unit_ns, space) + 1;
        span->end_ns += below(3) * unit_ns + (span->end_ns < span->start_ns ? span->start_ns - span->end_ns : 0) + 1;
        if (below(4)) carry(span->node, parent->node, span->end_ns + below(5) * unit_ns, unit_ns, space);
    }
    for (int i = 0; i < tree_count; i++) {
        struct fact *start = add(FACT_APP_START, tree[i].node, NO_NUMBER, tree[i].start_ns);
        start->span_id = (uint64_t)i + 1;
        start->parent_id = i ? (uint64_t)tree[i].parent + 1 : 0;
        if (!below(6)) start->peer = below(NODES);
        if (i && !below(8)) continue;
        struct fact *end = add(FACT_APP_END, tree[i].node, NO_NUMBER, tree[i].end_ns);
        end->span_id = (uint64_t)i + 1;
        end->ok = below(3) != 0;
    }
    for (unsigned i = below(8); i-- > 0;) { /* questions to a peer without a span */
        const struct model_span *span = &tree[below((unsigned)tree_count)];
        uint64_t at_ns = span->start_ns + below(WHOLE_NS / 2) * unit_ns;
        if (below(2))
            at_ns = carry(span->node, NODES - 1, at_ns, unit_ns, space);
        else
            add(FACT_PACKET_SENT, span->node, NODES - 1, at_ns)->bytes = 1200;
        if (below(2)) add(FACT_PACKET_RECEIVED, span->node, NODES - 1, at_ns + below(200) * unit_ns)->bytes = 1200;
    }
    for (unsigned i = 0; i < facts.count; i++) facts.items[i].trace = 0;
}

/* A path and its facts: without a step of the clock, or with one. */
struct told {
    struct facts facts;
    struct critical_path path;
};

static void copy_facts(struct told *told) {
    char name[8];
    unsigned number;
    told->facts = (struct facts){0};
    ck_assert_int_eq(facts_reserve(&told->facts, facts.count + 1), 0);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "n%u", i);
        ck_assert_int_eq(intern_number(&told->facts.nodes, name, &number), 0);
    }
    memcpy(told->facts.items, facts.items, facts.count * sizeof *facts.items);
    told->facts.count = facts.count;
}

static void tell(struct told *told) {
    ck_assert_int_eq(facts_sort(&told->facts), 0);
    const struct trace_events events = {.facts = &told->facts, .count = told->facts.count};
    ck_assert_int_eq(critical_path_init(&told->path, &events), 0);
}

static void told_fini(struct told *told) {
    critical_path_fini(&told->path);
    facts_fini(&told->facts);
}

/* Sets the clock once or twice, each time before a random event; the facts stay in order. */
static void step_clock(struct facts *stepped) {
    size_t places[LINES_MAX - 1] = {1 + below((unsigned)stepped->count - 1), 1 + below((unsigned)stepped->count - 1)};
    unsigned steps = 1 + below(2);
    uint8_t number = (uint8_t)below(256);
    int64_t by_ns = 0;
    bool back = below(2);
    for (size_t i = 0, begun = 0; i < stepped->count; i++) {
        struct fact *fact = &stepped->items[i];
        bool again = i && fact->time_ns == facts.items[i - 1].time_ns; /* events of one moment stay on one side of the step */
        for (unsigned k = 0; k < steps; k++)
            if (places[k] <= i && !(begun & 1u << k) && !again) {
                begun |= 1u << k;
                number++;
                by_ns += (back ? -1 : 1) * (int64_t)below(1u << below(31)) * (below(2) ? 1 : 1000);
                back = below(2);
            }
        fact->clock_steps = number;
        fact->time_ns += (uint64_t)by_ns;
    }
}

/* The true time of a time on the axis: that of the last fact before it, plus the time since. */
static uint64_t true_time(const struct told *stepped, uint64_t time_ns) {
    size_t i = 0;
    while (i + 1 < stepped->facts.count && stepped->facts.items[i + 1].time_ns <= time_ns) i++;
    return facts.items[i].time_ns + (time_ns - stepped->facts.items[i].time_ns);
}

static void check_waits(const struct critical_path *whole, const struct told *stepped) {
    const struct critical_path *part = &stepped->path;
    uint64_t at_ns = part->start_ns, timed_ns = 0;
    for (size_t i = 0; i < part->count; i++) {
        const struct wait *wait = &part->waits[i];
        ck_assert_uint_eq(wait->from_ns, at_ns);
        at_ns = wait->to_ns;
        if (wait->untimed) continue;
        ck_assert(facts_steady(&stepped->facts, wait->from_ns, wait->to_ns));
        if (i < part->within) timed_ns += wait->to_ns - wait->from_ns;
        uint64_t from_ns = true_time(stepped, wait->from_ns), to_ns = true_time(stepped, wait->to_ns);
        ck_assert_uint_eq(to_ns - from_ns, wait->to_ns - wait->from_ns);
        for (size_t k = 0; k < whole->count; k++) {
            const struct wait *other = &whole->waits[k];
            if (other->to_ns <= from_ns || other->from_ns >= to_ns) continue;
            ck_assert_msg(other->kind == wait->kind && other->node == wait->node && other->peer == wait->peer &&
                              other->span == wait->span && other->stopped == wait->stopped &&
                              other->unanswered == wait->unanswered,
                          "from +%lu to +%lu it waited for %u of %u (%u), not %u of %u (%u)",
                          (unsigned long)(from_ns - whole->start_ns), (unsigned long)(to_ns - whole->start_ns), other->node,
                          other->kind, other->stopped, wait->node, wait->kind, wait->stopped);
        }
    }
    ck_assert_uint_eq(at_ns, part->reach_ns);
    ck_assert_uint_eq(timed_ns, part->timed_ns);
    ck_assert_uint_eq(part->reach, whole->reach);
}

static void check_losses(const struct critical_path *whole, const struct critical_path *part) {
    for (size_t i = 0; i < part->loss_count; i++) {
        const struct loss_wait *loss = &part->losses[i];
        bool found = false;
        for (size_t k = 0; k < whole->loss_count && !found; k++)
            found = whole->losses[k].first_lost == loss->first_lost && whole->losses[k].ns == loss->ns &&
                    whole->losses[k].repeat_number == loss->repeat_number && whole->losses[k].lost_count == loss->lost_count;
        ck_assert_msg(found, "waited %lu for packet %lu", (unsigned long)loss->ns, (unsigned long)loss->first_number);
    }
}

/* Pairs are a matter of order. */
static void check_messages(const struct messages *whole, const struct messages *part, const struct facts *stepped) {
    ck_assert_uint_eq(part->count, whole->count);
    for (size_t i = 0; i < whole->count; i++) {
        const struct message *a = &whole->items[i], *b = &part->items[i];
        ck_assert_int_eq(a->kind, b->kind);
        ck_assert_int_eq(a->state, b->state);
        ck_assert_uint_eq(a->send, b->send);
        ck_assert_uint_eq(a->receive, b->receive);
        ck_assert_uint_eq(a->lost, b->lost);
        bool both = b->send != NO_EVENT && b->receive != NO_EVENT;
        bool same = both && stepped->items[b->send].clock_steps == stepped->items[b->receive].clock_steps;
        ck_assert_int_eq(b->untimed, both && !same);
        ck_assert_int_eq(b->gap_ns, b->untimed ? 0 : a->gap_ns);
    }
}

static void check_step(uint64_t seed) {
    struct told whole, stepped;
    state = seed * 15485863 + 11;
    facts.count = 0;
    grow_request();
    ck_assert_int_eq(facts_sort(&facts), 0);
    for (size_t i = 0; i < facts.count; i++) facts.items[i].sequence = (uint32_t)i;
    copy_facts(&whole);
    copy_facts(&stepped);
    step_clock(&stepped.facts);
    tell(&whole);
    tell(&stepped);
    for (size_t i = 0; i < facts.count; i++) ck_assert_uint_eq(stepped.facts.items[i].sequence, i);
    check_messages(&whole.path.messages, &stepped.path.messages, &stepped.facts);
    ck_assert_uint_eq(whole.path.root, stepped.path.root);
    check_waits(&whole.path, &stepped);
    check_losses(&whole.path, &stepped.path);
    told_fini(&whole);
    told_fini(&stepped);
}

START_TEST(a_step_of_the_clock_changes_no_conclusion) {
    for (unsigned i = 0; i < STEPPED_ROUNDS; i++) {
        check_step((uint64_t)(_i * STEPPED_ROUNDS) + i);
        teardown();
        setup();
    }
}
END_TEST

static void add_on_line(uint8_t line, uint64_t at_ns) { add(FACT_CUSTOM, 0, NO_NUMBER, at_ns)->clock_steps = line; }

/* A restarted traced counts from 0 again: later events have a lower number, but are not older. */
START_TEST(lines_of_several_runs_stay_in_the_order_of_unix_time) {
    static const uint8_t lines[] = {0, 1, 0, 0};
    for (unsigned i = 0; i < 4; i++) add_on_line(lines[i], 1000 * (i + 1));
    ck_assert_int_eq(facts_sort(&facts), 0);
    for (unsigned i = 0; i < 4; i++) ck_assert_uint_eq(facts.items[i].time_ns, 1000 * (i + 1));
    for (unsigned i = 1; i < 4; i++)
        ck_assert_int_eq(facts_steady(&facts, facts.items[i - 1].time_ns, facts.items[i].time_ns), i == 3);
}
END_TEST

/* The clock is set back to 1970, where there is no room for earlier events. */
START_TEST(the_axis_does_not_begin_below_zero) {
    add_on_line(255, 5000);
    add_on_line(255, 6000);
    add_on_line(0, 10);
    add_on_line(0, 20);
    ck_assert_int_eq(facts_sort(&facts), 0);
    static const uint64_t unix_ns[] = {5000, 6000, 10, 20};
    for (unsigned i = 0; i < 4; i++) ck_assert_uint_eq(fact_unix(&facts, &facts.items[i]), unix_ns[i]);
    for (unsigned i = 1; i < 4; i++) ck_assert_uint_gt(facts.items[i].time_ns, facts.items[i - 1].time_ns);
    ck_assert(facts_steady(&facts, facts.items[0].time_ns, facts.items[1].time_ns));
    ck_assert(!facts_steady(&facts, facts.items[1].time_ns, facts.items[2].time_ns));
    ck_assert_uint_eq(facts_now(&facts, 30) - facts.items[3].time_ns, 10);
    ck_assert_uint_eq(facts_line_begin(&facts, facts.items[3].time_ns), facts.items[2].time_ns);
    ck_assert_uint_eq(facts_line_begin(&facts, facts.items[1].time_ns), 0);
}
END_TEST

START_TEST(no_events_have_no_path) {
    run();
    ck_assert_uint_eq(path.root, NO_POSITION);
    critical_path_fini(&path);
}
END_TEST

/* A chain as deep as the number of events is walked without recursion, and a span with very many children in less than
 * quadratic time. */
START_TEST(deep_and_wide_traces_are_walked) {
    enum { COUNT = 1500 };
    for (unsigned i = 0; i < COUNT; i++) {
        struct fact *start = add(FACT_APP_START, i % NODES, NO_NUMBER, 1000 + i);
        start->span_id = i + 1;
        start->parent_id = _i ? i != 0 : i;
        struct fact *end = add(FACT_APP_END, i % NODES, NO_NUMBER, 1000000 - i);
        end->span_id = i + 1;
        end->ok = true;
    }
    run();
    check_whole();
    ck_assert_uint_eq(path.spent[0].node, _i ? 1 : (COUNT - 1) % NODES);
    critical_path_fini(&path);
}
END_TEST

static void add_on_lane(enum fact_kind kind, unsigned node, uint16_t lane, uint64_t at_ns) {
    add(kind, node, NO_NUMBER, at_ns)->lane = lane;
}

START_TEST(gaps_of_several_lanes_are_found_wherever_they_overlap) {
    add_on_lane(FACT_APP_START, 0, 1, 10);
    add_on_lane(FACT_APP_START, 0, 0, 50);
    add_on_lane(FACT_EVENTS_LOST, 0, 0, 60);
    add_on_lane(FACT_EVENTS_LOST, 0, 1, 100);
    add_on_lane(FACT_APP_START, 0, 0, 200);
    add_on_lane(FACT_EVENTS_LOST, 0, 0, 210);
    add_on_lane(FACT_APP_START, 1, TRACE_LANES_MAX + 24, 220); /* no ring has this lane: the gap may have begun at any time */
    add_on_lane(FACT_EVENTS_LOST, 1, TRACE_LANES_MAX + 24, 230);
    ck_assert_int_eq(facts_sort(&facts), 0);
    ck_assert_ptr_null(facts_gap(&facts, 0, 0, 10));
    for (uint64_t at_ns = 10; at_ns < 100; at_ns++) {
        const struct fact_gap *gap = facts_gap(&facts, 0, at_ns, at_ns + 1);
        ck_assert_ptr_nonnull(gap);
        ck_assert_uint_eq(gap->from_ns, 10);
        ck_assert_uint_eq(gap->to_ns, 100);
    }
    ck_assert_ptr_null(facts_gap(&facts, 0, 100, 200));
    ck_assert_uint_eq(facts_gap(&facts, 0, 100, 201)->from_ns, 200);
    ck_assert_uint_eq(facts_gap(&facts, 1, 0, 10)->from_ns, 0);
    ck_assert_ptr_null(facts_gap(&facts, 2, 0, 300));
}
END_TEST

static uint64_t stopped_ns(void) {
    uint64_t ns = 0;
    for (size_t i = 0; i < path.count; i++) ns += path.waits[i].stopped ? path.waits[i].to_ns - path.waits[i].from_ns : 0;
    return ns;
}

/* ---- large traces ---- */

#define MANY 100000U /* what takes time with the square of it does not end here */

static void begin_span(unsigned node, unsigned peer, uint64_t at_ns, uint64_t span_id, uint64_t parent_id) {
    struct fact *start = add(FACT_APP_START, node, peer, at_ns);
    start->span_id = span_id;
    start->parent_id = parent_id;
}

static void end_span(unsigned node, uint64_t at_ns, uint64_t span_id, bool ok) {
    struct fact *end = add(FACT_APP_END, node, NO_NUMBER, at_ns);
    end->span_id = span_id;
    end->ok = ok;
}

static void carry_one(unsigned from, unsigned to, uint64_t number, uint64_t at_ns) {
    for (unsigned i = 0; i < 2; i++) {
        struct fact *fact = add(i ? FACT_PACKET_RECEIVED : FACT_PACKET_SENT, i ? to : from, i ? from : to, at_ns + i);
        fact->number = number;
        fact->bytes = 1200;
        fact->space = 2;
    }
}

/* 0: children of one span, one after the other.  1: all at once.  2: they outlive it.  3: it fails, and so do they.  4: a chain
 * on two nodes.  5: a chain on one.  6: packets go to and fro between two nodes; each waits for the other.  7: many ask,
 * and send packets.  8: children of missing parents. */
START_TEST(a_large_trace_is_read_once) {
    const uint64_t ms = 1000000, end_ns = 8 * MANY * ms;
    unsigned many = _i == 6 || _i == 7 ? MANY / 2 : MANY;
    ck_assert_int_eq(facts_reserve(&facts, 8 * MANY), 0);
    begin_span(0, NO_NUMBER, 0, 1, 0);
    for (unsigned i = 0; i < many; i++) {
        bool chain = _i == 4 || _i == 5;
        uint64_t at_ns = (i + 1) * (chain ? 1 : 8) * ms, id = i + 2, far_ns = end_ns + (chain ? many - i : i + 1) * ms;
        unsigned node = _i == 5 ? 0 : chain ? 1 - i % 2 : 1;
        if (_i == 6 || _i == 7) carry_one(0, 1, i, at_ns);
        if (_i != 6) begin_span(node, 1 - node, at_ns + 2 * ms, id, chain ? i + 1 : _i == 8 ? 2 * MANY + i : 1);
        if (_i != 6) end_span(node, !_i || _i > 5 ? at_ns + 4 * ms : far_ns, id, _i != 3);
        if (_i == 6 || _i == 7) carry_one(1, 0, i, at_ns + 5 * ms);
    }
    end_span(0, _i == 1 || _i == 4 || _i == 5 ? 3 * end_ns : end_ns, 1, _i != 3);
    run();
    check_whole();
    ck_assert_uint_eq(path.spans.count, _i == 6 ? 1 : many + 1);
}
END_TEST

/* Nothing of an answer is here, and its asker waited in vain: it may have come in another trace.  1: too short a wait to ask. */
START_TEST(an_answer_that_is_not_here_is_looked_for_elsewhere) {
    const uint64_t ms = 1000000;
    add(FACT_APP_START, 0, NO_NUMBER, 0)->span_id = 1;
    struct fact *question = add(FACT_APP_START, 0, 1, 1);
    question->span_id = 2;
    question->parent_id = 1;
    struct fact *asked = add(FACT_APP_START, 1, 0, 10);
    asked->span_id = 3;
    asked->parent_id = 2;
    struct fact *done = add(FACT_APP_END, 1, 0, 20);
    done->span_id = 3;
    done->ok = true;
    struct fact *expired = add(FACT_APP_END, 0, 1, _i ? ms / 2 : 300 * ms);
    expired->span_id = 2;
    expired->expired = true;
    add(FACT_APP_END, 0, NO_NUMBER, 301 * ms)->span_id = 1;
    run();
    bool looked_for = false;
    for (size_t i = 0; i < path.doubts.count; i++) looked_for |= path.doubts.items[i].node == 0 && path.doubts.items[i].peer == 1;
    ck_assert_int_eq(looked_for, !_i);
}
END_TEST

/* A node that seems to stand still may have been at work for others.  If not all that happened beside was read, nobody knows. */
START_TEST(what_was_read_in_part_names_nobody) {
    const uint64_t ms = 1000000;
    add(FACT_APP_START, 0, NO_NUMBER, 0)->span_id = 1;
    add(FACT_PACKET_SENT, 0, 1, ms)->bytes = 1200;
    add(FACT_PACKET_RECEIVED, 1, 0, 2000 * ms)->bytes = 1200;
    struct fact *asked = add(FACT_APP_START, 1, 0, 2000 * ms + 1);
    asked->span_id = 2;
    asked->parent_id = 1;
    struct fact *done = add(FACT_APP_END, 1, 0, 2050 * ms);
    done->span_id = 2;
    done->ok = true;
    add(FACT_PACKET_SENT, 1, 0, 2050 * ms + 1)->bytes = 1200; /* the link delays nothing for long */
    add(FACT_PACKET_RECEIVED, 0, 1, 2050 * ms + 2)->bytes = 1200;
    struct fact *end = add(FACT_APP_END, 0, NO_NUMBER, 2051 * ms);
    end->span_id = 1;
    end->ok = true;
    run();
    ck_assert_uint_gt(stopped_ns(), 1900 * ms);
    ck_assert_uint_eq(path.hidden_ns, 0);
    ck_assert_uint_eq(path.doubts.count, 1);
    critical_path_fini(&path);
    facts.beside_cut = true;
    run();
    ck_assert_uint_eq(stopped_ns(), 0);
    ck_assert_uint_gt(path.hidden_ns, 1900 * ms);
    critical_path_fini(&path);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("critical_path");
    TCase *tcase = tcase_create("paths");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, every_moment_of_a_random_tree_is_attributed_as_in_the_model, 0, ROUNDS);
    tcase_add_loop_test(tcase, missing_events_blame_nobody_for_anothers_time, 0, ROUNDS);
    tcase_add_test(tcase, a_gap_is_of_one_lane);
    tcase_add_loop_test(tcase, whatever_happens_each_moment_is_somebodys_once, 0, ROUNDS);
    tcase_add_loop_test(tcase, a_step_of_the_clock_changes_no_conclusion, 0, STEPPED_TESTS);
    tcase_add_test(tcase, lines_of_several_runs_stay_in_the_order_of_unix_time);
    tcase_add_test(tcase, the_axis_does_not_begin_below_zero);
    tcase_add_test(tcase, gaps_of_several_lanes_are_found_wherever_they_overlap);
    tcase_add_loop_test(tcase, a_large_trace_is_read_once, 0, 9);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, an_answer_that_is_not_here_is_looked_for_elsewhere, 0, 2);
    tcase_add_test(tcase, what_was_read_in_part_names_nobody);
    tcase_add_test(tcase, no_events_have_no_path);
    tcase_add_loop_test(tcase, deep_and_wide_traces_are_walked, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
