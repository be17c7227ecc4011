/* SPDX-License-Identifier: MIT
 *
 * See trace_sieve.h. */
#include "trace_sieve.h"

#include "expression.h"

#include <store/answer.h>
#include <store/grace.h>
#include <string.h>

const char *trace_outcome_name(enum history_outcome outcome) {
    switch (outcome) {
    case HISTORY_OUTCOME_OPEN: return "open";
    case HISTORY_OUTCOME_OK: return "ok";
    case HISTORY_OUTCOME_FAILED: return "failed";
    case HISTORY_OUTCOME_EXPIRED: return "expired";
    default: return "none";
    }
}

void trace_names_find(const struct store *store, const struct history_trace *trace, struct trace_names *ret_names) {
    *ret_names = (struct trace_names){0};
    if (!trace->has_app) return;
    grace_read_lock();
    const struct node *node = nodes_at(store->nodes, trace->app_node);
    const struct trace_app *app = node ? nodes_app(node, trace->app_id) : NULL;
    if (app) memcpy(ret_names->app, app->name, sizeof app->name);
    for (unsigned i = 0; app && i < app->command_count && i < TRACE_APP_COMMANDS_MAX; i++) {
        if (app->commands[i].cmd != trace->cmd) continue;
        memcpy(ret_names->command, app->commands[i].name, sizeof app->commands[i].name);
        break;
    }
    grace_read_unlock();
}

void trace_sieve_see(void *context, const struct trace_event *event, history_source source) {
    struct trace_sieve *sieve = context;
    struct trace_filter_origin origin;
    expression_origin(sieve->store, sieve->aliases, trace_filter_uses(sieve->filter), event, source, &origin);
    uint64_t before = sieve->tally.work;
    trace_filter_tally_add(sieve->filter, &sieve->tally, event, &origin);
    sieve->work->done += sieve->tally.work - before;
}

bool trace_sieve_keep(void *context, const struct history_trace *trace) {
    static const enum trace_filter_outcome outcomes[] = {[HISTORY_OUTCOME_NONE] = TRACE_FILTER_OUTCOME_NONE,
                                                         [HISTORY_OUTCOME_OPEN] = TRACE_FILTER_OUTCOME_OPEN,
                                                         [HISTORY_OUTCOME_OK] = TRACE_FILTER_OUTCOME_OK,
                                                         [HISTORY_OUTCOME_FAILED] = TRACE_FILTER_OUTCOME_FAILED,
                                                         [HISTORY_OUTCOME_EXPIRED] = TRACE_FILTER_OUTCOME_EXPIRED};
    struct trace_sieve *sieve = context;
    struct trace_names names;
    struct trace_filter_summary summary = {.trace_id = trace->trace_id,
                                           .first_ns = trace->first_ns,
                                           .last_ns = trace->last_ns,
                                           .now_ns = sieve->now_ns,
                                           .events = trace->events,
                                           .packets_lost = trace->packets_lost,
                                           .nodes = answer_count_nodes(sieve->store, trace->nodes, trace->node_count),
                                           .peers = trace->peer_count,
                                           .outcome = outcomes[trace->outcome],
                                           .unfinished = trace->unfinished,
                                           .stepped = trace->stepped,
                                           .has_took = trace->has_took,
                                           .took_ns = trace->took_ns,
                                           .truncated = trace->truncated,
                                           .has_app = trace->has_app,
                                           .cmd = trace->cmd};
    memcpy(summary.app_id, trace->app_id, sizeof summary.app_id);
    trace_names_find(sieve->store, trace, &names);
    if (names.app[0]) summary.app = names.app;
    if (names.command[0]) summary.command = names.command;
    bool kept = trace_filter_decide(sieve->filter, &sieve->tally, &summary) == 1;
    sieve->tally = (struct trace_filter_tally){0};
    return kept;
}
