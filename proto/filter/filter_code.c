/* SPDX-License-Identifier: MIT
 *
 * From nodes and tests to code (filter_internal.h), and to what an index can use.
 *
 * Code is generated backwards: the targets for true and for false are known before a test's instruction is made.  A test that the
 * kind decides needs no instruction, only one of the two targets; neither does a test with the same target either way. */
#include "filter_internal.h"

#include <errno.h>
#include <p2ptrace/shm.h>
#include <proto/event_json.h>
#include <stdlib.h>
#include <string.h>

/* The code of one kind, while it is generated. */
struct maker {
    struct filter_parser *parser;
    const struct trace_kind_info *kind; /* NULL: one that this version does not know */
    unsigned uses;
    uint16_t *known; /* instructions by hash, number + 1: what several kinds need is made once */
};

/* A power of two, above what there may be. */
#define KNOWN_SLOTS 131072
TRACE_STATIC_ASSERT_(FILTER_CODE_MAX < KNOWN_SLOTS / 2, "there is always an empty slot");

/* ---- what an instruction costs ------------------------------------------------------------------------------------------ */

/* A glob by its own length, however many `*` that is, and the longest text that it may be held against. */
static uint32_t glob_cost(const struct filter_value *value, size_t text_bytes) {
    return (uint32_t)(4 * text_bytes + value->bytes + 16);
}

/* As many values as there are, each held against the longest field; and the search for the field. */
static uint32_t app_data_cost(const struct trace_filter *filter, const struct filter_test *test) {
    uint32_t cost = 4 * TRACE_APP_FIELDS_MAX;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++)
        cost += test->glob ? glob_cost(&filter->values[i], 2 * TRACE_EVENT_DATA_BYTES) : 8;
    return cost;
}

static uint32_t cost_of(const struct trace_filter *filter, const struct filter_instruction *instruction) {
    const struct filter_value *value = filter->value_count ? &filter->values[instruction->value] : NULL;
    switch ((enum filter_op)instruction->op) {
    case OP_NODE_GLOB: return glob_cost(value, TRACE_NODE_NAME_BYTES) + glob_cost(value, 2 * TRACE_NODE_ID_BYTES);
    case OP_TEXT_GLOB: return glob_cost(value, instruction->low);
    case OP_HOST_GLOB: return glob_cost(value, FILTER_HOST_BYTES);
    case OP_HEX_GLOB:
    case OP_PAYLOAD_GLOB: return glob_cost(value, 2 * instruction->low);
    case OP_ID64_GLOB: return glob_cost(value, 16);
    case OP_ENDPOINT_GLOB: return glob_cost(value, TRACE_ENDPOINT_TEXT_MAX);
    case OP_APP_GLOB: return glob_cost(value, sizeof((struct trace_app *)0)->name) + glob_cost(value, 4);
    case OP_COMMAND_GLOB: return glob_cost(value, sizeof((struct trace_app_command_name *)0)->name) + TRACE_APP_COMMANDS_MAX;
    case OP_COMMAND:
    case OP_COMMAND_NULL: return TRACE_APP_COMMANDS_MAX;
    case OP_PAYLOAD: return (uint32_t)instruction->low;
    case OP_PEER: return value->alias_count ? 64 : 24;
    case OP_PEER_GLOB: return 2 * glob_cost(value, 2 * TRACE_NODE_ID_BYTES) + (value->alias_count ? 64 : 16);
    case OP_NODE: return value->alias_count ? 24 : 8;
    case OP_HOST:
    case OP_PREFIX:
    case OP_TEXT:
    case OP_ENDPOINT:
    case OP_APP: return 8;
    case OP_APP_DATA: return app_data_cost(filter, &filter->tests[instruction->low]);
    case OP_U8:
    case OP_U16:
    case OP_U32:
    case OP_U64:
    case OP_MASK:
    case OP_LANE:
    case OP_TRACE:
    case OP_HAS_HOST:
    case OP_NO_ENDPOINT: break;
    }
    return 1;
}

/* ---- making ------------------------------------------------------------------------------------------------------------- */

static bool is_same(const struct filter_instruction *a, const struct filter_instruction *b) {
    return a->op == b->op && a->offset == b->offset && a->on_true == b->on_true && a->on_false == b->on_false &&
           a->value == b->value && a->low == b->low && a->span == b->span;
}

/* The slot of an instruction, or the empty one where it belongs. */
static uint16_t *find_slot(const struct maker *maker, const struct filter_instruction *instruction) {
    const uint64_t parts[] = {instruction->op,    instruction->offset, instruction->on_true, instruction->on_false,
                              instruction->value, instruction->low,    instruction->span};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        hash = (hash ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
    uint16_t *slot = &maker->known[hash % KNOWN_SLOTS];
    while (*slot && !is_same(&maker->parser->filter->code[*slot - 1], instruction))
        slot = slot == &maker->known[KNOWN_SLOTS - 1] ? maker->known : slot + 1;
    return slot;
}

static uint16_t emit(struct maker *maker, struct filter_instruction instruction) {
    struct filter_parser *parser = maker->parser;
    struct trace_filter *filter = parser->filter;
    if (instruction.on_true == instruction.on_false) return instruction.on_true;
    if (parser->status) return FILTER_REJECT;
    uint16_t *slot = find_slot(maker, &instruction);
    if (*slot) return *slot - 1;
    if (filter->code_count == FILTER_CODE_MAX) {
        (void)filter__fail(parser, 0, parser->bytes, NULL, "too long a filter for its many kinds of events: make it simpler");
        return FILTER_REJECT;
    }
    struct filter_instruction *code =
        filter__grow(parser, filter->code, filter->code_count, &filter->code_capacity, sizeof *code);
    if (!code) return FILTER_REJECT;
    filter->code = code;
    instruction.cost = cost_of(filter, &instruction);
    code[filter->code_count] = instruction;
    *slot = (uint16_t)(filter->code_count + 1);
    return (uint16_t)filter->code_count++;
}

/* ---- where a field is --------------------------------------------------------------------------------------------------- */

#define DATA_OFFSET offsetof(struct trace_event, data)

static const struct trace_field_info *kind_field(const struct trace_kind_info *kind, const char *name) {
    for (unsigned i = 0; kind && i < kind->field_count; i++)
        if (!strcmp(kind->fields[i].name, name)) return &kind->fields[i];
    return NULL;
}

static uint8_t width_op(enum trace_type type) {
    switch (type) {
    case TRACE_TYPE_u16: return OP_U16;
    case TRACE_TYPE_u32: return OP_U32;
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: return OP_U64;
    default: return OP_U8;
    }
}

/* The instruction for one value of a field of the table. */
static struct filter_instruction data_instruction(const struct trace_field_info *info, const struct filter_test *test,
                                                  const struct filter_value *value) {
    struct filter_instruction instruction = {.offset = (uint16_t)(DATA_OFFSET + info->offset), .low = info->length};
    switch (info->type) {
    case TRACE_TYPE_endpoint: instruction.op = test->glob ? OP_ENDPOINT_GLOB : OP_ENDPOINT; return instruction;
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: instruction.op = test->glob ? OP_TEXT_GLOB : OP_TEXT; return instruction;
    case TRACE_TYPE_payload: instruction.op = test->glob ? OP_PAYLOAD_GLOB : OP_PAYLOAD; return instruction;
    default: break;
    }
    instruction.op = info->type == TRACE_TYPE_id64 && test->glob ? OP_ID64_GLOB : width_op(info->type);
    instruction.low = value->low;
    instruction.span = value->span;
    return instruction;
}

/* ---- tests -------------------------------------------------------------------------------------------------------------- */

/* What the event's kind decides: 1, 0, or -1 if the event has to be tested. */
static int known(const struct maker *maker, const struct filter_test *test, const struct filter_value *value) {
    if (value->never) return 0;
    switch (test->field.class) {
    case FIELD_KIND: return maker->kind ? value->low == maker->kind->id : value->low == 0;
    case FIELD_KIND_ID: return maker->kind ? filter__in_range(value, maker->kind->id) : -1;
    case FIELD_PEER: /* a name that no node has yet is not a peer's name, either */
        return test->glob || value->is_named || value->prefix.digits || value->alias_count ? -1 : 0;
    default: return -1;
    }
}

static struct filter_instruction number(uint8_t op, size_t offset, const struct filter_value *value) {
    return (struct filter_instruction){.op = op, .offset = (uint16_t)offset, .low = value->low, .span = value->span};
}

static struct filter_instruction node_instruction(const struct filter_test *test) {
    if (test->field.class == FIELD_NODE) return (struct filter_instruction){.op = test->glob ? OP_NODE_GLOB : OP_NODE};
    return (struct filter_instruction){.op = test->glob ? OP_PEER_GLOB : OP_PEER};
}

static struct filter_instruction instruction_of(struct maker *maker, const struct filter_test *test,
                                                const struct filter_value *value) {
    const struct trace_field_info *app_id = kind_field(maker->kind, "app_id"), *cmd = kind_field(maker->kind, "cmd");
    struct filter_instruction instruction = {0};
    switch (test->field.class) {
    case FIELD_DATA: return data_instruction(kind_field(maker->kind, test->field.info->name), test, value);
    case FIELD_TIME: return number(OP_U64, offsetof(struct trace_event, timestamp), value);
    case FIELD_KIND_ID: return number(OP_U16, offsetof(struct trace_event, kind), value);
    case FIELD_SEQUENCE: return number(OP_U32, offsetof(struct trace_event, sequence), value);
    case FIELD_LANE: maker->uses |= TRACE_FILTER_USES_LANE; return number(OP_LANE, 0, value);
    case FIELD_FLAGS: return number(OP_MASK, offsetof(struct trace_event, flags), value);
    case FIELD_NODE: maker->uses |= TRACE_FILTER_USES_NODE; return node_instruction(test);
    case FIELD_PEER: /* what an alias means depends on the node that said so */
        maker->uses |= TRACE_FILTER_USES_PEER;
        if (value->alias_count) maker->uses |= TRACE_FILTER_USES_NODE;
        return node_instruction(test);
    case FIELD_HOST:
        maker->uses |= TRACE_FILTER_USES_NODE;
        instruction.op = test->glob ? OP_HOST_GLOB : OP_HOST;
        return instruction;
    case FIELD_TRACE:
        instruction.op = test->glob ? OP_HEX_GLOB : OP_PREFIX;
        instruction.offset = offsetof(struct trace_event, trace_id);
        instruction.low = TRACE_ID_BYTES;
        return instruction;
    case FIELD_APP:
        maker->uses |= TRACE_FILTER_USES_APP;
        instruction.op = test->glob ? OP_APP_GLOB : OP_APP;
        instruction.offset = (uint16_t)(DATA_OFFSET + app_id->offset);
        return instruction;
    case FIELD_COMMAND:
        maker->uses |= TRACE_FILTER_USES_APP;
        instruction.op = value->is_null ? OP_COMMAND_NULL : test->glob ? OP_COMMAND_GLOB : OP_COMMAND;
        instruction.offset = (uint16_t)(DATA_OFFSET + cmd->offset);
        instruction.low = DATA_OFFSET + app_id->offset;
        return instruction;
    case FIELD_KIND:
    case FIELD_APP_DATA:
    case FIELD_SUMMARY: break;
    }
    return instruction;
}

/* Does every event of this kind have the field, unless the event itself decides? */
static bool kind_has(const struct maker *maker, const struct filter_field *field) {
    const struct trace_kind_info *kind = maker->kind;
    switch (field->class) {
    case FIELD_DATA: return kind && (!field->kind || field->kind == kind->id) && kind_field(kind, field->info->name);
    case FIELD_APP:
    case FIELD_COMMAND: return kind_field(kind, "app_id") && kind_field(kind, "cmd");
    case FIELD_APP_DATA: return kind && kind->id == TRACE_KIND_APP_COMMAND;
    default: return true;
    }
}

static uint16_t make_value(struct maker *maker, const struct filter_test *test, uint32_t index, uint16_t yes, uint16_t no) {
    const struct filter_value *value = &maker->parser->filter->values[index];
    int answer = known(maker, test, value);
    if (answer >= 0) return answer ? yes : no;
    struct filter_instruction instruction = instruction_of(maker, test, value);
    instruction.value = index;
    instruction.on_true = yes;
    instruction.on_false = no;
    return emit(maker, instruction);
}

/* `null` matches a missing value; any other value needs one that is present. */
static uint16_t make_presence(struct maker *maker, const struct filter_test *test, uint16_t absent, uint16_t present) {
    switch (test->field.class) {
    case FIELD_PEER:
        return emit(maker, (struct filter_instruction){.op = OP_MASK,
                                                       .offset = offsetof(struct trace_event, flags),
                                                       .low = TRACE_FLAG_HAS_PEER,
                                                       .on_true = present,
                                                       .on_false = absent});
    case FIELD_TRACE: return emit(maker, (struct filter_instruction){.op = OP_TRACE, .on_true = present, .on_false = absent});
    case FIELD_HOST:
        maker->uses |= TRACE_FILTER_USES_NODE;
        return emit(maker, (struct filter_instruction){.op = OP_HAS_HOST, .on_true = present, .on_false = absent});
    case FIELD_DATA:
        if (test->field.type != FILTER_ENDPOINT) return present;
        struct filter_instruction none = {.op = OP_NO_ENDPOINT, .on_true = absent, .on_false = present};
        none.offset = (uint16_t)(DATA_OFFSET + kind_field(maker->kind, test->field.info->name)->offset);
        return emit(maker, none);
    default: return present;
    }
}

static uint16_t make_test(struct maker *maker, uint32_t number, uint16_t yes, uint16_t no) {
    const struct trace_filter *filter = maker->parser->filter;
    const struct filter_test *test = &filter->tests[number];
    uint16_t hit = test->negated ? no : yes, miss = test->negated ? yes : no;
    bool null = false;
    if (!kind_has(maker, &test->field)) return no;
    if (test->field.class == FIELD_APP_DATA) {
        maker->uses |= TRACE_FILTER_USES_APP;
        return emit(maker, (struct filter_instruction){.op = OP_APP_DATA, .low = number, .on_true = yes, .on_false = no});
    }
    for (uint32_t i = test->value_first + test->value_count; i-- > test->value_first;) {
        if (filter->values[i].is_null && test->field.class != FIELD_COMMAND)
            null = true;
        else
            miss = make_value(maker, test, i, hit, miss);
    }
    /* A missing value equals only null, and `!=` is never true for it: `peer != null` is the one negation that tests for it. */
    return make_presence(maker, test, null && !test->negated ? yes : no, miss);
}

static uint16_t make(struct maker *maker, uint16_t node, uint16_t yes, uint16_t no) {
    const struct filter_node *at = &maker->parser->filter->nodes[node];
    switch ((enum filter_node_type)at->type) {
    case NODE_AND: return make(maker, at->left, make(maker, at->right, yes, no), no);
    case NODE_OR: return make(maker, at->left, yes, make(maker, at->right, yes, no));
    case NODE_NOT: return make(maker, at->left, no, yes);
    case NODE_TEST: return make_test(maker, at->test, yes, no);
    case NODE_SUB: break;
    }
    return FILTER_REJECT;
}

int filter__make_code(struct filter_parser *parser) {
    struct trace_filter *filter = parser->filter;
    uint16_t *known = calloc(KNOWN_SLOTS, sizeof *known);
    if (!known) return parser->status = -ENOMEM;
    for (unsigned s = 0; s < filter->sub_count && !parser->status; s++) {
        struct filter_sub *sub = &filter->subs[s];
        struct maker maker = {.parser = parser, .known = known};
        uint16_t unknown = make(&maker, sub->root, FILTER_ACCEPT, FILTER_REJECT);
        for (unsigned k = 0; k < FILTER_KINDS; k++) {
            maker.kind = k < FILTER_KINDS - 1 ? trace_kind_info((uint16_t)k) : NULL;
            sub->entry[k] = maker.kind ? make(&maker, sub->root, FILTER_ACCEPT, FILTER_REJECT) : unknown;
        }
        filter->uses |= maker.uses;
    }
    free(known);
    return parser->status;
}

/* ---- what an index can use ---------------------------------------------------------------------------------------------- */

struct times {
    uint64_t min_ns, max_ns;
};

static struct times all_times(void) { return (struct times){0, UINT64_MAX}; }
static bool no_times(struct times times) { return times.min_ns > times.max_ns; }

static struct times both(struct times a, struct times b) {
    return (struct times){a.min_ns > b.min_ns ? a.min_ns : b.min_ns, a.max_ns < b.max_ns ? a.max_ns : b.max_ns};
}

/* The smallest range that contains both. */
static struct times either(struct times a, struct times b) {
    if (no_times(a)) return b;
    if (no_times(b)) return a;
    return (struct times){a.min_ns < b.min_ns ? a.min_ns : b.min_ns, a.max_ns > b.max_ns ? a.max_ns : b.max_ns};
}

/* When can the test be true?  wanted false: when can it be false? */
static struct times test_times(const struct trace_filter *filter, const struct filter_test *test, bool wanted) {
    struct times times = {1, 0};
    if (test->field.class != FIELD_TIME) return all_times();
    bool inside = wanted != test->negated;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++) {
        const struct filter_value *value = &filter->values[i];
        uint64_t high = value->low + value->span;
        if (inside && !value->never) times = either(times, (struct times){value->low, high});
        if (inside) continue;
        if (value->never || (value->low && high != UINT64_MAX)) return all_times();
        if (value->low) return (struct times){0, value->low - 1};
        return high == UINT64_MAX ? times : (struct times){high + 1, UINT64_MAX};
    }
    return times;
}

static struct times node_times(const struct trace_filter *filter, uint16_t node, bool wanted) {
    const struct filter_node *at = &filter->nodes[node];
    switch ((enum filter_node_type)at->type) {
    case NODE_TEST: return test_times(filter, &filter->tests[at->test], wanted);
    case NODE_NOT: return node_times(filter, at->left, !wanted);
    case NODE_AND:
    case NODE_OR: {
        struct times left = node_times(filter, at->left, wanted), right = node_times(filter, at->right, wanted);
        return (at->type == NODE_AND) == wanted ? both(left, right) : either(left, right);
    }
    case NODE_SUB: break;
    }
    return all_times();
}

/* The value of a test that asks whether an id is this one. */
static const struct filter_value *one_id(const struct trace_filter *filter, const struct filter_test *test) {
    const struct filter_value *value = &filter->values[test->value_first];
    if (test->negated || test->glob || test->value_count != 1 || value->is_null) return NULL;
    return value->is_named || value->prefix.digits || value->alias_count ? value : NULL;
}

/* Such a value for every match: of a test below nothing but `and`; of several, the one with most digits. */
static const struct filter_value *node_id(const struct trace_filter *filter, uint16_t node, enum filter_field_class class) {
    const struct filter_node *at = &filter->nodes[node];
    if (at->type == NODE_TEST)
        return filter->tests[at->test].field.class == class ? one_id(filter, &filter->tests[at->test]) : NULL;
    if (at->type != NODE_AND) return NULL;
    const struct filter_value *left = node_id(filter, at->left, class), *right = node_id(filter, at->right, class);
    return !left || (right && right->prefix.digits > left->prefix.digits) ? right : left;
}

void trace_filter_bounds(const struct trace_filter *filter, struct trace_filter_bounds *ret_bounds) {
    struct trace_filter_bounds bounds = {.kinds = ~UINT64_C(0), .max_ns = UINT64_MAX};
    if (filter->mode == TRACE_FILTER_EVENTS) {
        struct times times = node_times(filter, filter->root, true);
        bounds.min_ns = times.min_ns;
        bounds.max_ns = times.max_ns;
        for (unsigned k = 0; k < FILTER_KINDS; k++)
            if (filter->subs[0].entry[k] == FILTER_REJECT) bounds.kinds &= ~(UINT64_C(1) << k);
        const struct filter_value *trace = node_id(filter, filter->root, FIELD_TRACE);
        if (trace) bounds.trace = trace->prefix;
    }
    *ret_bounds = bounds;
}

bool trace_filter_peers(const struct trace_filter *filter, struct trace_id_prefix *ret_prefix, struct trace_node_id *list,
                        size_t max, size_t *ret_count) {
    const struct filter_value *value = filter->mode == TRACE_FILTER_EVENTS ? node_id(filter, filter->root, FIELD_PEER) : NULL;
    size_t count = 0;
    if (!value) return false;
    *ret_prefix = value->is_named ? (struct trace_id_prefix){0} : value->prefix;
    for (uint32_t i = 0; i < value->id_count; i++, count++)
        if (count < max) list[count] = filter->ids[value->id_first + i];
    for (uint32_t i = 0; i < value->alias_count; i++, count++)
        if (count < max) list[count] = filter->aliases[value->alias_first + i].peer_id;
    *ret_count = count;
    return true;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------- */

enum answer { ANSWER_NO, ANSWER_MAYBE, ANSWER_YES };

static enum answer test_node(const struct trace_filter *filter, const struct filter_test *test,
                             const struct trace_node_id *node_id, const char *name) {
    if (test->field.class != FIELD_NODE) return ANSWER_MAYBE;
    bool fits = false;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count && !fits; i++)
        fits = filter__node_fits(filter, test, &filter->values[i], node_id, name);
    return fits != test->negated ? ANSWER_YES : ANSWER_NO;
}

/* What the node alone decides. */
static enum answer ask_node(const struct trace_filter *filter, uint16_t node, const struct trace_node_id *node_id,
                            const char *name) {
    const struct filter_node *at = &filter->nodes[node];
    switch ((enum filter_node_type)at->type) {
    case NODE_TEST: return test_node(filter, &filter->tests[at->test], node_id, name);
    case NODE_NOT: return ANSWER_YES - ask_node(filter, at->left, node_id, name);
    case NODE_AND:
    case NODE_OR: {
        enum answer left = ask_node(filter, at->left, node_id, name), right = ask_node(filter, at->right, node_id, name);
        return (left < right) == (at->type == NODE_AND) ? left : right;
    }
    case NODE_SUB: break;
    }
    return ANSWER_MAYBE;
}

bool trace_filter_allows_node(const struct trace_filter *filter, const struct trace_node_id *node_id, const char *name) {
    return ask_node(filter, filter->root, node_id, name) != ANSWER_NO;
}

/* Can a test of nodes decide alone, below nothing but `and`s, or in every branch of an `or` or a `not`?  Then some node may be
 * excluded. */
static bool limits_nodes(const struct trace_filter *filter, uint16_t node, bool wanted) {
    const struct filter_node *at = &filter->nodes[node];
    switch ((enum filter_node_type)at->type) {
    case NODE_TEST: return filter->tests[at->test].field.class == FIELD_NODE;
    case NODE_NOT: return limits_nodes(filter, at->left, !wanted);
    case NODE_AND:
    case NODE_OR: {
        bool left = limits_nodes(filter, at->left, wanted), right = limits_nodes(filter, at->right, wanted);
        return (at->type == NODE_AND) == wanted ? left || right : left && right;
    }
    case NODE_SUB: break;
    }
    return false;
}

bool trace_filter_limits_nodes(const struct trace_filter *filter) { return limits_nodes(filter, filter->root, true); }
