/* SPDX-License-Identifier: MIT
 *
 * The filter engine's grammar (docs/filter.md, "Grammar"), by recursive descent: one function for each rule.  Recursion is
 * bounded by TRACE_FILTER_DEPTH_MAX here; later steps, for which chains of `and` and `or` are deep, too, by
 * TRACE_FILTER_NODES_MAX. */
#include "filter_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_or(struct filter_parser *parser);
static int parse_unary(struct filter_parser *parser);

static bool is_word(const struct filter_token *token, const char *word) {
    return token->type == TOKEN_WORD && !strcmp(token->text, word);
}

static bool is_name(const struct filter_token *token) { return token->type == TOKEN_WORD || token->type == TOKEN_STRING; }

static const char *shown(const struct filter_token *token) {
    switch (token->type) {
    case TOKEN_END: return "the end";
    case TOKEN_OPEN: return "\"(\"";
    case TOKEN_CLOSE: return "\")\"";
    case TOKEN_OPEN_SET: return "\"{\"";
    case TOKEN_CLOSE_SET: return "\"}\"";
    case TOKEN_COMMA: return "\",\"";
    case TOKEN_RANGE: return "\"..\"";
    case TOKEN_COMPARE: return "a comparison";
    case TOKEN_WORD:
    case TOKEN_STRING: return token->text;
    }
    return "";
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------- */

/* Returns the new node's number, or a negative error. */
static int add_node(struct filter_parser *parser, struct filter_node node) {
    struct trace_filter *filter = parser->filter;
    if (filter->node_count == TRACE_FILTER_NODES_MAX)
        return filter__fail_token(parser, &parser->token, NULL, "more than %d tests and operators", TRACE_FILTER_NODES_MAX);
    filter->nodes[filter->node_count] = node;
    return (int)filter->node_count++;
}

static int add_test(struct filter_parser *parser, const struct filter_test *test) {
    struct trace_filter *filter = parser->filter;
    struct filter_test *tests = filter__grow(parser, filter->tests, filter->test_count, &filter->test_capacity, sizeof *tests);
    if (!tests) return -ENOMEM;
    filter->tests = tests;
    tests[filter->test_count] = *test;
    return add_node(parser, (struct filter_node){.type = NODE_TEST, .test = filter->test_count++});
}

/* ---- values ------------------------------------------------------------------------------------------------------------- */

static bool has_order(const struct filter_field *field) {
    return field->type == FILTER_NUMBER || field->type == FILTER_TIME || field->type == FILTER_APP_DATA;
}

static bool has_text(const struct filter_field *field) {
    return field->type != FILTER_NUMBER && field->type != FILTER_TIME && field->type != FILTER_BOOL;
}

/* Can the field be compared this way? */
static int check_compare(struct filter_parser *parser, const struct filter_token *operator, const struct filter_test * test) {
    const struct filter_field *field = &test->field;
    if (test->ordered && !has_order(field))
        return filter__fail_token(parser, operator, NULL, "%.60s has no order: use ==, !=, in%s", field->word,
                                  has_text(field) ? " or ~" : "");
    if (test->glob && !has_text(field))
        return filter__fail_token(parser, operator, NULL, "~ compares text, but %.60s is not text: use ==, !=, in%s", field->word,
                                  has_order(field) ? ", or < <= > >=" : "");
    return 0;
}

static int take_value(struct filter_parser *parser, const struct filter_test *test) {
    struct filter_token token = parser->token;
    if (!is_name(&token))
        return filter__fail_token(parser, &token, NULL, "a value for %.60s is missing before %s", test->field.word,
                                  shown(&token));
    if (filter__add_value(parser, test, &token)) return parser->status;
    return filter__next(parser);
}

/* value [ ".." value ], inside a set. */
static int take_item(struct filter_parser *parser, struct filter_test *test) {
    struct trace_filter *filter = parser->filter;
    struct filter_token first = parser->token;
    if (take_value(parser, test)) return parser->status;
    if (parser->token.type != TOKEN_RANGE) return 0;
    if (!has_order(&test->field))
        return filter__fail_token(parser, &parser->token, NULL, "%.60s has no order, and therefore no ranges", test->field.word);
    test->ordered = true;
    if (filter__next(parser) || take_value(parser, test)) return parser->status;
    struct filter_value *low = &filter->values[filter->value_count - 2], *high = low + 1;
    if (!low->has_number || !high->has_number)
        return filter__fail_token(parser, &first, NULL, "a range needs a number at each end");
    if (high->low < low->low) return filter__fail_token(parser, &first, NULL, "this range ends before it begins");
    low->span = high->low + high->span - low->low;
    filter->value_count--;
    return 0;
}

/* "{" item { "," item } "}" */
static int take_set(struct filter_parser *parser, struct filter_test *test) {
    struct filter_token open = parser->token;
    if (open.type != TOKEN_OPEN_SET)
        return filter__fail_token(parser, &open, NULL, "`in` needs a set, like {1, 5, 10..20}, before %s", shown(&open));
    do {
        if (filter__next(parser) || take_item(parser, test)) return parser->status;
    } while (parser->token.type == TOKEN_COMMA);
    if (parser->token.type == TOKEN_END) return filter__fail_token(parser, &open, NULL, "this { is not closed");
    if (parser->token.type != TOKEN_CLOSE_SET)
        return filter__fail_token(parser, &parser->token, NULL, "\",\" or \"}\" is missing before %s", shown(&parser->token));
    return filter__next(parser);
}

/* ---- tests -------------------------------------------------------------------------------------------------------------- */

static bool is_compare(const struct filter_token *token) { return token->type == TOKEN_COMPARE || is_word(token, "in"); }

/* field compare value | field "in" set */
static int parse_comparison(struct filter_parser *parser, const struct filter_token *word) {
    struct filter_token operator= parser->token;
    struct trace_filter *filter = parser->filter;
    struct filter_test test = {.value_first = filter->value_count};
    enum filter_compare compare = operator.type == TOKEN_COMPARE ? operator.compare : COMPARE_IN;
    if (filter__find_field(parser, word, &test.field)) return parser->status;
    test.negated = compare == COMPARE_NE;
    test.glob = compare == COMPARE_GLOB;
    test.ordered = compare == COMPARE_LT || compare == COMPARE_LE || compare == COMPARE_GT || compare == COMPARE_GE;
    if (check_compare(parser, &operator, & test) || filter__next(parser)) return parser->status;
    if (compare == COMPARE_IN ? take_set(parser, &test) : take_value(parser, &test)) return parser->status;
    if (test.ordered && compare != COMPARE_IN) filter__order_value(&filter->values[filter->value_count - 1], compare);
    test.value_count = filter->value_count - test.value_first;
    return add_test(parser, &test);
}

static int parse_test(struct filter_parser *parser) {
    struct filter_token word = parser->token;
    struct filter_test test;
    if (!is_name(&word)) return filter__fail_token(parser, &word, NULL, "a test is missing before %s", shown(&word));
    if (is_word(&word, "and") || is_word(&word, "or") || is_word(&word, "in"))
        return filter__fail_token(parser, &word, NULL, "a test is missing before `%s`", word.text);
    if (filter__next(parser)) return parser->status;
    if (is_compare(&parser->token)) return parse_comparison(parser, &word);
    if (filter__bare_test(parser, &word, &test)) return parser->status;
    return add_test(parser, &test);
}

/* ---- events of traces --------------------------------------------------------------------------------------------------- */

static int take_close(struct filter_parser *parser, const struct filter_token *open) {
    if (parser->token.type == TOKEN_END) return filter__fail_token(parser, open, NULL, "this ( is not closed");
    if (parser->token.type != TOKEN_CLOSE)
        return filter__fail_token(parser, &parser->token, NULL, "`and`, `or` or \")\" is missing before %s",
                                  shown(&parser->token));
    return filter__next(parser);
}

/* "(" filter ")" compare number, after `count` */
static int parse_count(struct filter_parser *parser, struct filter_sub *sub) {
    struct filter_token open = parser->token;
    struct filter_value range = {.has_number = true};
    if (filter__next(parser)) return parser->status;
    int root = parse_or(parser);
    if (root < 0 || take_close(parser, &open)) return parser->status;
    enum filter_compare compare = parser->token.compare;
    if (parser->token.type != TOKEN_COMPARE || compare == COMPARE_GLOB)
        return filter__fail_token(parser, &parser->token, NULL, "a count must be compared with a number, like count(...) > 3");
    if (filter__next(parser)) return parser->status;
    if (!is_name(&parser->token)) return filter__fail_token(parser, &parser->token, NULL, "a number is missing");
    if (filter__read_number(parser, &parser->token, UNIT_NONE, "a count", &range.low)) return parser->status;
    filter__order_value(&range, compare);
    sub->low = range.low;
    sub->span = range.span;
    sub->never = range.never;
    sub->negated = compare == COMPARE_NE;
    if (filter__next(parser)) return parser->status;
    return root;
}

static int parse_sub(struct filter_parser *parser, enum filter_sub_type type, const struct filter_token *word) {
    struct trace_filter *filter = parser->filter;
    struct filter_sub sub = {.type = type};
    unsigned number = filter->sub_count++;
    if (number == TRACE_FILTER_SUBS_MAX)
        return filter__fail_token(parser, word, NULL, "more than %d of any, all and count", TRACE_FILTER_SUBS_MAX);
    parser->of_traces = false;
    int root = type == SUB_COUNT ? parse_count(parser, &sub) : parse_unary(parser);
    parser->of_traces = true;
    if (root < 0) return root;
    sub.root = (uint16_t)root;
    filter->subs[number] = sub;
    return add_node(parser, (struct filter_node){.type = NODE_SUB, .sub = (uint8_t)number, .left = (uint16_t)root});
}

/* ---- operators ---------------------------------------------------------------------------------------------------------- */

static int parse_not(struct filter_parser *parser) {
    if (filter__next(parser)) return parser->status;
    int operand = parse_unary(parser);
    return operand < 0 ? operand : add_node(parser, (struct filter_node){.type = NODE_NOT, .left = (uint16_t)operand});
}

static int parse_group(struct filter_parser *parser) {
    struct filter_token open = parser->token;
    if (filter__next(parser)) return parser->status;
    int inner = parse_or(parser);
    if (inner < 0 || take_close(parser, &open)) return parser->status;
    return inner;
}

/* any unary | all unary | count "(" ... */
static int parse_of_events(struct filter_parser *parser) {
    struct filter_token word = parser->token;
    if (filter__next(parser)) return parser->status;
    if (word.text[0] == 'c' && parser->token.type != TOKEN_OPEN)
        return filter__fail_token(parser, &word, NULL, "count is written count(EVENT FILTER) and compared with a number");
    if (parser->token.type == TOKEN_END)
        return filter__fail_token(parser, &word, NULL, "`%s` needs a filter of events after it", word.text);
    return parse_sub(parser, word.text[0] == 'c' ? SUB_COUNT : word.text[1] == 'n' ? SUB_ANY : SUB_ALL, &word);
}

static int parse_unary(struct filter_parser *parser) {
    const struct filter_token *token = &parser->token;
    int node;
    if (parser->depth == TRACE_FILTER_DEPTH_MAX)
        return filter__fail_token(parser, token, NULL, "more than %d nested parentheses", TRACE_FILTER_DEPTH_MAX);
    parser->depth++;
    if (token->type == TOKEN_OPEN)
        node = parse_group(parser);
    else if (is_word(token, "not"))
        node = parse_not(parser);
    else if (parser->of_traces && (is_word(token, "any") || is_word(token, "all") || is_word(token, "count")))
        node = parse_of_events(parser);
    else
        node = parse_test(parser);
    parser->depth--;
    return node;
}

static int parse_and(struct filter_parser *parser) {
    int left = parse_unary(parser);
    while (left >= 0 && is_word(&parser->token, "and")) {
        if (filter__next(parser)) return parser->status;
        int right = parse_unary(parser);
        if (right < 0) return right;
        left = add_node(parser, (struct filter_node){.type = NODE_AND, .left = (uint16_t)left, .right = (uint16_t)right});
    }
    return left;
}

static int parse_or(struct filter_parser *parser) {
    int left = parse_and(parser);
    while (left >= 0 && is_word(&parser->token, "or")) {
        if (filter__next(parser)) return parser->status;
        int right = parse_and(parser);
        if (right < 0) return right;
        left = add_node(parser, (struct filter_node){.type = NODE_OR, .left = (uint16_t)left, .right = (uint16_t)right});
    }
    return left;
}

static int fail_rest(struct filter_parser *parser) {
    const struct filter_token *token = &parser->token;
    struct filter_suggest suggest;
    if (token->type == TOKEN_CLOSE) return filter__fail_token(parser, token, NULL, "no ( is open for this ) to close");
    if (!is_name(token)) return filter__fail_token(parser, token, NULL, "`and` or `or` is missing before %s", shown(token));
    filter__suggest_begin(&suggest, token->text);
    filter__suggest_add(&suggest, "", "and");
    filter__suggest_add(&suggest, "", "or");
    return filter__fail_token(parser, token, suggest.text[0] ? suggest.text : NULL, "`and` or `or` is missing before \"%.40s\"",
                              token->text);
}

int filter__parse(struct filter_parser *parser) {
    struct trace_filter *filter = parser->filter;
    parser->of_traces = filter->mode == TRACE_FILTER_TRACES;
    if (filter__next(parser)) return parser->status;
    if (parser->token.type == TOKEN_END) return filter__fail_token(parser, &parser->token, NULL, "the filter is empty");
    int root = parse_or(parser);
    if (root < 0) return root;
    if (parser->token.type != TOKEN_END) return fail_rest(parser);
    filter->root = (uint16_t)root;
    if (filter->mode == TRACE_FILTER_TRACES) return 0;
    filter->subs[0].root = filter->root;
    filter->sub_count = 1;
    return 0;
}

/* ---- compile ------------------------------------------------------------------------------------------------------------ */

static int compile(struct trace_filter *filter, const char *text, size_t bytes, const struct trace_filter_options *options,
                   struct trace_filter_error *error) {
    struct filter_parser parser = {
        .filter = filter, .options = options, .text = text, .bytes = bytes, .string_end = filter->strings, .error = error};
    if (bytes > TRACE_FILTER_TEXT_MAX)
        return filter__fail(&parser, TRACE_FILTER_TEXT_MAX, bytes - TRACE_FILTER_TEXT_MAX, NULL, "longer than %d bytes",
                            TRACE_FILTER_TEXT_MAX);
    int status = filter__parse(&parser);
    return status ? status : filter__make_code(&parser);
}

int trace_filter_compile(struct trace_filter **ret_filter, const char *text, size_t bytes,
                         const struct trace_filter_options *options, struct trace_filter_error *ret_error) {
    struct trace_filter *filter = calloc(1, sizeof *filter + 2 * (bytes <= TRACE_FILTER_TEXT_MAX ? bytes : 0) + 2);
    struct trace_filter_error error = {0};
    if (!filter) return -ENOMEM;
    filter->mode = options->mode;
    int status = compile(filter, text, bytes, options, &error);
    if (!status) {
        *ret_filter = filter;
        return 0;
    }
    if (status == -EINVAL) *ret_error = error;
    trace_filter_destroy(filter);
    return status;
}

void trace_filter_destroy(struct trace_filter *filter) {
    if (!filter) return;
    free(filter->tests);
    free(filter->values);
    free(filter->ids);
    free(filter->aliases);
    free(filter->code);
    free(filter);
}

bool trace_filter_uses_names(const struct trace_filter *filter) { return filter->uses_names; }

unsigned trace_filter_uses(const struct trace_filter *filter) { return filter->uses; }
