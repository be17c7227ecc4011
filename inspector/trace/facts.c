/* SPDX-License-Identifier: MIT */
#include "facts.h"

#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "numbers.h"
#include "packet.h"
#include "text.h"

#include <errno.h>
#include <p2ptrace/shm.h>
#include <proto/event_clock.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t kinds[FACT_KIND_COUNT_] = {
    [FACT_PACKET_SENT] = TRACE_KIND_PACKET_SENT,
    [FACT_PACKET_RECEIVED] = TRACE_KIND_PACKET_RECEIVED,
    [FACT_PACKET_LOST] = TRACE_KIND_PACKET_LOST,
    [FACT_METRICS] = TRACE_KIND_METRICS,
    [FACT_STREAM_DATA] = TRACE_KIND_STREAM_DATA,
    [FACT_STREAM_OPENED] = TRACE_KIND_STREAM_OPENED,
    [FACT_STREAM_CLOSED] = TRACE_KIND_STREAM_CLOSED,
    [FACT_CONN_CLOSED] = TRACE_KIND_CONN_CLOSED,
    [FACT_APP_START] = TRACE_KIND_APP_START,
    [FACT_APP_END] = TRACE_KIND_APP_END,
    [FACT_EVENTS_LOST] = TRACE_KIND_EVENTS_LOST,
    [FACT_CONN_INIT] = TRACE_KIND_CONN_INIT,
    [FACT_CONN_ESTABLISHED] = TRACE_KIND_CONN_ESTABLISHED,
    [FACT_APP_COMMAND] = TRACE_KIND_APP_COMMAND,
    [FACT_CUSTOM] = TRACE_KIND_CUSTOM,
    [FACT_MESSAGE_SENT] = TRACE_KIND_MESSAGE_SENT,
    [FACT_MESSAGE_RECEIVED] = TRACE_KIND_MESSAGE_RECEIVED,
    [FACT_LINK] = TRACE_KIND_LINK,
};

const char *fact_kind_name(enum fact_kind kind) { return kind < FACT_OTHER ? trace_kind_info(kinds[kind])->name : "other"; }

/* ---- one event ---- */

static uint64_t span_of(const json_t *data, const char *key) {
    const char *digits = json_get_hex(data, key, SPAN_DIGITS);
    return digits ? strtoull(digits, NULL, 16) : 0;
}

static int read_command(struct facts *facts, struct fact *fact, const json_t *event) {
    struct strbuf name = {0};
    event_request(&name, event, json_object_get(event, "data"));
    int result = name.failed ? -ENOMEM : intern_number(&facts->commands, strbuf_text(&name), &fact->command);
    strbuf_fini(&name);
    return result;
}

/* Escapes a text of the data, as for commands: a node wrote it. */
static int read_text(struct facts *facts, struct fact *fact, const json_t *data, const char *key) {
    struct strbuf harmless = {0};
    const char *text = json_get_text(data, key);
    if (!text || !*text) return 0;
    text_untrusted(&harmless, text, strlen(text), CELL_COLUMNS_MAX);
    int result = harmless.failed ? -ENOMEM : intern_number(&facts->commands, strbuf_text(&harmless), &fact->command);
    strbuf_fini(&harmless);
    return result;
}

/* Every path carries packets of 1200 bytes (RFC 9000, 14). */
static void read_metrics(struct fact *fact, const json_t *data) {
    uint64_t window = json_get_count(data, "cwnd"), in_flight = json_get_count(data, "in_flight");
    fact->rtt_ns = json_get_count(data, "rtt");
    fact->window = window > 0;
    fact->full = window < 1200 || in_flight > window - 1200;
}

static int read_data(struct facts *facts, struct fact *fact, const json_t *event) {
    const json_t *data = json_object_get(event, "data");
    struct packet packet;
    switch ((enum fact_kind)fact->kind) {
    case FACT_PACKET_SENT:
    case FACT_PACKET_RECEIVED:
    case FACT_PACKET_LOST:
    case FACT_MESSAGE_SENT:
    case FACT_MESSAGE_RECEIVED:
        /* An MTU probe carries nothing, and losing it does not count as a loss. */
        if (event_has_flag(event, "probe") || !packet_read(&packet, event)) {
            fact->kind = FACT_OTHER;
            return 0;
        }
        fact->number = packet.number;
        fact->bytes = packet.bytes;
        fact->space = packet.space;
        fact->again = event_has_flag(event, "retransmission");
        return fact_is_message(fact) ? read_text(facts, fact, data, "type") : 0;
    case FACT_METRICS: read_metrics(fact, data); return 0;
    case FACT_STREAM_DATA:
        fact->stream_id = json_get_count(data, "stream_id");
        fact->bytes = json_get_count(data, "length");
        fact->sent = json_get_bool(data, "sent");
        fact->fin = json_get_bool(data, "fin");
        return 0;
    case FACT_STREAM_OPENED: fact->stream_id = json_get_count(data, "stream_id"); return 0;
    case FACT_STREAM_CLOSED:
        fact->stream_id = json_get_count(data, "stream_id");
        fact->code = json_get_count(data, "code");
        return 0;
    case FACT_CONN_CLOSED:
        fact->code = json_get_count(data, "code");
        fact->by_peer = json_get_bool(data, "by_remote");
        return read_text(facts, fact, data, "reason");
    case FACT_APP_START: fact->parent_id = span_of(data, "parent_id"); /* fall through */
    case FACT_APP_END:
        fact->span_id = span_of(data, "span_id");
        fact->ok = json_get_bool(data, "ok");
        fact->expired = !fact->ok && event_has_flag(event, "expired");
        return read_command(facts, fact, event);
    case FACT_LINK:
        fact->span_id = span_of(data, "span_id");
        fact->parent_id = span_of(data, "linked_span_id");
        return intern_number(&facts->traces, json_get_hex(data, "linked_trace_id", TRACE_DIGITS), &fact->command);
    case FACT_EVENTS_LOST: fact->missing = json_get_count(data, "count"); return 0;
    default: return 0;
    }
}

int fact_read(struct facts *facts, struct fact *ret_fact, const json_t *event) {
    uint16_t kind = json_get_kind(event);
    unsigned number = 0;
    while (number < FACT_OTHER && kinds[number] != kind) number++;
    struct fact fact = {.kind = (uint8_t)number,
                        .command = NO_NUMBER,
                        .sequence = (uint32_t)json_get_count(event, "sequence"),
                        .lane = (uint16_t)json_get_count(event, "lane")};
    json_get_time(event, &fact.time_ns);
    const json_t *lead = json_object_get(event, "clock_lead"); /* if known, steps have been corrected, too (docs/clocks.md) */
    if (!json_is_integer(json_object_get(lead, "lead"))) fact.clock_steps = (uint8_t)json_get_count(event, "clock_steps");
    if (intern_number(&facts->nodes, json_get_hex(event, "node_id", NODE_DIGITS), &fact.node) ||
        intern_number(&facts->nodes, json_get_hex(event, "peer_id", NODE_DIGITS), &fact.peer) ||
        intern_number(&facts->traces, json_get_hex(event, "trace_id", TRACE_DIGITS), &fact.trace) ||
        node_clocks_read(&facts->clocks, fact.node, event) || read_data(facts, &fact, event))
        return -ENOMEM;
    *ret_fact = fact;
    return 0;
}

int facts_reserve(struct facts *facts, size_t count) {
    if (count <= facts->capacity) return 0;
    size_t capacity = count > 2 * facts->capacity ? count : 2 * facts->capacity;
    struct fact *items = realloc(facts->items, capacity * sizeof *items);
    if (!items) return -ENOMEM;
    facts->items = items;
    facts->capacity = capacity;
    return 0;
}

int facts_add(struct facts *facts, const json_t *events) {
    size_t i;
    const json_t *event;
    struct fact fact;
    if (facts_reserve(facts, facts->count + json_array_size(events))) return -ENOMEM;
    json_array_foreach(events, i, event) {
        if (!json_object_get(event, "kind") || !json_get_time(event, &(uint64_t){0})) continue;
        if (fact_read(facts, &fact, event)) return -ENOMEM;
        if (fact.node != NO_NUMBER) facts->items[facts->count++] = fact;
    }
    return 0;
}

/* ---- counts ---- */

int facts_count(struct facts *facts, const json_t *answer, bool only_known) {
    size_t i;
    const json_t *row, *rows = json_get_array(answer, "rows");
    struct fact_count *counted = calloc(intern_count(&facts->nodes) + json_array_size(rows) + 1, sizeof *counted);
    if (!counted) return -ENOMEM;
    json_array_foreach(rows, i, row) {
        const char *node_id = json_get_hex(json_object_get(row, "group"), "node", NODE_DIGITS);
        const json_t *value = json_object_get(row, "value");
        unsigned node = intern_find(&facts->nodes, node_id);
        uint64_t missing = 0, all = json_get_count(row, "count"), gaps = json_get_count(value, "count");
        if (!node_id || (gaps && !json_get_unsigned(value, "sum", &missing)) || (node == NO_NUMBER && only_known)) continue;
        if (node == NO_NUMBER && intern_number(&facts->nodes, node_id, &node)) {
            free(counted);
            return -ENOMEM;
        }
        counted[node] = (struct fact_count){.events = all - gaps, .missing = missing};
    }
    free(facts->counted);
    facts->counted = counted;
    facts->counted_nodes = intern_count(&facts->nodes);
    return 0;
}

/* ---- times ---- */

static unsigned machine_of(const struct facts *facts, unsigned node) {
    const struct node_clock *clock = node_clocks_at(&facts->clocks, node);
    return clock ? clock->machine : NO_NUMBER;
}

static int compare_sequences(const void *left, const void *right) {
    const struct fact *a = *(const struct fact *const *)left, *b = *(const struct fact *const *)right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->lane != b->lane) return a->lane < b->lane ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* Do the numbers of the lines follow the order in which each lane emitted its events?  Returns 1, 0 or -ENOMEM. */
static int lines_are_in_order(const struct facts *facts) {
    const struct fact **order = calloc(facts->count + 1, sizeof *order);
    int answer = 1;
    size_t count = 0;
    if (!order) return -ENOMEM;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].kind != FACT_EVENTS_LOST) order[count++] = &facts->items[i];
    qsort(order, count, sizeof *order, compare_sequences);
    for (size_t i = 1; i < count && answer; i++)
        if (order[i]->node == order[i - 1]->node && order[i]->lane == order[i - 1]->lane)
            answer = !trace_clock_steps_before(order[i]->clock_steps, order[i - 1]->clock_steps);
    free(order);
    return answer;
}

static int compare_facts(const void *left, const void *right) {
    const struct fact *a = left, *b = right;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->lane != b->lane) return a->lane < b->lane ? -1 : 1;
    return (int32_t)(a->sequence - b->sequence) < 0 ? -1 : a->sequence != b->sequence;
}

/* A seam wherever the line changes, of facts in the order of Unix time. */
static int cut_lines(struct facts *facts) {
    for (size_t i = 1; i < facts->count; i++) {
        const struct fact *before = &facts->items[i - 1], *fact = &facts->items[i];
        const struct clock_seam seam = {.from_ns = before->time_ns,
                                        .to_ns = fact->time_ns,
                                        .machine = machine_of(facts, fact->node),
                                        .before = before->clock_steps,
                                        .after = fact->clock_steps};
        if (fact->clock_steps != before->clock_steps && clock_lines_cut(&facts->lines, seam)) return -ENOMEM;
    }
    return 0;
}

static int find_lines(struct facts *facts) {
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (clock_lines_see(&facts->lines, machine_of(facts, fact->node), fact->clock_steps, fact->time_ns)) return -ENOMEM;
    }
    bool stepped = false;
    for (size_t i = 1; i < facts->count && !stepped; i++) stepped = facts->items[i].clock_steps != facts->items[0].clock_steps;
    if (!stepped) return 0;
    int in_order = lines_are_in_order(facts);
    if (in_order <= 0) return in_order ? in_order : cut_lines(facts);
    if (clock_lines_join(&facts->lines)) return -ENOMEM;
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *fact = &facts->items[i];
        fact->time_ns = clock_lines_time(&facts->lines, machine_of(facts, fact->node), fact->clock_steps, fact->time_ns);
    }
    return 0;
}

uint64_t facts_line_begin(const struct facts *facts, uint64_t time_ns) {
    const struct clock_lines *lines = &facts->lines;
    const struct clock_seam *next = clock_lines_seam(lines, time_ns);
    size_t before = next ? (size_t)(next - lines->seams) : lines->seam_count;
    return before ? lines->seams[before - 1].to_ns : 0;
}

uint64_t fact_unix(const struct facts *facts, const struct fact *fact) { return facts_unix(facts, fact->node, fact->time_ns); }

uint64_t facts_unix(const struct facts *facts, unsigned node, uint64_t time_ns) {
    return clock_lines_unix(&facts->lines, machine_of(facts, node), time_ns);
}

uint64_t facts_now(const struct facts *facts, uint64_t unix_ns) {
    const struct clock_lines *lines = &facts->lines;
    return unix_ns + (lines->count ? lines->items[lines->count - 1].shift_ns : 0);
}

/* The first of sorted facts at or after a time. */
static size_t first_from(const struct fact *items, size_t count, uint64_t time_ns) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (items[middle].time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool facts_has(const struct facts *facts, unsigned node) { return node < facts->has_count && facts->has[node]; }

/* Did a node receive a message that was sent to another? */
static bool was_got_by_other(const struct facts *facts, const struct fact *sent) {
    for (size_t i = facts_first(facts, sent->time_ns); i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_MESSAGE_RECEIVED && fact->peer == sent->node && fact->number == sent->number &&
            fact->space == sent->space && fact->trace == sent->trace && fact->command == sent->command)
            return true;
    }
    return false;
}

bool facts_got_by_other(const struct facts *facts, unsigned node) {
    if (facts_has(facts, node)) return false;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_MESSAGE_SENT && fact->peer == node && fact->trace != NO_NUMBER)
            return was_got_by_other(facts, fact);
    }
    return false;
}

static int find_nodes(struct facts *facts) {
    unsigned count = intern_count(&facts->nodes);
    free(facts->has);
    facts->has_count = 0;
    facts->has = calloc((size_t)count + 1, sizeof *facts->has);
    if (!facts->has) return -ENOMEM;
    facts->has_count = count;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].node < count && facts->items[i].kind != FACT_EVENTS_LOST) facts->has[facts->items[i].node] = true;
    return 0;
}

size_t facts_first(const struct facts *facts, uint64_t time_ns) { return first_from(facts->items, facts->count, time_ns); }

/* The newest of the first `count` facts that is of that node's lane; NULL if none is. */
static const struct fact *last_of(const struct fact *items, size_t count, unsigned node, unsigned lane) {
    while (count-- > 0)
        if (items[count].node == node && items[count].lane == lane && items[count].kind != FACT_EVENTS_LOST) return &items[count];
    return NULL;
}

const struct fact *facts_last_of(const struct facts *facts, unsigned node, unsigned lane, uint64_t before_ns) {
    const struct fact *fact = last_of(facts->items, facts_first(facts, before_ns), node, lane),
                      *beside = last_of(facts->beside, first_from(facts->beside, facts->beside_count, before_ns), node, lane);
    return !fact || (beside && beside->time_ns > fact->time_ns) ? beside : fact;
}

struct fact_walk facts_walk(const struct facts *facts, uint64_t from_ns, uint64_t to_ns) {
    return (struct fact_walk){.facts = facts,
                              .next = first_from(facts->items, facts->count, from_ns),
                              .next_beside = first_from(facts->beside, facts->beside_count, from_ns),
                              .to_ns = to_ns};
}

const struct fact *fact_walk_next(struct fact_walk *walk) {
    const struct facts *facts = walk->facts;
    const struct fact *fact = walk->next < facts->count ? &facts->items[walk->next] : NULL,
                      *beside = walk->next_beside < facts->beside_count ? &facts->beside[walk->next_beside] : NULL;
    bool is_beside = beside && (!fact || beside->time_ns < fact->time_ns);
    if (is_beside) fact = beside;
    if (!fact || fact->time_ns >= walk->to_ns) return NULL;
    *(is_beside ? &walk->next_beside : &walk->next) += 1;
    return fact;
}

/* ---- gaps ---- */

static int compare_gaps(const void *left, const void *right) {
    const struct fact_gap *a = left, *b = right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

/* Lanes lose events at the same time: makes one gap of those of a node that overlap.  Returns how many are left. */
static size_t join_gaps(struct fact_gap *gaps, size_t count) {
    size_t joined = 0;
    for (size_t i = 0; i < count; i++) {
        struct fact_gap *last = joined ? &gaps[joined - 1] : NULL;
        if (last && last->node == gaps[i].node && last->to_ns >= gaps[i].from_ns)
            last->to_ns = greatest(last->to_ns, gaps[i].to_ns);
        else
            gaps[joined++] = gaps[i];
    }
    return joined;
}

/* Of facts in time order. */
static int find_gaps(struct facts *facts) {
    size_t count = 0;
    for (size_t i = 0; i < facts->count; i++) count += facts->items[i].kind == FACT_EVENTS_LOST;
    free(facts->gaps);
    facts->gaps = calloc(count + 1, sizeof *facts->gaps);
    facts->gap_count = 0;
    /* When the last event of a lane was emitted; 0 if none is here. */
    uint64_t *last_ns = calloc((size_t)intern_count(&facts->nodes) * TRACE_LANES_MAX + 1, sizeof *last_ns);
    if (!facts->gaps || !last_ns) {
        free(last_ns);
        return -ENOMEM;
    }
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        bool is_lane = fact->lane < TRACE_LANES_MAX; /* otherwise another program wrote it: when the gap began is not known */
        uint64_t *before_ns = is_lane ? &last_ns[(size_t)fact->node * TRACE_LANES_MAX + fact->lane] : NULL;
        if (fact->kind == FACT_EVENTS_LOST)
            facts->gaps[facts->gap_count++] = (struct fact_gap){fact->node, before_ns ? *before_ns : 0, fact->time_ns};
        else if (before_ns)
            *before_ns = fact->time_ns;
    }
    free(last_ns);
    qsort(facts->gaps, facts->gap_count, sizeof *facts->gaps, compare_gaps);
    facts->gap_count = join_gaps(facts->gaps, facts->gap_count);
    return 0;
}

const struct fact_gap *facts_gap(const struct facts *facts, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    size_t low = 0, high = facts->gap_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct fact_gap *gap = &facts->gaps[middle];
        if (gap->node < node || (gap->node == node && gap->to_ns <= from_ns))
            low = middle + 1;
        else
            high = middle;
    }
    const struct fact_gap *gap = low < facts->gap_count ? &facts->gaps[low] : NULL;
    return gap && gap->node == node && gap->from_ns < to_ns ? gap : NULL;
}

/* ---- all facts ---- */

/* The texts of an intern by their numbers, borrowed from it; NULL when out of memory. */
static const char **list_texts(const struct intern *intern) {
    const char **texts = calloc(intern_count(intern) + 1, sizeof *texts);
    const char *text;
    json_t *number;
    if (!texts) return NULL;
    json_object_foreach(intern->numbers, text, number) texts[json_integer_value(number)] = text;
    return texts;
}

static void sort(struct facts *facts) {
    if (facts->count) qsort(facts->items, facts->count, sizeof *facts->items, compare_facts);
}

int facts_sort(struct facts *facts) {
    sort(facts);
    if (facts_index(facts)) return -ENOMEM;
    if (!facts_stepped(facts)) return 0;
    sort(facts);
    return find_gaps(facts);
}

/* Lists the names of what has a number; again, when more have one. */
static int list_names(struct facts *facts) {
    free(facts->node_ids);
    free(facts->trace_ids);
    free(facts->command_names);
    facts->node_ids = list_texts(&facts->nodes);
    facts->trace_ids = list_texts(&facts->traces);
    facts->command_names = list_texts(&facts->commands);
    return facts->node_ids && facts->trace_ids && facts->command_names && !node_clocks_index(&facts->clocks) ? 0 : -ENOMEM;
}

int facts_index(struct facts *facts) {
    return list_names(facts) || find_nodes(facts) || find_lines(facts) || find_gaps(facts) ? -ENOMEM : 0;
}

int facts_add_beside(struct facts *facts, const json_t *answer) {
    const json_t *events = json_get_array(answer, "events"), *event;
    size_t i;
    const json_t *looked = json_get_array(answer, "looked");
    unsigned trace = NO_NUMBER;
    facts->looked_from_ns = (uint64_t)json_integer_value(json_array_get(looked, 0)) * 1000;
    facts->looked_to_ns = (uint64_t)json_integer_value(json_array_get(looked, 1)) * 1000;
    for (size_t k = 0; k < facts->count && trace == NO_NUMBER; k++) trace = facts->items[k].trace;
    free(facts->beside);
    facts->beside_count = 0;
    facts->beside = calloc(json_array_size(events) + 1, sizeof *facts->beside);
    if (!facts->beside) return -ENOMEM;
    facts->beside_cut = json_get_text(answer, "cursor");
    json_array_foreach(events, i, event) {
        struct fact *fact = &facts->beside[facts->beside_count];
        if (!json_object_get(event, "kind") || !json_get_time(event, &(uint64_t){0})) continue;
        if (fact_read(facts, fact, event)) return -ENOMEM;
        if (fact->node == NO_NUMBER || fact->kind == FACT_EVENTS_LOST) continue;
        if (fact->trace == trace && trace != NO_NUMBER) continue;
        fact->time_ns = clock_lines_time(&facts->lines, machine_of(facts, fact->node), fact->clock_steps, fact->time_ns);
        facts->beside_count++;
    }
    if (facts->beside_count) qsort(facts->beside, facts->beside_count, sizeof *facts->beside, compare_facts);
    return list_names(facts);
}

bool facts_looked(const struct facts *facts, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    return facts->looked_from_ns <= facts_unix(facts, node, from_ns) && facts_unix(facts, node, to_ns) < facts->looked_to_ns;
}

void facts_fini(struct facts *facts) {
    free(facts->items);
    free(facts->beside);
    free(facts->counted);
    free(facts->gaps);
    free(facts->has);
    free(facts->node_ids);
    free(facts->trace_ids);
    free(facts->command_names);
    intern_fini(&facts->nodes);
    intern_fini(&facts->traces);
    intern_fini(&facts->commands);
    node_clocks_fini(&facts->clocks);
    clock_lines_fini(&facts->lines);
    *facts = (struct facts){0};
}

const char *facts_node(const struct facts *facts, unsigned node) { return node == NO_NUMBER ? NULL : facts->node_ids[node]; }
const char *facts_trace(const struct facts *facts, unsigned trace) { return trace == NO_NUMBER ? NULL : facts->trace_ids[trace]; }
const char *facts_command(const struct facts *facts, unsigned command) {
    return command == NO_NUMBER ? NULL : facts->command_names[command];
}
