/* SPDX-License-Identifier: MIT
 *
 * A row of a table of `inspector top`, and the columns that show it.  Pure. */
#ifndef INSPECTOR_TOP_ROW_H
#define INSPECTOR_TOP_ROW_H

#include "text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* How a value is shown. */
enum top_format {
    TOP_TEXT,     /* texts[slot] */
    TOP_COUNT,    /* 12.3k */
    TOP_WHOLE,    /* 12345: a number that is a name */
    TOP_RATE,     /* the same, per second; small ones have a decimal */
    TOP_BYTES,    /* bytes per second */
    TOP_SHARE,    /* 0 to 1, shown in % */
    TOP_DURATION, /* ns */
    TOP_TIME,     /* Unix ns, as a time of day */
    TOP_SPARK,    /* series[slot], one character per sample */
};

struct top_column {
    const char *title;
    enum top_format format;
    unsigned slot;
    unsigned width;  /* the minimum for TOP_TEXT and TOP_SPARK, which grow if there is room */
    unsigned rank;   /* if there is no room, the highest is hidden first; 0: never */
    bool descending; /* the initial direction when sorting by it */
    bool loss;       /* a value above 0 is bad */
};

#define TOP_VALUES 9
#define TOP_TEXTS 4
#define TOP_SERIES 5
#define TOP_SAMPLES 60      /* in a series, the newest last */
#define TOP_LOSS_SAMPLES 10 /* a share of lost packets covers this many: losses are rare, so one sample says little */

struct top_row {
    char *key;              /* identifies the row from answer to answer */
    char *texts[TOP_TEXTS]; /* escaped; the first is its name */
    enum style styles[TOP_TEXTS];
    double values[TOP_VALUES];             /* NAN: not known */
    float series[TOP_SERIES][TOP_SAMPLES]; /* likewise */
    json_t **spreads;                      /* of requests: TOP_SAMPLES histograms of their durations, or NULL */
    uint64_t counters[TOP_VALUES];         /* the counters behind the values */
    bool counted;                          /* counters are those of the previous answer */
    unsigned held;                         /* answers since its rates were computed */
    bool heard;                            /* of a peer or link: something was received */
    unsigned quiet;                        /* intervals since then */
    enum style mark;                       /* STYLE_BAD or STYLE_WARN: worth a look; STYLE_PLAIN */
    json_t *json;                          /* as traced sent it */
};

/* Copies the key.  Out of memory: row->key is NULL. */
void top_row_init(struct top_row *row, const char *key);
void top_row_fini(struct top_row *row);

/* Adds a sample to a series. */
void top_row_push(struct top_row *row, unsigned series, double value);

/* The sum of the newest samples; NAN when none is known. */
double top_row_sum(const struct top_row *row, unsigned series, unsigned samples);

/* Sets a text of the row; takes the buffer's memory. */
void top_row_text(struct top_row *row, unsigned slot, enum style style, struct strbuf *text);

#endif
