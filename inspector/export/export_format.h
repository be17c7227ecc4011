/* SPDX-License-Identifier: MIT
 *
 * An export format: up to seven functions, one line in formats.def and one in meson.build.  For example:
 *
 *     static int event(struct export *export, const struct export_event *event) {
 *         writer_printf(export->out, "%s did %s\n", event->node->name, event->kind_name);
 *         return 0;
 *     }
 *     const struct export_format export_format_lines = {
 *         .name = "lines", .suffixes = ".txt", .doc = "a line for each event", .event = event,
 *     };
 *
 * Calls come in this order: begin; then for each event, in time order: node, if it is the node's first, and event; gap where
 * events are missing; flush now and then with --follow; end; fini.  A function may be NULL.  All but fini return 0, or -1 with
 * export->failure.
 *
 * Rules: memory does not grow with the number of events, only with what is open (spans, connections) or named (nodes, traces).
 * docs/exports.md says what a format cannot carry.  The output is well-formed, whatever a node wrote. */
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
    char name[4 * 64];       /* valid UTF-8 without control characters; without a name, the beginning of the id */
    char json_name[6 * 256]; /* the same as a JSON string, with quotes */
    uint64_t lost;           /* events known to be missing so far */
    void *own;               /* belongs to the format; freed by free() at the end */
};

struct export_event {
    const struct trace_event *event;    /* timestamp in Unix ns */
    const struct trace_kind_info *kind; /* NULL: not known to this version */
    const char *kind_name;              /* TRACE_KIND_UNKNOWN_NAME if not known */
    struct export_node *node;           /* the node that emitted it */
    uint32_t lane;
    struct json_span text;                 /* the whole event as JSON, valid until the call returns */
    struct json_span app, command, fields; /* JSON, parts of the text: of an application's event; {NULL, 0} where not known */
};

/* Events are missing here. */
struct export_gap {
    uint64_t count;
    const struct export_event *lost; /* the events_lost event; NULL: they never came, */
    const char *why;   /* ... because they had left the history ("gone"), we read too slowly ("slow"), or they were lost
                                        and may not have matched ("hidden") */
    bool among_events; /* the events_lost event matched the question, and is among the events */
};

enum export_target {
    EXPORT_FILE, /* one file: export->out */
    EXPORT_FILE_OR_DIRECTORY,
    EXPORT_DIRECTORY, /* export_open() creates files */
};

struct export_format {
    const char *name;     /* value of --format */
    const char *suffixes; /* -o FILE with one of these endings chooses it without --format: ".json .js"; NULL: none */
    const char *doc;      /* a phrase for help: which program opens it */
    const char *carried;  /* the only events that it can carry, in words; NULL: all */
    bool (*carries)(const struct export_event *event); /* is it one of these? */
    enum export_target target;
    bool binary;        /* unsuitable for a terminal */
    bool has_who;       /* it needs settings->who */
    unsigned follow_ms; /* --follow: how long an event may wait for others; 0: the output must be complete */
    size_t state_bytes; /* size of export->state, which is zeroed */
    int (*begin)(struct export *export);
    int (*node)(struct export *export, struct export_node *node);
    int (*event)(struct export *export, const struct export_event *event);
    int (*gap)(struct export *export, const struct export_gap *gap);
    int (*flush)(struct export *export); /* --follow: writes what was held back to export->out */
    int (*end)(struct export *export);
    void (*fini)(struct export *export); /* frees the state; also after a failure */
};

/* What the user chose, and facts about the whole export. */
struct export_settings {
    const char *columns;            /* csv, tsv: "time,node,data.size"; NULL: the default */
    const char *keylog;             /* pcapng: a file with QUIC secrets; NULL: none */
    bool qvis_names;                /* qlog: names that qvis knows */
    const char *trace_id;           /* the only trace that is exported, 32 digits; NULL: several */
    const char *push;               /* otlp: the URL of a receiver; NULL: a file */
    bool follow;                    /* does not end */
    bool terminal;                  /* the output is one: what could change its state is escaped */
    uint64_t events_max;            /* export at most this many; 0: all */
    void (*note)(const char *line); /* reports a line to the user, from any thread; or NULL */
    uint64_t exported_ns;           /* now, Unix time */
    int64_t boot_ns;                /* Unix time minus CLOCK_MONOTONIC, now */
    const json_t *traced;           /* the answer to hello, or NULL */
    const json_t *nodes;            /* the rows of `nodes`, or NULL */
    const json_t *apps;             /* of `apps`, or NULL */
    const json_t *who;              /* of `who`, or NULL */
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
    uint64_t carried, omitted;      /* of the events, those that the format can and cannot carry, without events_lost */
    uint64_t first_ns, last_ns;     /* of the events and losses so far; 0: none */
    struct export_internal *internal;
};

/* Opens a file of a directory; appends if it was opened before, so that few descriptors serve any number of files.  name has no
 * '/'.  The writer is valid until the next call.  Returns NULL with the failure. */
struct writer *export_open(struct export *export, const char *name);

/* A node, even one without events; NULL when it is not known. */
const struct export_node *export_node_of(const struct export *export, const struct trace_node_id *id);

/* Has it a name of its own, and not just the beginning of its id? */
bool export_node_is_named(const struct export_node *node);

/* The name of a node, even of one without events; NULL when the node is not known. */
const char *export_node_name(const struct export *export, const struct trace_node_id *id);

/* "out of memory".  Always returns -1. */
int export_out_of_memory(struct export *export);

/* ---- pieces that formats share ------------------------------------------------------------------------------------------- */

/* Each writes at `out`, without a NUL, and returns the end. */

/* A whole number, also above 2^63 - 1.  At most 20 digits. */
char *put_u64(char *out, uint64_t number);

/* ns / 10^digits with all its decimals: put_fixed(out, 1500, 3) is "1.500". */
char *put_fixed(char *out, uint64_t number, unsigned digits);

/* The same, signed, of the time since base_ns. */
char *put_since(char *out, uint64_t now_ns, uint64_t base_ns, unsigned digits);

static inline char *put_bytes(char *out, const char *text, size_t bytes) {
    __builtin_memcpy(out, text, bytes);
    return out + bytes;
}
#define PUT(out, literal) put_bytes(out, literal, sizeof literal - 1)

/* Text up to a NUL. */
static inline char *put_text(char *out, const char *text) { return put_bytes(out, text, __builtin_strlen(text)); }

static inline char *put_span(char *out, struct json_span span) { return put_bytes(out, span.text, span.bytes); }

/* The content of a whole JSON string, without its quotes. */
static inline char *put_inner(char *out, struct json_span string) { return put_bytes(out, string.text + 1, string.bytes - 2); }

/* 2 digits for each byte. */
char *put_hex(char *out, const void *bytes, size_t count);

/* The event's title, as the content of a JSON string: "DataMap GET_CHUNK", or "DMAP 2", or the name of the kind.  At most
 * EXPORT_TITLE_MAX bytes. */
#define EXPORT_TITLE_MAX 512
char *put_title(char *out, const struct export_event *event);

/* The last members of a JSON object: ,"trace_id":"...","peer_id":"...","lane":0,"sequence":0.  The ids only if it has them. */
char *put_origin(char *out, const struct export_event *event);

bool trace_id_is_zero(const struct trace_id *id);
static inline bool event_has_peer(const struct export_event *event) { return event->event->flags & TRACE_FLAG_HAS_PEER; }

#endif
