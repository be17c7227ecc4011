/* SPDX-License-Identifier: MIT
 *
 * `inspector top` without its terminal: where the user is, what a key does, what to ask, and the screen as text.
 *
 *     keys  -> top_key     -> what to do                (top.c)
 *     answers -> top_feed                               (top.c, top_table.c)
 *     top_draw -> lines of text with colour sequences   (top_screen.c)
 *
 * Pure: no I/O and no clock; cmd_top.c asks and waits, top_terminal.c handles the terminal.  The user is on a page: one of the
 * root pages (a table of all nodes, peers, links, kinds, traces), or one of those that Enter opened above it, each about one
 * thing. */
#ifndef INSPECTOR_TOP_H
#define INSPECTOR_TOP_H

#include "top_history.h"
#include "top_table.h"

#define TOP_DEPTH_MAX 4 /* nodes: its links, their traces, one trace, help */
#define TOP_FILTER_BYTES 64

enum top_page_kind { TOP_PAGE_TABLE, TOP_PAGE_TRACE, TOP_PAGE_EVENTS, TOP_PAGE_HELP };

struct top_page {
    enum top_page_kind kind;
    unsigned serial;  /* unique; says which page an answer belongs to */
    char node_id[65]; /* what it is about; empty: not about a node, a peer, a trace, a kind */
    char peer_id[65];
    char trace_id[33];
    char event_kind[40];
    char request[96];  /* a filter of traces: those of a command */
    char *title;       /* its title; NULL for a root */
    bool fed;          /* an answer has arrived */
    char problem[160]; /* why there is no answer; empty: none */
    size_t top;        /* the first visible row or line */
    char filter[TOP_FILTER_BYTES];

    struct top_table table;
    uint64_t counted_us;  /* links, kinds, requests: counted up to here; Unix time */
    struct top_look look; /* the last question */
    unsigned sort;
    bool descending;
    const struct top_row **shown; /* filtered and sorted */
    size_t shown_count;
    size_t cursor; /* an index into shown */
    char *chosen;  /* key of the row that the user chose, which the cursor follows; NULL: always the first row */

    json_t *summary;    /* a timeline: the trace's row of `traces` */
    json_t *trace;      /* the answer, as input of render_trace */
    bool graph;         /* shown as a diagram */
    struct strbuf text; /* its lines */
    unsigned skipped;   /* columns scrolled out to the left */
    size_t found;       /* the line that a search found; SIZE_MAX: none */
};

/* Keys that are not characters; characters are their code point. */
enum top_key {
    TOP_KEY_UP = 0x110000,
    TOP_KEY_DOWN,
    TOP_KEY_LEFT,
    TOP_KEY_RIGHT,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_ENTER,
    TOP_KEY_ESCAPE,
    TOP_KEY_BACKSPACE,
    TOP_KEY_BACK_TAB,
};

enum top_action {
    TOP_DRAW,   /* the screen may have changed */
    TOP_ASK,    /* and the page needs an answer now */
    TOP_REDRAW, /* and the terminal may show something else: redraw all of it */
    TOP_QUIT,
};

struct top {
    struct names *names;
    bool utf8; /* what the terminal can show */
    bool color;
    bool utc;
    unsigned lines, columns;
    uint64_t interval_ms;

    enum top_view view; /* the root page */
    struct top_page roots[TOP_VIEWS];
    struct top_page *pages[TOP_DEPTH_MAX]; /* opened above it */
    unsigned depth;
    unsigned last_serial;
    bool arrived;         /* the user has chosen a view; until then we choose the first one */
    bool typing;          /* a filter or a search text */
    bool past;            /* a recording: it has a position, and nothing new will come */
    bool playing;         /* and the position advances by itself */
    uint64_t position_ns; /* of a recording: shown up to here; Unix time */
    uint64_t end_ns;      /* of a recording: its end */
    uint64_t frozen_ns;   /* since when, Unix time; 0: not frozen */
    json_t *stats;        /* the newest answer to `stats`, or NULL */
    json_t *stats_before; /* the one before it */
    uint64_t stats_ms[2]; /* their times */
    uint64_t now_ns;      /* Unix time of the newest answers */
    char trouble[256];    /* why there is nothing new; empty: no problem */
    bool failed;          /* out of memory */
};

/* names is borrowed. */
void top_init(struct top *top, struct names *names);
void top_fini(struct top *top);

/* The page that the user sees. */
struct top_page *top_page(struct top *top);

/* The page with that serial; NULL: the user has left it. */
struct top_page *top_find_page(struct top *top, unsigned serial);

/* Marks the source as a recording that ends at that time.  It is shown up to a position that the user can move. */
void top_set_past(struct top *top, uint64_t end_ns);

/* Is it a recording, and the position before its end?  Then only what was known at that time is shown. */
static inline bool top_is_before_end(const struct top *top) { return top->past && top->position_ns < top->end_ns; }

/* How long the recording is, up to a time; NAN: not known. */
double top_past_seconds(const struct top *top, uint64_t until_ns);

/* While it plays, moves the position forward by an interval. */
void top_play(struct top *top);

/* What to ask for a page at that Unix time: a method and its params.  NULL when there is nothing to ask. */
const char *top_request(const struct top *top, struct top_page *page, uint64_t now_ns, json_t **ret_params_new);

/* Before the end of a recording: limits the params of a query, with times in microseconds, to what was known at the position. */
void top_limit(const struct top *top, json_t *params);

/* Gives a page its answer; if refused: NULL, with the reason. */
void top_feed(struct top *top, struct top_page *page, const json_t *answer, const char *reason, const struct top_moment *moment);

/* Takes an answer to `stats`. */
void top_feed_stats(struct top *top, json_t *stats, uint64_t time_ms, uint64_t now_ns);

/* Does not compare the next answers with earlier ones: traced was replaced, or was not asked for long. */
void top_forget(struct top *top);

/* Handles a key.  now_ns: Unix time. */
enum top_action top_key(struct top *top, uint32_t key, uint64_t now_ns);

/* The terminal has a new size. */
void top_resize(struct top *top, unsigned lines, unsigned columns);

/* How many rows or lines of the page fit. */
unsigned top_body_lines(const struct top *top);

/* Whether to show answers: not while the screen is frozen. */
static inline bool top_is_frozen(const struct top *top) { return top->frozen_ns != 0; }

/* How many columns of a line of a page's text stay when it scrolls sideways: a timeline's times.  number: of the line. */
unsigned top_kept_columns(const struct top_page *page, size_t number);

/* The text of the help page. */
extern const char top_help[];

/* Appends the screen: top->lines lines of at most top->columns columns, with colour sequences (text.h). */
void top_draw(struct strbuf *out, struct top *top);

#endif
