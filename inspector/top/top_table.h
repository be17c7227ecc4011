/* SPDX-License-Identifier: MIT
 *
 * The tables of `inspector top`: rows that persist from one answer of traced to the next, so that counters become rates, and
 * rates become a line of the last minute.  Pure: answers and times come from outside.
 *
 * For nodes and peers, a rate is the difference of two counters over the time between the two answers.  It is never negative:
 * if a counter fell, or may have (the counts of `peers` cover what the history still has), there is no rate for that interval.
 * In a recording it is the average: of a peer, over the whole recording; of a node, since it began.
 * traced counts links and kinds (`count`) for each interval; a silent row stays as long as its line still shows something.  Their
 * lines begin with what traced's history has (top_history.h), not with the first answer. */
#ifndef INSPECTOR_TOP_TABLE_H
#define INSPECTOR_TOP_TABLE_H

#include "names.h"
#include "top_row.h"

enum top_view { TOP_NODES, TOP_PEERS, TOP_LINKS, TOP_KINDS, TOP_TRACES, TOP_REQUESTS, TOP_VIEWS };

/* The number of a view is its key: requests 0, nodes 1, ... */
static inline unsigned top_view_place(enum top_view view) { return (view + 1) % TOP_VIEWS; }
static inline enum top_view top_view_at(unsigned place) { return (enum top_view)((place + TOP_VIEWS - 1) % TOP_VIEWS); }

/* The columns of a view. */
const struct top_column *top_columns(enum top_view view, unsigned *ret_count);

struct top_table {
    enum top_view view;
    struct top_row *rows;
    size_t row_count;
    uint64_t total;   /* number of rows, if traced did not send all */
    uint64_t time_ms; /* time of the newest answer; 0: none yet */
    double seconds;   /* between the newest two; 0: fewer than two */
    unsigned fed;     /* answers taken so far */
};

/* When an answer came. */
struct top_moment {
    uint64_t time_ms; /* on a monotonic clock; not 0 */
    bool evicted;     /* events left the history since the previous answer: counts may have fallen */
    bool past;        /* of a recording */
    double seconds;   /* how long the recording is; NAN: not known */
    uint64_t now_ns;  /* Unix time: the present, or the end of the recording; 0: not known */
};

void top_table_fini(struct top_table *table);

/* Whether the view's rows are counted per interval, not in total. */
static inline bool top_is_counted(enum top_view view) { return view == TOP_LINKS || view == TOP_KINDS || view == TOP_REQUESTS; }

/* Turns an answer to `count` into rows: of a count by node, peer and kind {"rows": [{node_id, peer_id, sent, received, lost,
 * rtt}]}, of one by kind {"rows": [{kind, count, share}]}, to `requests` as {"rows": [{app_id, app, cmd, command, count, ...}]},
 * each with the `seconds` that it covers.  NULL when out of memory.  top_counts.c */
json_t *top_counts_new(enum top_view view, const json_t *answer);

/* Takes an answer to the view's method.  Removes rows that are no longer in it.  Returns 0, or -ENOMEM with the table
 * unchanged. */
int top_table_feed(struct top_table *table, const json_t *answer, const struct names *names, const struct top_moment *moment);

/* The next answer is from another traced, or much later: do not compare it with the previous one. */
void top_table_forget(struct top_table *table);

/* Fills *ret_rows, which has room for all, with the rows that have the filter in one of their texts or at the beginning of their
 * key ("": all), sorted by a column other than TOP_SPARK.  Unknown values come last; equal values are sorted by name.  Returns
 * their number. */
size_t top_table_select(const struct top_table *table, const char *filter, unsigned column, bool descending,
                        const struct top_row **ret_rows);

#endif
