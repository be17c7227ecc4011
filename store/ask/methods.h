/* SPDX-License-Identifier: MIT
 *
 * The methods of the socket (docs/protocol.md, "Methods").
 *
 * A method has up to two halves.  `work` runs on a pool thread, so that nothing that walks the history or the node table holds
 * up the loop; it sees the service and the call, nothing of the client.  `finish` runs after it on the loop's thread, for what
 * belongs to the server: counters, subscriptions.  Before both, `small` may answer on the loop's thread what takes no longer than the way
 * to the pool and back; it gives up when it sees that it would.  A half writes the answer into call->out, or fills in call->error and returns
 * negative; then the next half does not run. */
#ifndef TRACED_METHODS_H
#define TRACED_METHODS_H

#include "service.h"
#include <proto/rpc.h>
#include <proto/text.h>

struct client;
struct subscription;

struct call {
    struct service *service;
    struct client *client; /* for `finish` */
    struct trace_rpc_request request;
    struct trace_text *out;
    struct trace_rpc_error error;
    bool short_of_memory;              /* that is why */
    const _Atomic bool *abandoned;     /* true: nobody wants the answer; whoever takes long looks now and then, and ends */
    int64_t subscription_next;         /* the number that a new subscription of this client gets */
    struct subscription *subscription; /* subscribe: made by `work`, taken by `finish` */
};

struct method {
    const char *name;
    int (*small)(struct call *call); /* or NULL; returns -EAGAIN, with nothing written, for what is `work` */
    int (*work)(struct call *call);
    int (*finish)(struct call *call);
    bool (*is_long)(const struct call *call); /* or NULL; may this request keep a worker for seconds? */
};

/* NULL when there is none of this name. */
const struct method *methods_find(const char *name);
/* An array of all names, for the error. */
json_t *methods_names(void);

/* Answers the call with a value; NULL (memory was short) is an internal error.  Returns 0. */
int methods_answer(struct call *call, json_t *result_new);

/* The halves, by file. */
int methods_hello(struct call *call);       /* methods.c, finish */
int methods_stats(struct call *call);       /* methods_stats.c, finish */
int methods_nodes(struct call *call);       /* methods_nodes.c, work */
int methods_apps(struct call *call);        /* methods_nodes.c, work */
int methods_control(struct call *call);     /* methods_control.c, work */
int methods_peers(struct call *call);       /* methods_summaries.c, work */
int methods_traces(struct call *call);      /* methods_summaries.c, work */
int methods_query(struct call *call);       /* methods_query.c, work */
int methods_query_small(struct call *call); /* methods_query.c, small */
int methods_count(struct call *call);       /* methods_count.c, work */
bool methods_count_is_long(const struct call *call);
bool methods_traces_is_long(const struct call *call); /* methods_summaries.c */
int methods_subscribe_work(struct call *call);        /* subscribe.c */
int methods_subscribe_finish(struct call *call);      /* subscribe.c */
int methods_unsubscribe(struct call *call);           /* subscribe.c, finish */

/* Sets `kinds` and `sample` of an answer: what a control word lets through.  methods_control.c */
void methods_set_control(json_t *object, uint64_t word);

/* A time param; absent (NULL) leaves *ret_ns as it is.  Returns 0 or -EINVAL with the error. */
int methods_read_time(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns,
                      struct trace_rpc_error *ret_error);

#endif
