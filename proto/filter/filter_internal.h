/* SPDX-License-Identifier: MIT
 *
 * The inside of the filter engine.  Only proto/filter*.c include this.
 *
 *     text -> filter_lex.c -> tokens -> filter_parse.c -> nodes, tests -> filter_code.c -> code for each kind -> filter_match.c
 *                                       filter_field.c    what a name means
 *                                       filter_value.c    what a value means for that field
 *                                       filter_suggest.c  what was meant instead
 *
 * Nodes and tests
 * ---------------
 * A node is an operator or a test, in an array; children come before their parents.  A test has a field and values.  It is true
 * if the event has the field and the field's value is among them (negated: if it has the field and the value is not among them).
 * Numbers, times, bools, 64-bit ids, packet number spaces and causes of loss are all ranges of 64-bit numbers here, so one kind
 * of comparison serves all.
 *
 * Code
 * ----
 * An event's kind decides which fields it has, so each kind has its own code, without tests of fields that it does not have.  An
 * instruction tests one thing and has two targets: another instruction, ACCEPT or REJECT.  `and`, `or` and `not` only
 * determine the targets.  For most kinds the code of most filters is just REJECT; that is how filter_bounds knows the kinds. */
#ifndef PROTO_FILTER_INTERNAL_H
#define PROTO_FILTER_INTERNAL_H

#include <proto/event_table.h>
#include <proto/filter.h>

/* ---- tokens ------------------------------------------------------------------------------------------------------------- */

enum filter_token_type {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_COMPARE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OPEN_SET,
    TOKEN_CLOSE_SET,
    TOKEN_COMMA,
    TOKEN_RANGE,
};

enum filter_compare { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE, COMPARE_GT, COMPARE_GE, COMPARE_GLOB, COMPARE_IN };

struct filter_token {
    enum filter_token_type type;
    enum filter_compare compare;
    size_t position, length; /* in the text */
    const char *text;        /* WORD, STRING: NUL-terminated, quotes and escapes gone; lives as long as the filter */
    size_t bytes;
};

/* ---- fields ------------------------------------------------------------------------------------------------------------- */

enum filter_field_class {
    FIELD_DATA, /* of the table: info */
    FIELD_TIME,
    FIELD_NODE,
    FIELD_PEER,
    FIELD_TRACE,
    FIELD_KIND,
    FIELD_KIND_ID,
    FIELD_FLAGS,
    FIELD_SEQUENCE,
    FIELD_LANE,
    FIELD_HOST,
    FIELD_APP,
    FIELD_COMMAND,
    FIELD_APP_DATA,
    FIELD_SUMMARY, /* of a trace: summary */
};

/* What values a field takes. */
enum filter_type {
    FILTER_NUMBER,
    FILTER_TIME,
    FILTER_BOOL,
    FILTER_ID, /* bytes, by prefix */
    FILTER_ID64,
    FILTER_NODE,  /* an id or a name */
    FILTER_NAMED, /* one of a few names */
    FILTER_TEXT,
    FILTER_HEX,
    FILTER_ENDPOINT,
    FILTER_COMMAND,  /* a name or a number */
    FILTER_APP_DATA, /* decided by the description, when the event comes */
};

enum filter_unit { UNIT_NONE, UNIT_TIME, UNIT_SIZE, UNIT_ANY };

struct filter_field {
    const char *word; /* as it was written */
    enum filter_field_class class;
    enum filter_type type;
    enum filter_unit unit;
    unsigned length;                     /* ID: bytes of the id; TEXT: the longest that the field holds, 0 for any */
    const char *(*name_of)(unsigned);    /* NAMED: the name of a number, or NULL */
    const struct trace_field_info *info; /* DATA: in the first kind that has it; fields of the same name have the same type */
    uint16_t kind;                       /* DATA: only of this kind; 0: of any that has it */
    const char *app, *name;              /* APP_DATA; app NULL: any */
    int summary;                         /* SUMMARY: enum filter_summary_field */
};

enum filter_summary_field {
    SUMMARY_TRACE,
    SUMMARY_FIRST,
    SUMMARY_LAST,
    SUMMARY_DURATION,
    SUMMARY_TOOK,
    SUMMARY_AGE,
    SUMMARY_EVENTS,
    SUMMARY_NODES,
    SUMMARY_PEERS,
    SUMMARY_PACKETS_LOST,
    SUMMARY_OUTCOME,
    SUMMARY_TRUNCATED,
    SUMMARY_UNFINISHED,
    SUMMARY_APP,
    SUMMARY_COMMAND,
    SUMMARY_CMD,
};

/* One of the values that a field is compared with.  The field's type decides which members are used. */
struct filter_value {
    uint64_t low, span; /* a number n with n - low <= span */
    const char *text;
    uint32_t bytes;
    uint32_t id_first, id_count;       /* NODE: those of this name, in filter->ids, sorted; for a peer */
    uint32_t alias_first, alias_count; /* NODE: whom it means as an alias, in filter->aliases, sorted */
    bool is_null;                      /* JSON's null: the field is missing */
    bool has_number;                   /* low and span are used */
    bool never;                        /* no number matches: `< 0` */
    bool is_named;                     /* NODE: a node of this name is known, so it is not the beginning of an id */
    bool any_port;                     /* ENDPOINT */
    struct trace_endpoint endpoint;
    struct trace_id_prefix prefix; /* digits 0: not one */
    uint32_t hex_digits;           /* of an application's field: how many hex digits the text has; 0: it is not hex */
};

struct filter_test {
    struct filter_field field;
    bool negated; /* != */
    bool ordered; /* one of < <= > >=, or a range: only for numbers */
    bool glob;
    uint32_t value_first, value_count; /* in filter->values */
};

enum filter_node_type { NODE_TEST, NODE_AND, NODE_OR, NODE_NOT, NODE_SUB };
enum filter_sub_type { SUB_ANY, SUB_ALL, SUB_COUNT };

struct filter_node {
    uint8_t type;
    uint8_t sub;          /* SUB: number of the sub filter */
    uint16_t left, right; /* NOT, SUB: only left */
    uint32_t test;        /* TEST */
};

/* ---- code --------------------------------------------------------------------------------------------------------------- */

enum filter_op {
    OP_U8, /* byte at offset in the range low, span */
    OP_U16,
    OP_U32,
    OP_U64,
    OP_MASK,   /* byte at offset & low */
    OP_LANE,   /* origin->lane in the range */
    OP_TRACE,  /* is there a trace? */
    OP_PREFIX, /* bytes at offset begin with the prefix */
    OP_PEER,   /* the event's peer is what the value says */
    OP_PEER_GLOB,
    OP_NODE,
    OP_NODE_GLOB,
    OP_HAS_HOST,
    OP_HOST,
    OP_HOST_GLOB,
    OP_TEXT, /* NUL-padded text at offset, low bytes long */
    OP_TEXT_GLOB,
    OP_HEX_GLOB, /* low bytes at offset as hex digits */
    OP_PAYLOAD,  /* count byte at offset, then up to low bytes */
    OP_PAYLOAD_GLOB,
    OP_ID64_GLOB,
    OP_ENDPOINT,
    OP_ENDPOINT_GLOB,
    OP_NO_ENDPOINT,
    OP_APP, /* app_id at offset, or its name */
    OP_APP_GLOB,
    OP_COMMAND, /* cmd at offset, app_id at low */
    OP_COMMAND_GLOB,
    OP_COMMAND_NULL,
    OP_APP_DATA, /* the whole test: low is its number */
};

#define FILTER_ACCEPT 0xfffe
#define FILTER_REJECT 0xffff
#define FILTER_CODE_MAX 0xfff0

struct filter_instruction {
    uint8_t op;
    uint16_t offset; /* in the event */
    uint16_t on_true, on_false;
    uint32_t value; /* in filter->values */
    uint32_t cost;  /* what it takes at most, as trace_filter_match_counted has it */
    uint64_t low, span;
};

#define FILTER_HOST_BYTES 63 /* no machine has a longer name (store/machine.h) */

/* As in bit sets of kinds, all kinds from 63 up count as one, which this version does not know either. */
#define FILTER_KINDS 64

/* A filter of events: the whole, or one of those in a filter of traces. */
struct filter_sub {
    enum filter_sub_type type;
    uint16_t root;                /* node */
    uint64_t low, span;           /* SUB_COUNT: the range, */
    bool negated, never;          /* or everything but the range, or nothing */
    uint16_t entry[FILTER_KINDS]; /* where the code of each kind begins */
};

/* A peer, for the events of one node (zero: of any). */
struct filter_alias {
    struct trace_node_id peer_id, by;
};

struct trace_filter {
    enum trace_filter_mode mode;
    unsigned uses;
    bool uses_names;
    uint16_t root;
    struct filter_node nodes[TRACE_FILTER_NODES_MAX];
    unsigned node_count;
    struct filter_test *tests;
    struct filter_value *values;
    struct trace_node_id *ids;
    struct filter_alias *aliases;
    struct filter_instruction *code;
    uint32_t test_count, test_capacity, value_count, value_capacity, id_count, id_capacity, code_count, code_capacity,
        alias_count, alias_capacity;
    struct filter_sub subs[TRACE_FILTER_SUBS_MAX]; /* of a filter of events: the first */
    unsigned sub_count;
    char strings[]; /* of tokens */
};

/* ---- filter_lex.c ------------------------------------------------------------------------------------------------------- */

/* A text, while it is parsed. */
struct filter_parser {
    struct trace_filter *filter;
    const struct trace_filter_options *options;
    const char *text;
    size_t bytes, at;
    struct filter_token token; /* the current one */
    char *string_end;          /* of filter->strings */
    unsigned depth;
    bool of_traces; /* the current part is about a trace, not about an event */
    struct trace_filter_error *error;
    int status; /* -EINVAL or -ENOMEM once something went wrong */
};

/* Reads the next token.  Returns 0 or -EINVAL. */
int filter__next(struct filter_parser *parser);

/* Reports an error; the first one counts.  suggestion may be NULL.  Always returns a negative error. */
int filter__fail(struct filter_parser *parser, size_t position, size_t length, const char *suggestion, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int filter__fail_token(struct filter_parser *parser, const struct filter_token *token, const char *suggestion, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

/* Makes room for one more element of an array of the filter.  Returns the array, or NULL with parser->status. */
void *filter__grow(struct filter_parser *parser, void *array, uint32_t count, uint32_t *capacity, size_t element_bytes);

/* ---- filter_field.c ----------------------------------------------------------------------------------------------------- */

/* The field that a word means.  Returns 0 or negative with the error. */
int filter__find_field(struct filter_parser *parser, const struct filter_token *word, struct filter_field *ret_field);

/* A word that stands alone: a kind, a bool, a flag.  Makes the whole test.  Returns 0 or negative with the error. */
int filter__bare_test(struct filter_parser *parser, const struct filter_token *word, struct filter_test *ret_test);

/* ---- filter_value.c ----------------------------------------------------------------------------------------------------- */

/* Reads a value for the test's field into a new filter->values; glob as the test says.  Returns 0 or negative with the error. */
int filter__add_value(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token);

/* Turns the last value into what the comparison needs: `< 5` is the range 0 to 4. */
void filter__order_value(struct filter_value *value, enum filter_compare compare);

/* A number of that unit.  Returns 0 or negative with the error. */
int filter__read_number(struct filter_parser *parser, const struct filter_token *token, enum filter_unit unit, const char *field,
                        uint64_t *ret_number);

/* ---- filter_suggest.c --------------------------------------------------------------------------------------------------- */

/* Finds the candidate that is most similar to a word. */
struct filter_suggest {
    const char *word;
    size_t bytes;
    unsigned best; /* cost */
    char text[TRACE_FILTER_SUGGESTION_BYTES];
};
void filter__suggest_begin(struct filter_suggest *suggest, const char *word);
/* prefix: precedes the candidate in the suggestion, "" or "metrics." */
void filter__suggest_add(struct filter_suggest *suggest, const char *prefix, const char *candidate);

/* ---- filter_parse.c, filter_code.c -------------------------------------------------------------------------------------- */

/* Reads the whole text.  Returns 0 or negative. */
int filter__parse(struct filter_parser *parser);

/* Makes the code of every kind.  Returns 0 or negative. */
int filter__make_code(struct filter_parser *parser);

/* ---- filter_match.c ----------------------------------------------------------------------------------------------------- */

/* No text of an event is longer. */
#define GLOB_TEXT_MAX 256

/* Is the text what the pattern says?  `*` is any number of bytes, `?` is one character, `\` takes the next byte as it is.  Takes
 * time in proportion to the length of both, if the text has at most GLOB_TEXT_MAX bytes. */
bool filter__glob(const char *pattern, const char *text, size_t bytes);

/* The same, for a text of at most GLOB_TEXT_MAX bytes, by looking at each byte once: what filter__glob does when a pattern is
 * retried. */
bool filter__glob_once(const char *pattern, const char *text, size_t bytes);

/* *work grows by the cost of the instructions that were carried out. */
bool filter__run(const struct trace_filter *filter, uint16_t entry, const struct trace_event *event,
                 const struct trace_filter_origin *origin, uint64_t *work);

/* Does a node match one value of a NODE test? */
bool filter__node_fits(const struct trace_filter *filter, const struct filter_test *test, const struct filter_value *value,
                       const struct trace_node_id *node_id, const char *name);

/* What an application's description says about an event, for filters and for fields.  Counts in it are clamped to its arrays.
 * In this order: the description, or NULL if it is another application's; the name of a command, or NULL; the field of that name,
 * if the event's data bytes include it; whether the field is a number of 1, 2, 4 or 8 bytes; and that number. */
const struct trace_app *filter__described(const struct trace_filter_origin *origin, const uint8_t *app_id);
const char *filter__command_name(const struct trace_app *app, uint16_t cmd, size_t *ret_bytes);
const struct trace_app_field *filter__app_field(const struct trace_app *app, const char *name, size_t data_bytes);
bool filter__is_number(const struct trace_app_field *field);
uint64_t filter__app_number(const uint8_t *at, unsigned bytes);

static inline unsigned filter__kind_index(uint16_t kind) { return kind < FILTER_KINDS - 1 ? kind : FILTER_KINDS - 1; }

static inline bool filter__in_range(const struct filter_value *value, uint64_t number) {
    return !value->never && number - value->low <= value->span;
}

#endif
