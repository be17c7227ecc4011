/* SPDX-License-Identifier: MIT
 *
 * `inspector top` without its terminal: where the user is, what a key does, what has to be asked, and the screen as text.
 *
 *     keys  -> top_key     -> what is to be done        (top.c)
 *     answers -> top_feed                               (top.c, top_table.c)
 *     top_draw -> lines of text with colour sequences   (top_screen.c)
 *
 * Pure: no I/O and no clock; cmd_top.c asks and waits, top_terminal.c has the terminal.  The user is on a page: one of the root
 * pages (a table of all nodes, peers, links, kinds, traces), and above it those that Enter opened, each about one thing. */
#ifndef INSPECTOR_TOP_H
#define INSPECTOR_TOP_H

#include "top_history.h"
#include "top_table.h"

#define TOP_DEPTH_MAX 4 /* nodes: its links, their traces, one trace, help */
#define TOP_FILTER_BYTES 64

enum top_page_kind { TOP_PAGE_TABLE, TOP_PAGE_TRACE, TOP_PAGE_EVENTS, TOP_PAGE_HELP };

struct top_page {
    enum top_page_kind kind;
    unsigned serial;  /* no other page has had it; an answer belongs to a page */
    char node_id[65]; /* what it is about; empty: not about a node, a peer, a trace, a kind */
    char peer_id[65];
    char trace_id[33];
    char event_kind[40];
    char request[96];  /* a filter of traces: those of a command */
    char *title;       /* how that is called; NULL for a root */
    bool fed;          /* there was an answer */
    char problem[160]; /* why there is none; empty */
    size_t top;        /* the first row or line that is shown */
    char filter[TOP_FILTER_BYTES];

    struct top_table table;
    uint64_t counted_us;  /* links, kinds, requests: up to here they were counted; Unix time */
    struct top_look look; /* what was asked for last */
    unsigned sort;
    bool descending;
    const struct top_row **shown; /* filtered and sorted */
    size_t shown_count;
    size_t cursor; /* among the shown */
    char *chosen;  /* key of the row that the user went to, and that the cursor stays on; NULL: the first, whichever it is */

    json_t *summary;    /* a timeline: the trace's row of `traces` */
    json_t *trace;      /* and what was answered, as render_trace wants it */
    bool graph;         /* it is shown as a diagram */
    struct strbuf text; /* its lines */
    unsigned skipped;   /* columns to the left of what is shown */
    size_t found;       /* the line that a search stopped at; SIZE_MAX: none */
};

/* Keys that are no characters; others are their code point. */
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
    TOP_ASK,    /* and the page wants an answer, now */
    TOP_REDRAW, /* and the terminal may show something else: all of it anew */
    TOP_QUIT,
};

struct top {
    struct names *names;
    bool utf8; /* what the terminal can show */
    bool color;
    bool utc;
    unsigned lines, columns;
    uint64_t interval_ms;

    enum top_view view; /* of the root */
    struct top_page roots[TOP_VIEWS];
    struct top_page *pages[TOP_DEPTH_MAX]; /* above it */
    unsigned depth;
    unsigned last_serial;
    bool arrived;         /* the user has chosen a view; until then it may be another one than the first */
    bool typing;          /* the filter, or what is searched for */
    bool past;            /* a recording: there is a position, and nothing new will come */
    bool playing;         /* and the position goes on by itself */
    uint64_t position_ns; /* of a recording: up to here it is shown; Unix time */
    uint64_t end_ns;      /* of a recording: where it ends */
    uint64_t frozen_ns;   /* since when, Unix time; 0: not */
    json_t *stats;        /* the newest answer; NULL */
    json_t *stats_before; /* the one before it */
    uint64_t stats_ms[2]; /* their times */
    uint64_t now_ns;      /* Unix time of the newest answers */
    char trouble[256];    /* why there is nothing new; empty: all is well */
    bool failed;          /* no memory, somewhere */
};

/* names is borrowed. */
void top_init(struct top *top, struct names *names);
void top_fini(struct top *top);

/* The page that the user sees. */
struct top_page *top_page(struct top *top);

/* The page of that serial, or NULL: the user has left it. */
struct top_page *top_find_page(struct top *top, unsigned serial);

/* Says that it is a recording, which ends then: it is shown up to a position that the user can move. */
void top_set_past(struct top *top, uint64_t end_ns);

/* Moves the position on by an interval, while it plays. */
void top_play(struct top *top);

/* What to ask for a page at a time (Unix time): a method and its params.  NULL when there is nothing to ask. */
const char *top_request(const struct top *top, struct top_page *page, uint64_t now_ns, json_t **ret_params_new);

/* Gives a page its answer; a refused one (NULL) with its reason. */
void top_feed(struct top *top, struct top_page *page, const json_t *answer, const char *reason, const struct top_moment *moment);

/* Takes notice of an answer to `stats`. */
void top_feed_stats(struct top *top, json_t *stats, uint64_t time_ms, uint64_t now_ns);

/* What is compared with the answers to come: nothing, after another traced came, or none was asked for long. */
void top_forget(struct top *top);

/* Does what a key is for.  now_ns: Unix time. */
enum top_action top_key(struct top *top, uint32_t key, uint64_t now_ns);

/* Another size of the terminal. */
void top_resize(struct top *top, unsigned lines, unsigned columns);

/* Rows or lines of the page's own that fit. */
unsigned top_body_lines(const struct top *top);

/* Whether answers are shown: not while the screen is frozen. */
static inline bool top_is_frozen(const struct top *top) { return top->frozen_ns != 0; }

/* The columns on the left of a line of a page's text that stay when it is scrolled sideways: a timeline's times.  number: of
 * the line. */
unsigned top_kept_columns(const struct top_page *page, size_t number);

/* The text of the help page. */
extern const char top_help[];

/* Appends the screen: top->lines lines of at most top->columns columns, with colour sequences (text.h). */
void top_draw(struct strbuf *out, struct top *top);

#endif
