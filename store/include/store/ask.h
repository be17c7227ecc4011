/* SPDX-License-Identifier: MIT
 *
 * The methods that a store answers: `query`, `count`, `traces`, `peers`, `nodes`, `apps`, `who` (docs/protocol.md, "Methods").
 *
 * A program calls store_ask().  A server, which must keep its loop free and whose clients may leave, uses the table instead. */
#ifndef STORE_ASK_H
#define STORE_ASK_H

#include <proto/rpc.h>
#include <store/store.h>

/* Answers one request.  params: an object, or NULL for none.  Appends to *out_result exactly the bytes that traced sends as
 * `result`; set out_result->bytes_max to bound them.  Returns 0; or a negative number with the error that traced sends in
 * *ret_error (zeroed before; end it with trace_rpc_error_fini), and *out_result as it was.  Enters the calling thread.  May
 * examine every event, which takes seconds. */
int store_ask(struct store *store, const char *method, const json_t *params, struct trace_text *out_result,
              struct trace_rpc_error *ret_error);

/* The same, but ends with -ECANCELED within some milliseconds after another thread or a signal handler has set *abandoned. */
int store_ask_unless(struct store *store, const char *method, const json_t *params, const _Atomic bool *abandoned,
                     struct trace_text *out_result, struct trace_rpc_error *ret_error);

/* ---- for servers --------------------------------------------------------------------------------------------------------- */

/* One request, as a method sees it. */
struct ask {
    struct store *store;
    json_t *params;               /* an object, or NULL; not changed */
    struct trace_text *out;       /* the result is appended */
    struct trace_rpc_error error; /* filled in when a method fails; the caller ends it */
    struct history_work work;     /* counts the work of the answer, and limits it; the caller sets `max` and `abandoned` */
};

struct ask_method {
    const char *name;
    /* Writes the result and returns 0; or fills in ask->error and returns a negative number, perhaps with part of a result
     * written.  -E2BIG and -ECANCELED, without an error: ask->work ended it.  Any registered RCU thread. */
    int (*answer)(struct ask *ask);
    /* Or NULL.  Answers requests that take no longer than handing them to another thread; for others it returns -EAGAIN with
     * nothing written. */
    int (*answer_small)(struct ask *ask);
    /* May this request examine the whole history, and so take seconds?  NULL: never. */
    bool (*is_long)(const struct ask *ask);
};

/* Calls `answer`, or `answer_small`; without memory for who is who, either is an error. */
int ask_run(const struct ask_method *method, struct ask *ask);
int ask_run_small(const struct ask_method *method, struct ask *ask);

/* NULL when the store has no method of this name. */
const struct ask_method *ask_find_method(const char *name);

/* Appends their names to an array. */
void ask_add_names(json_t *names);

/* Writes a whole result; NULL becomes the error that memory ran out.  Returns as a method does. */
int ask_answer(struct ask *ask, json_t *result_new);

/* The error when the whole answer does not fit into `out`.  Returns -EINVAL. */
int ask_fail_too_long(struct ask *ask);

#endif
