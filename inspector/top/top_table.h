/* SPDX-License-Identifier: MIT
 *
 * The tables of `inspector top`: rows that live from one answer of traced to the next, so that counters become rates, and
 * rates become a line of the last minute.  Pure: the answers and the times come from outside.
 *
 * Of nodes and peers a rate is the difference of two counters over the time between the two answers.  It is never negative:
 * where a counter fell, or may have (the counts of `peers` are of what the history still has), there is no rate for that
 * interval.  Links and kinds are counted by traced (`count`) for each interval; what was silent in one stays for as long as
 * its line shows more.  Their lines begin with what traced's history has (top_history.h), not with the first answer. */
#ifndef INSPECTOR_TOP_TABLE_H
#define INSPECTOR_TOP_TABLE_H

#include "names.h"
#include "text.h"

#include <jansson.h>

enum top_view { TOP_NODES, TOP_PEERS, TOP_LINKS, TOP_KINDS, TOP_TRACES, TOP_REQUESTS, TOP_VIEWS };

/* Views have places, which are their keys: requests 0, nodes 1, ... */
static inline unsigned top_view_place(enum top_view view) { return (view + 1) % TOP_VIEWS; }
static inline enum top_view top_view_at(unsigned place) { return (enum top_view)((place + TOP_VIEWS - 1) % TOP_VIEWS); }

/* How a value is shown. */
enum top_format {
    TOP_TEXT,     /* texts[slot] */
    TOP_COUNT,    /* 12.3k */
    TOP_WHOLE,    /* 12345: a number that names something */
    TOP_RATE,     /* the same, of something a second; a little one with a decimal */
    TOP_BYTES,    /* bytes a second */
    TOP_SHARE,    /* 0 to 1, shown in % */
    TOP_DURATION, /* ns */
    TOP_TIME,     /* Unix ns, as a time of day */
    TOP_SPARK,    /* series[slot], a character a sample */
};

struct top_column {
    const char *title;
    enum top_format format;
    unsigned slot;
    unsigned width;  /* the least for TOP_TEXT and TOP_SPARK, which grow when there is room */
    unsigned rank;   /* where there is no room the highest goes first; 0 stays */
    bool descending; /* how sorting by it begins */
    bool loss;       /* more than 0 is bad */
};

/* The columns of a view. */
const struct top_column *top_columns(enum top_view view, unsigned *ret_count);

#define TOP_VALUES 8
#define TOP_TEXTS 4
#define TOP_SERIES 4
#define TOP_SAMPLES 60      /* of a series, the newest last */
#define TOP_LOSS_SAMPLES 10 /* a share of lost packets is over so many: losses are rare, one says little */

struct top_row {
    char *key;              /* what it is; the same from answer to answer */
    char *texts[TOP_TEXTS]; /* harmless; the first is its name */
    enum style styles[TOP_TEXTS];
    double values[TOP_VALUES];             /* NAN: not known */
    float series[TOP_SERIES][TOP_SAMPLES]; /* likewise */
    json_t **spreads;                      /* of requests: TOP_SAMPLES histograms of what they took, or NULL for none */
    uint64_t counters[TOP_VALUES];         /* what the values were made of */
    bool counted;                          /* counters are of the answer before */
    unsigned held;                         /* answers since its rates were computed */
    enum style mark;                       /* STYLE_BAD, STYLE_WARN: look here; STYLE_PLAIN */
    json_t *json;                          /* as traced said it */
};

struct top_table {
    enum top_view view;
    struct top_row *rows;
    size_t row_count;
    uint64_t total;   /* rows that there are, when traced told not all */
    uint64_t time_ms; /* of the newest answer; 0: none yet */
    double seconds;   /* between the newest two; 0 when there are none */
    unsigned fed;     /* answers that it has taken */
};

/* What is known of the moment of an answer. */
struct top_moment {
    uint64_t time_ms; /* on a clock that only goes forward; not 0 */
    bool evicted;     /* events left the history since the answer before: counts may have fallen */
};

void top_table_fini(struct top_table *table);

/* Whether the view's rows are counted for an interval, and not told as a whole. */
static inline bool top_is_counted(enum top_view view) { return view == TOP_LINKS || view == TOP_KINDS || view == TOP_REQUESTS; }

/* An answer to `count` as rows: of a count by node, peer and kind {"rows": [{node_id, peer_id, sent, received, lost, rtt}]},
 * of one by kind {"rows": [{kind, count, share}]}, to `requests` as {"rows": [{app_id, app, cmd, command, count, ...}]}, each
 * with the `seconds` that it is of.  NULL without memory.  top_counts.c */
json_t *top_counts_new(enum top_view view, const json_t *answer);

/* Takes what was told of the requests of a command in an interval, of which a new row had none in so many `before`; and once
 * all intervals of an answer are taken, the percentiles of them together.  top_requests.c */
void top_update_request(struct top_row *row, const json_t *json, unsigned before);
void top_requests_measure(struct top_table *table);
const struct top_column *top_request_columns(unsigned *ret_count);

/* For those who update rows: adds a sample to a series; and sums the newest of them, NAN when none is known. */
void top_row_push(struct top_row *row, unsigned series, double value);
double top_row_sum(const struct top_row *row, unsigned series, unsigned samples);
/* Gives the row a text, and takes the buffer's memory. */
void top_row_text(struct top_row *row, unsigned slot, enum style style, struct strbuf *text);

/* Takes an answer to the view's method.  Rows that are no more in it go.  0 or -ENOMEM, and then the table is as before. */
int top_table_feed(struct top_table *table, const json_t *answer, const struct names *names, const struct top_moment *moment);

/* The next answer is of another traced, or much later: it is compared with nothing. */
void top_table_forget(struct top_table *table);

/* Points *ret_rows, which has room for all, at those rows that have the filter in one of their texts, or at the beginning of
 * their key ("": all), sorted by a column, which is no TOP_SPARK.  What is not known comes last; what is equal is in the
 * order of the names.  Returns their number. */
size_t top_table_select(const struct top_table *table, const char *filter, unsigned column, bool descending,
                        const struct top_row **ret_rows);

#endif
