/* SPDX-License-Identifier: MIT
 *
 * A spread in words: figures, the tree, late nodes, undelivered sends, and questions with their answers. */
#include "render_spread.h"

#include "table.h"

#include <inttypes.h>
#include <stdlib.h>

#define NAMES_MAX 6U  /* nodes in one sentence */
#define VAIN_MAX 12U  /* deliveries that did not arrive */
#define DEPTH_MAX 24U /* levels of the drawn tree; deeper ones are not indented further */
#define STEPS_TO_JUDGE 3U
#define NINE_OF_TEN_MIN 10U /* nodes: of fewer, 90 % are all */

struct page {
    struct strbuf *out;
    const struct view *view;
    const struct facts *facts;
    const struct spread *spread;
};

static void put_node(const struct page *page, unsigned node) {
    render_node(page->out, page->view, facts_node(page->facts, node));
}

static void put_since(const struct page *page, struct strbuf *out, uint64_t ns) {
    const struct spread *spread = page->spread;
    uint64_t whole_ns = spread->last_ns;
    for (size_t i = 0; i < spread->questions.count; i++) {
        const struct question *question = &spread->questions.items[i];
        uint64_t end_ns = question->asked_ns - spread->start_ns + question->took_ns;
        if (end_ns > whole_ns) whole_ns = end_ns;
    }
    if (!facts_steady(page->facts, spread->start_ns, spread->start_ns + ns)) strbuf_puts(out, "~");
    text_since(out, ns, whole_ns);
}

/* ---- the head ---- */

static void put_about(const struct page *page, const struct spread_about *about) {
    const struct spread *spread = page->spread;
    struct strbuf *out = page->out;
    text_styled(out, page->view->color, STYLE_HEAD, "%s", about->trace_id ? "trace " : "");
    text_styled(out, page->view->color, STYLE_HEAD, "%s", about->trace_id ? about->trace_id : about->key);
    strbuf_puts(out, "  from ");
    put_node(page, spread->reached->node);
    strbuf_puts(out, " to ");
    text_count(out, spread->count - 1, "node");
    if (spread->timed && spread->timed == spread->count - 1) {
        strbuf_puts(out, " in ");
        text_duration(out, spread->last_ns);
    }
    strbuf_puts(out, "\nbegan ");
    text_time(out, facts_unix(page->facts, spread->reached->node, spread->start_ns), page->view->utc, true);
    strbuf_puts(out, page->view->utc ? " UTC" : "");
    if (about->traces > 1) strbuf_printf(out, "; %zu traces", about->traces);
    strbuf_puts(out, spread->by == SPREAD_BY_MESSAGES ? "; by the program's messages\n"
                     : spread->by == SPREAD_BY_SPANS  ? "; by spans: no messages are traced\n"
                                                      : "; nothing went from one node to another\n");
}

/* A share of the nodes is named only if it is not all of them. */
static void put_reached(const struct page *page) {
    const struct spread *spread = page->spread;
    struct strbuf *out = page->out;
    strbuf_puts(out, "reached");
    bool all = spread->timed == spread->count - 1;
    if (!all) strbuf_printf(out, ", %zu of %zu:", spread->timed, spread->count - 1);
    if (spread->timed > 1) {
        strbuf_puts(out, all ? ": half of them after " : " half of them after ");
        text_duration(out, spread->p50_ns);
    }
    if (spread->timed >= NINE_OF_TEN_MIN) {
        strbuf_puts(out, ", 90 % after ");
        text_duration(out, spread->p90_ns);
    }
    strbuf_puts(out, spread->timed > 1 ? ", the last after " : " after ");
    text_duration(out, spread->last_ns);
    if (spread->hops_max == 1)
        strbuf_puts(out, ", in one hop\n");
    else
        strbuf_printf(out, "; %u hops at most\n", spread->hops_max);
}

static void put_figures(const struct page *page) {
    const struct spread *spread = page->spread;
    struct strbuf *out = page->out;
    if (spread->timed) put_reached(page);
    if (spread->by == SPREAD_BY_MESSAGES) {
        strbuf_puts(out, "sent ");
        text_count(out, spread->messages, "time");
        strbuf_printf(out, ", arrived %" PRIu64 ": ", spread->arrived);
        text_count(out, spread->duplicates, "duplicate");
        strbuf_printf(out, ", redundancy %.2f", spread_redundancy(spread));
        if (spread->lost) strbuf_printf(out, "; %" PRIu64 " not received", spread->lost);
        if (spread->untraced) strbuf_printf(out, "; %" PRIu64 " to peers that are not traced", spread->untraced);
        if (spread->others) strbuf_printf(out, "; %" PRIu64 " of other types", spread->others);
        strbuf_puts(out, "\n");
    } else if (spread->duplicates) {
        text_count(out, spread->duplicates, "duplicate");
        strbuf_printf(out, ", redundancy %.2f\n", spread_redundancy(spread));
    }
}

static void put_warnings(const struct page *page, const struct spread_about *about) {
    const struct spread *spread = page->spread;
    size_t astray = 0, stepped = 0, untimed = 0;
    for (size_t i = 0; i < spread->count; i++) {
        astray += !spread->reached[i].on_tree;
        stepped += spread->reached[i].stepped;
        untimed += spread->reached[i].untimed && !spread->reached[i].stepped;
    }
    if (spread->events_missing) {
        strbuf_puts(page->out, "! ");
        text_count(page->out, spread->events_missing, "event");
        strbuf_puts(page->out, " of these nodes missing: some of this may be wrong\n");
    }
    if (about->cut) strbuf_puts(page->out, "! there are more events than were read: --limit N reads more\n");
    if (astray) {
        strbuf_puts(page->out, "! not known who sent it to ");
        text_count(page->out, astray, "node");
        strbuf_puts(page->out, "\n");
    }
    if (stepped) {
        strbuf_puts(page->out, "! the clock was stepped before it reached ");
        text_count(page->out, stepped, "node");
        strbuf_puts(page->out, ": after how long is not known\n");
    }
    if (untimed) {
        strbuf_puts(page->out, "! the origin's clock cannot be compared with that of ");
        text_count(page->out, untimed, "node");
        strbuf_puts(page->out, "\n");
    }
}

/* ---- hop by hop ---- */

static int compare_times(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static void put_hop(const struct page *page, struct table *table, unsigned hop, const uint64_t *times, size_t count) {
    const size_t places[] = {0, (count - 1) / 2, count - 1};
    table_cell(table, STYLE_PLAIN, "%u", hop);
    table_cell(table, STYLE_PLAIN, "%zu", count);
    for (unsigned i = 0; i < 3; i++) {
        put_since(page, table_cell_begin(table), times[places[i]]);
        table_cell_end(table, STYLE_PLAIN);
    }
}

static void put_hops(const struct page *page) {
    static const struct table_column columns[] = {{"hop", TABLE_RIGHT},
                                                  {"nodes", TABLE_RIGHT},
                                                  {"first", TABLE_RIGHT, .rank = 2},
                                                  {"half", TABLE_RIGHT, .rank = 3},
                                                  {"last", TABLE_RIGHT, .rank = 1}};
    const struct spread *spread = page->spread;
    const struct table_style style = {.header = page->view->header, .color = page->view->color, .columns = page->view->columns};
    uint64_t *times = calloc(spread->count + 1, sizeof *times);
    struct table table;
    if (spread->hops_max < 2 || !times) {
        free(times);
        return;
    }
    strbuf_puts(page->out, "\n");
    table_init(&table, 5, columns, &style);
    for (unsigned hop = 1; hop <= spread->hops_max; hop++) {
        size_t count = 0;
        for (size_t i = 1; i < spread->count; i++)
            if (spread->reached[i].hops == hop && !spread->reached[i].untimed)
                times[count++] = spread->reached[i].time_ns - spread->start_ns;
        qsort(times, count, sizeof *times, compare_times);
        if (count) put_hop(page, &table, hop, times, count);
    }
    table_end(&table, page->out);
    table_fini(&table);
    free(times);
}

/* ---- the tree ---- */

/* last: for each depth, whether the branch there is its parent's last. */
static void put_branch(const struct page *page, struct strbuf *cell, const struct reach *reach, const bool *last,
                       unsigned depth) {
    static const char *const ascii[] = {"|  ", "   ", "+- ", "`- "}, *const drawn[] = {"│  ", "   ", "├─ ", "└─ "};
    const char *const *pieces = page->view->utf8 ? drawn : ascii;
    for (unsigned i = 1; i < depth; i++) strbuf_puts(cell, pieces[last[i]]);
    if (depth) strbuf_puts(cell, pieces[2 + last[depth]]);
    render_node(cell, page->view, facts_node(page->facts, reach->node));
}

static void put_step(struct table *table, bool known, uint64_t ns) {
    if (known)
        text_duration(table_cell_begin(table), ns);
    else
        strbuf_puts(table_cell_begin(table), "-");
    table_cell_end(table, STYLE_PLAIN);
}

static void put_reach(const struct page *page, struct table *table, const struct reach *reach, const bool *last, unsigned depth) {
    bool step = reach->parent != NO_POSITION && !reach->untimed;
    struct strbuf *cell = table_cell_begin(table);
    if (reach->untimed)
        strbuf_puts(cell, "?");
    else
        put_since(page, cell, reach->time_ns - page->spread->start_ns);
    table_cell_end(table, STYLE_PLAIN);
    put_branch(page, table_cell_begin(table), reach, last, depth);
    table_cell_end(table, STYLE_PLAIN);
    put_step(table, step && reach->sent_known, reach->held_ns);
    put_step(table, step, reach->link_ns);
    table_cell(table, STYLE_PLAIN, "%u", reach->duplicates);
    table_cell(table, STYLE_WARN, "%s%s", reach->late != NO_POSITION ? "late" : "",
               reach->on_tree                 ? ""
               : reach->parent == NO_POSITION ? "from ?"
                                              : "");
}

/* Each node, then the nodes that it passed the thing to; without recursion, because a chain may be long. */
static void put_tree_of(const struct page *page, struct table *table, size_t root) {
    const struct spread *spread = page->spread;
    bool last[DEPTH_MAX + 1] = {true};
    unsigned depth = 0;
    size_t i = root;
    while (true) {
        const struct reach *reach = &spread->reached[i];
        unsigned drawn = depth < DEPTH_MAX ? depth : DEPTH_MAX;
        last[drawn] = i == root || reach->next_sibling == NO_POSITION;
        put_reach(page, table, reach, last, drawn);
        if (reach->first_child != NO_POSITION) {
            i = reach->first_child;
            depth++;
            continue;
        }
        while (i != root && spread->reached[i].next_sibling == NO_POSITION) {
            i = spread->reached[i].parent;
            depth--;
        }
        if (i == root) return;
        i = spread->reached[i].next_sibling;
    }
}

static void put_tree(const struct page *page) {
    const struct spread *spread = page->spread;
    const struct table_column columns[] = {
        {"since", TABLE_RIGHT},           {"node", TABLE_LEFT},
        {"held", TABLE_RIGHT, .rank = 2}, {spread->by == SPREAD_BY_MESSAGES ? "link" : "way", TABLE_RIGHT, .rank = 1},
        {"dup", TABLE_RIGHT, .rank = 3},  {"", TABLE_LEFT}};
    const struct table_style style = {.header = page->view->header, .color = page->view->color, .columns = page->view->columns};
    struct table table;
    strbuf_puts(page->out, "\n");
    table_init(&table, 6, columns, &style);
    for (size_t i = 0; i < spread->count; i++)
        if (spread->reached[i].parent == NO_POSITION) put_tree_of(page, &table, i);
    table_end(&table, page->out);
    table_fini(&table);
}

/* ---- who was late ---- */

static void put_late_nodes(const struct page *page, size_t culprit) {
    const struct spread *spread = page->spread;
    unsigned shown = 0, all = spread->culprits[culprit].late;
    for (size_t i = 0; i < spread->count && shown < NAMES_MAX; i++) {
        if (spread->reached[i].late != culprit) continue;
        if (shown++) strbuf_puts(page->out, ", ");
        put_node(page, spread->reached[i].node);
    }
    if (all > shown) strbuf_printf(page->out, " and %u more", all - shown);
}

static void put_culprit(const struct page *page, size_t i) {
    const struct culprit *culprit = &page->spread->culprits[i];
    struct strbuf *out = page->out;
    text_styled(out, page->view->color, STYLE_BAD, "late: ");
    put_late_nodes(page, i);
    strbuf_puts(out, ": ");
    put_node(page, culprit->node);
    if (culprit->sort == STEP_HELD) {
        strbuf_puts(out, " held it for ");
        text_duration(out, culprit->ns);
        strbuf_puts(out, " before passing it on; usual is ");
    } else if (culprit->sort == STEP_WAITED) {
        strbuf_puts(out, " waited for ");
        put_node(page, culprit->peer);
        strbuf_puts(out, " first; it continued after ");
        text_duration(out, culprit->ns);
        strbuf_puts(out, "; usual is ");
    } else {
        strbuf_puts(out, " -> ");
        put_node(page, culprit->peer);
        strbuf_puts(out, " took ");
        text_duration(out, culprit->ns);
        if (culprit->sends > 1) strbuf_printf(out, ", sent %u times", culprit->sends);
        strbuf_puts(out, culprit->sort == STEP_BOTH ? ", at the first or on the way; usual is " : "; usual is ");
    }
    text_duration(out, culprit->usual_ns);
    strbuf_puts(out, "\n");
}

static void put_culprits(const struct page *page) {
    const struct spread *spread = page->spread;
    if (spread->by == SPREAD_BY_NOTHING) return;
    strbuf_puts(page->out, "\n");
    for (size_t i = 0; i < spread->culprit_count; i++) put_culprit(page, i);
    if (spread->culprit_count) return;
    strbuf_puts(page->out, spread->count == 2               ? "there is no other step to compare this one with\n"
                           : spread->timed < STEPS_TO_JUDGE ? "too few nodes to say who was late\n"
                                                            : "no node was late because of one step\n");
}

static void put_vain(const struct page *page) {
    const struct spread *spread = page->spread;
    unsigned shown = 0;
    for (size_t i = 0; i < spread->delivery_count && shown < VAIN_MAX; i++) {
        const struct delivery *delivery = &spread->deliveries[i];
        if (delivery->receives || delivery->other_sort) continue;
        shown++;
        strbuf_puts(page->out, "not received: ");
        put_node(page, delivery->from);
        strbuf_puts(page->out, " -> ");
        put_node(page, delivery->to);
        strbuf_puts(page->out, ", sent at ");
        put_since(page, page->out, delivery->sent_ns - spread->start_ns);
        if (delivery->sends > 1) strbuf_printf(page->out, ", %u times", delivery->sends);
        strbuf_puts(page->out, "\n");
    }
    if (spread->lost + spread->untraced > shown)
        strbuf_printf(page->out, "not received: %" PRIu64 " more\n", spread->lost + spread->untraced - shown);
}

/* ---- questions ---- */

static void put_fan_out(const struct page *page) {
    const struct questions *questions = &page->spread->questions;
    size_t counts[ANSWER_OPEN + 1] = {0}, said = 0;
    for (size_t i = 0; i < questions->count; i++) counts[questions->items[i].answer]++;
    strbuf_puts(page->out, "\n");
    text_count(page->out, questions->count, "question");
    strbuf_puts(page->out, ": ");
    for (unsigned i = 0; i <= ANSWER_OPEN; i++)
        if (counts[i])
            strbuf_printf(page->out, "%s%zu %s", said++ ? ", " : "", counts[i],
                          i == ANSWER_NEVER ? "never answered" : answer_name((enum answer)i));
    strbuf_puts(page->out, "\n");
}

static void put_question(const struct page *page, struct table *table, const struct question *question) {
    const char *command = facts_command(page->facts, question->command);
    bool answered = question->answer < ANSWER_NEVER;
    put_since(page, table_cell_begin(table), question->asked_ns - page->spread->start_ns);
    table_cell_end(table, STYLE_PLAIN);
    render_node(table_cell_begin(table), page->view, facts_node(page->facts, question->asker));
    table_cell_end(table, STYLE_PLAIN);
    render_node(table_cell_begin(table), page->view, facts_node(page->facts, question->asked));
    table_cell_end(table, STYLE_PLAIN);
    table_cell(table, STYLE_PLAIN, "%s", command ? command : "-");
    table_cell(table, question->answer == ANSWER_OK ? STYLE_GOOD : STYLE_BAD, "%s", answer_name(question->answer));
    put_step(table, answered && !question->untimed, question->took_ns);
    put_step(table, question->work_ns, question->work_ns);
    const char *fate = !question->traced ? "not traced" : question->arrived ? "" : "did not arrive";
    table_cell(table, STYLE_WARN, "%s%s%s", fate, *fate && question->sends > 1 ? ", " : "",
               question->sends > 1 ? "sent again" : "");
}

static void put_questions(const struct page *page) {
    static const struct table_column columns[] = {
        {"asked", TABLE_RIGHT, .rank = 2},  {"who", TABLE_LEFT},        {"whom", TABLE_LEFT},
        {"what", TABLE_LEFT, .rank = 3},    {"answer", TABLE_LEFT},     {"after", TABLE_RIGHT},
        {"worked", TABLE_RIGHT, .rank = 4}, {"", TABLE_LEFT, .rank = 1}};
    const struct questions *questions = &page->spread->questions;
    const struct table_style style = {.header = page->view->header, .color = page->view->color, .columns = page->view->columns};
    struct table table;
    if (!questions->count) return;
    put_fan_out(page);
    table_init(&table, 8, columns, &style);
    for (size_t i = 0; i < questions->count; i++) put_question(page, &table, &questions->items[i]);
    table_end(&table, page->out);
    table_fini(&table);
}

void render_spread(struct strbuf *out, const struct view *view, const struct facts *facts, const struct spread *spread,
                   const struct spread_about *about) {
    const struct page page = {.out = out, .view = view, .facts = facts, .spread = spread};
    if (!spread->count) return;
    put_about(&page, about);
    put_figures(&page);
    put_warnings(&page, about);
    if (spread->count > 1) {
        put_hops(&page);
        put_tree(&page);
        put_culprits(&page);
    }
    put_vain(&page);
    put_questions(&page);
}
