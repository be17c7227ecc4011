/* SPDX-License-Identifier: MIT
 *
 * An export format: up to seven functions, a line in formats.def and one in meson.build.  A new one takes an hour:
 *
 *     static int event(struct export *export, const struct export_event *event) {
 *         writer_printf(export->out, "%s did %s\n", event->node->name, event->kind_name);
 *         return 0;
 *     }
 *     const struct export_format export_format_lines = {
 *         .name = "lines", .suffix = ".txt", .doc = "a line for each event", .event = event,
 *     };
 *
 * The order of calls is begin; then for each event in the order of time: node, when it is the node's first, and event; gap
 * where events are missing; flush now and then, with --follow; end; fini.  A function that is NULL is not called.  All but fini
 * return 0, or -1 with export->failure filled in.
 *
 * Rules: memory does not grow with the number of events, only with what is open (spans, connections) or named (nodes, traces).
 * What a format can't carry is said in docs/exports.md.  Whatever a node wrote, the output is well-formed. */
#ifndef INSPECTOR_EXPORT_FORMAT_H
#define INSPECTOR_EXPORT_FORMAT_H

#include "export_writer.h"
#include "failure.h"
#include "json_scan.h"

#include <jansson.h>
#include <p2ptrace/event.h>
#include <proto/event_table.h>
#include <stdbool.h>

struct export; /* below */

struct export_node {
    struct trace_node_id id;
    uint32_t number;         /* from 1, in the order of their first events */
    uint32_t pid;            /* 0: not known */
    char hex[2 * 32 + 1];    /* the id */
    char name[4 * 64];       /* valid UTF-8 without control characters; the beginning of the id when it has none */
    char json_name[6 * 256]; /* the same as a JSON string, with its quotes */
    uint64_t lost;           /* events known to be missing so far */
    void *own;               /* the format's; freed by free() in the end */
};

struct export_event {
    const struct trace_event *event;    /* timestamp in Unix ns */
    const struct trace_kind_info *kind; /* NULL: not known to this version */
    const char *kind_name;              /* TRACE_KIND_UNKNOWN_NAME then */
    struct export_node *node;           /* who emitted it */
    uint32_t lane;
    struct json_span text;                 /* the whole event as JSON, valid until the call returns */
    struct json_span app, command, fields; /* JSON, parts of the text: of an application's event; {NULL, 0} where not known */
};

/* Events are missing here. */
struct export_gap {
    uint64_t count;
    const struct export_event *lost; /* the events_lost event; NULL: they never came, */
    const char *why;   /* ... for they left the history before ("gone"), we read too slowly ("slow"), or were lost, and
                                        may not have matched ("hidden") */
    bool among_events; /* it matched the question itself, and so is one of the events */
};

enum export_target {
    EXPORT_FILE, /* one file: export->out */
    EXPORT_FILE_OR_DIRECTORY,
    EXPORT_DIRECTORY, /* export_open() makes files */
};

struct export_format {
    const char *name;   /* --format's */
    const char *suffix; /* of the file: ".json"; "" for a directory */
    const char *doc;    /* a phrase for help: what opens it */
    enum export_target target;
    bool binary;        /* not for a terminal */
    unsigned follow_ms; /* --follow: how long an event may wait for others; 0: what is written has to be whole */
    size_t state_bytes; /* export->state has so many, zero at first */
    int (*begin)(struct export *export);
    int (*node)(struct export *export, struct export_node *node);
    int (*event)(struct export *export, const struct export_event *event);
    int (*gap)(struct export *export, const struct export_gap *gap);
    int (*flush)(struct export *export); /* --follow: what is held back goes to export->out */
    int (*end)(struct export *export);
    void (*fini)(struct export *export); /* frees what state holds; also after a failure */
};

/* What the user chose, and what is known of the whole. */
struct export_settings {
    const char *columns;            /* csv, tsv: "time,node,data.size"; NULL: the usual ones */
    const char *keylog;             /* pcapng: a file with QUIC's secrets; NULL: none */
    bool qvis_names;                /* qlog: names that qvis knows */
    const char *trace_id;           /* the one trace that is exported, 32 digits; NULL: not just one */
    const char *push;               /* otlp: the URL of a receiver; NULL: a file */
    bool follow;                    /* goes on for ever */
    uint64_t events_max;            /* no more than so many; 0: all */
    void (*note)(const char *line); /* something to tell the user, from any thread; or NULL */
    uint64_t exported_ns;           /* now, Unix time */
    int64_t boot_ns;                /* Unix time minus CLOCK_MONOTONIC, now */
    const json_t *traced;           /* the answer to hello, or NULL */
    const json_t *nodes;            /* the rows of `nodes`, or NULL */
    const json_t *apps;             /* of `apps`, or NULL */
};

struct export {
    const struct export_format *format;
    const struct export_settings *settings;
    struct failure *failure;
    void *state;
    struct writer *out; /* the one file; NULL for a directory */
    struct export_node **nodes;
    size_t node_count;
    uint64_t events, lost, evicted; /* so far */
    uint64_t first_ns, last_ns;     /* of the events and losses so far; 0: none */
    struct export_internal *internal;
};

/* A file of a directory; appends to it if it was opened before, so that any number of files takes few descriptors.  name has
 * no '/'.  The writer is good until the next call.  NULL with the failure. */
struct writer *export_open(struct export *export, const char *name);

/* The name of a node, also of one without events; NULL when nothing is known of it. */
const char *export_node_name(const struct export *export, const struct trace_node_id *id);

/* "Out of memory".  Returns -1 always. */
int export_out_of_memory(struct export *export);

/* ---- pieces that formats share ------------------------------------------------------------------------------------------- */

/* Each writes at `out`, without a NUL, and returns the end. */

/* Digits of a whole number, above 2^63 - 1 too.  At most 20. */
char *put_u64(char *out, uint64_t number);

/* ns / 10^digits with all its decimals: put_fixed(out, 1500, 3) is "1.500". */
char *put_fixed(char *out, uint64_t number, unsigned digits);

static inline char *put_bytes(char *out, const char *text, size_t bytes) {
    __builtin_memcpy(out, text, bytes);
    return out + bytes;
}
#define PUT(out, literal) put_bytes(out, literal, sizeof literal - 1)

/* Text up to a NUL. */
static inline char *put_text(char *out, const char *text) { return put_bytes(out, text, __builtin_strlen(text)); }

static inline char *put_span(char *out, struct json_span span) { return put_bytes(out, span.text, span.bytes); }

/* A whole JSON string's content, without its quotes. */
static inline char *put_inner(char *out, struct json_span string) { return put_bytes(out, string.text + 1, string.bytes - 2); }

/* 2 digits for each byte. */
char *put_hex(char *out, const void *bytes, size_t count);

/* What the event is about, as the content of a JSON string: "DataMap GET_CHUNK", else "DMAP 2", else the kind's name.  At most
 * EXPORT_TITLE_MAX bytes. */
#define EXPORT_TITLE_MAX 512
char *put_title(char *out, const struct export_event *event);

bool trace_id_is_zero(const struct trace_id *id);
static inline bool event_has_peer(const struct export_event *event) { return event->event->flags & TRACE_FLAG_HAS_PEER; }

#endif
