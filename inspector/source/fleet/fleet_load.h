/* SPDX-License-Identifier: MIT
 *
 * Loads events of a fleet into a store.
 *
 *     fleet_load_begin(&load, context, &failure)
 *     fleet_load_events(&load, &choice, &part, &failure)      for each part
 *     store = fleet_load_end(&load)
 *
 * Times are the shown ones (fleet_clocks.h).  A batch that was sent twice has duplicate rows until they are merged; only one of
 * each is loaded.  The same holds for an event that is in two recordings, because a traced that was restarted reads the rings
 * again. */
#ifndef INSPECTOR_FLEET_LOAD_H
#define INSPECTOR_FLEET_LOAD_H

#include "fleet_scope.h"

/* The limit of an answer: about 400 MB.  A question that needs more is refused. */
#define FLEET_LOAD_EVENTS_MAX 2000000U

struct fleet_load {
    const struct fleet_context *context;
    struct store *store;
    uint64_t events;
    uint64_t first_ns, last_ns; /* of them */
    struct fleet_stranger {     /* a log whose row has not arrived yet */
        struct trace_node_id node_id;
        uint64_t log_id;
        char host[FLEET_HOST_BYTES_MAX + 1];
        uint32_t index;
    } * strangers;
    size_t stranger_count;
};

/* Events for which the condition is true. */
struct fleet_choice {
    const char *condition;
    const char *first; /* true for few rows, and read before the other columns: "trace_id = ...", without `who`; NULL */
    bool rare;         /* look for them in rare_events, where those of its kinds are found at once */
    uint64_t kinds;    /* all are of these kinds (FLEET_KIND), so the columns of others are not read; 0: of any kind */
};

#define APP_KINDS "kind IN ('app_start','app_end','app_command')"
#define APP_KINDS_SET (FLEET_KIND(TRACE_KIND_APP_START) | FLEET_KIND(TRACE_KIND_APP_END) | FLEET_KIND(TRACE_KIND_APP_COMMAND))

/* Which of them to load. */
struct fleet_part {
    uint64_t limit;          /* at most this many */
    bool newest;             /* the newest; otherwise the oldest */
    bool all_or_none;        /* if there are more than the limit, none is loaded */
    bool by_time;            /* cut between two times, so that no event at cut_ns is loaded; otherwise cut anywhere */
    const char *limit_by;    /* "trace_id": only one event of each; NULL */
    uint64_t from_ns, to_ns; /* of the rows that are read, load those in [from, to); to 0: all */
    /* Results. */
    bool more;         /* the limit was reached */
    uint64_t cut_ns;   /* with more and by_time: only events before it were loaded, or, with newest, only events from it on */
    uint64_t first_ns; /* time of the oldest event loaded; 0: none */
    uint64_t loaded;
};

/* Begins with an empty store that knows the logs, and has the aliases of the context's.  Returns 0, or -1 with the failure. */
int fleet_load_begin(struct fleet_load *load, const struct fleet_context *context, struct failure *failure);

/* Loads events.  Returns 0, or -1 with the failure; then call fleet_load_drop. */
int fleet_load_events(struct fleet_load *load, const struct fleet_choice *choice, struct fleet_part *part,
                      struct failure *failure);

/* The same in two steps, for one who asks more at the same time: the statement, and the rows of its answer. */
void fleet_load_put(const struct fleet_load *load, const struct fleet_choice *choice, const struct fleet_part *part,
                    struct strbuf *sql);
int fleet_load_take(struct fleet_load *load, const struct fleet_choice *choice, struct row_reader rows, struct fleet_part *part,
                    struct failure *failure);

/* Corrects the time of an event. */
void fleet_load_correct(const struct fleet_context *context, struct fleet_event *event);

/* Reads an event with the columns of these kinds, and corrects its time.  Returns 0 or -EBADMSG. */
int fleet_load_read(const struct fleet_context *context, struct row_reader *reader, uint64_t kinds,
                    struct fleet_event *ret_event);

/* Appends one event, with its time as it is.  Returns 0 or a negative errno. */
int fleet_load_append(struct fleet_load *load, const struct fleet_event *event);

/* Adds one to a store that has the logs and those before it; at: how many those are.  Returns 0 or a negative errno. */
int fleet_load_add_stranger(const struct fleet_load *load, struct store *store, size_t at);

/* Are these one event, whichever recording has it? */
bool fleet_load_same(const struct fleet_event *one, const struct fleet_event *other);

/* Where the newest or oldest matching events are. */
struct fleet_near {
    const char *matching; /* the condition, without the time; "": all match */
    uint64_t limit;       /* so many rows are wanted */
    bool newest;
    uint64_t from_ns, to_ns; /* look in [from, to); to 0: no end.  Result: they are all here */
    bool cut;                /* result: these are not all that match, but all that are here */
    bool none;               /* result: none matches */
};

/* Finds them by their times alone, beginning at that end of the recordings.  `events` is sorted by peer, so the newest of all lie
 * apart: all columns of a whole day would be read for a page.  Leaves the bounds alone where there are few events.  Returns 0, or
 * -1 with the failure. */
int fleet_load_find_near(const struct fleet_context *context, struct fleet_near *near, struct failure *failure);

struct store *fleet_load_end(struct fleet_load *load);
void fleet_load_drop(struct fleet_load *load);

#endif
