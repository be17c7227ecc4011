/* SPDX-License-Identifier: MIT
 *
 * See store/keep.h. */
#include "expression.h"
#include "trace_sieve.h"
#include <store/history_keep.h>
#include <store/keep.h>

#include <errno.h>
#include <stdlib.h>

struct keep {
    struct store *store;
    struct expression *expression;
};

/* now_ns: what relative times in the text count back from; it stays the same when names are looked up again. */
static int compile(const struct store *store, const char *text, uint64_t now_ns, struct expression **ret_expression,
                   struct trace_rpc_error *ret_error) {
    return expression_create(ret_expression, store, "keep", text, TRACE_FILTER_TRACES, false, now_ns, ret_error);
}

int keep_create(struct keep **ret_keep, struct store *store, const char *text, void (*due)(void *arg), void *arg,
                struct trace_rpc_error *ret_error) {
    struct keep *keep = calloc(1, sizeof *keep);
    if (!keep) return trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    keep->store = store;
    int error = compile(store, text, store_now_ns(store), &keep->expression, ret_error);
    if (!error) {
        error = history_keep_begin(store->history, due, arg);
        if (error) trace_rpc_fail(ret_error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    }
    if (error)
        keep_destroy(keep);
    else
        *ret_keep = keep;
    return error;
}

void keep_destroy(struct keep *keep) {
    if (!keep) return;
    expression_destroy(keep->expression);
    free(keep);
}

/* Nodes have come that a name in the text may mean.  Without memory the old meaning stays until the next time. */
static void renew(struct keep *keep) {
    struct trace_rpc_error error = {0};
    struct expression *anew;
    if (!expression_renewal_work(keep->expression)) return;
    if (compile(keep->store, keep->expression->text, keep->expression->now_ns, &anew, &error)) {
        trace_rpc_error_fini(&error);
        return;
    }
    expression_destroy(keep->expression);
    keep->expression = anew;
}

void keep_judge(struct keep *keep, const _Atomic bool *abandoned) {
    renew(keep);
    struct history_work work = {.abandoned = abandoned};
    struct trace_sieve sieve = {.store = keep->store,
                                .filter = keep->expression->filter,
                                .aliases = keep->expression->aliases,
                                .now_ns = store_now_ns(keep->store),
                                .work = &work};
    const struct history_trace_test test = {&sieve, trace_sieve_see, trace_sieve_keep};
    (void)history_keep_judge(keep->store->history, &test, &work); /* if it ends early, the rest is judged next time */
}

const char *keep_text(const struct keep *keep) { return keep->expression->text; }
