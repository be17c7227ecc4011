/* SPDX-License-Identifier: MIT
 *
 * Selects whole traces by a filter of traces (docs/filter.md), and finds their names: for `traces` and `requests`.  Any thread
 * that RCU knows. */
#ifndef STORE_TRACE_SIEVE_H
#define STORE_TRACE_SIEVE_H

#include <p2ptrace/app.h>
#include <proto/filter.h>
#include <store/store.h>

/* "ok", "failed", "expired", "open" or "none". */
const char *trace_outcome_name(enum history_outcome outcome);

/* The names of a trace's application and command, from the node that began it; "" if it registered none. */
struct trace_names {
    char app[sizeof((struct trace_app *)0)->name + 1];
    char command[sizeof((struct trace_app_command_name *)0)->name + 1];
};
void trace_names_find(const struct store *store, const struct history_trace *trace, struct trace_names *ret_names);

struct trace_sieve {
    const struct store *store;
    const struct trace_filter *filter;   /* made for traces */
    const struct alias_picture *aliases; /* or NULL */
    uint64_t now_ns;
    struct trace_filter_tally tally; /* of the trace at hand */
    struct history_work *work;       /* where it adds what it took */
};

/* history_trace_test's see and keep; the context is a sieve. */
void trace_sieve_see(void *context, const struct trace_event *event, history_source source);
bool trace_sieve_keep(void *context, const struct history_trace *trace);

#endif
