/* SPDX-License-Identifier: MIT
 *
 * Filters of whole traces: by the trace's summary, and by how many of its events match each sub filter (proto/filter.h). */
#include "filter_internal.h"

#include <string.h>

enum answer { ANSWER_NO, ANSWER_MAYBE, ANSWER_YES };

void trace_filter_tally_add(const struct trace_filter *filter, struct trace_filter_tally *tally, const struct trace_event *event,
                            const struct trace_filter_origin *origin) {
    unsigned kind = filter__kind_index(event->kind);
    tally->events++;
    for (unsigned i = 0; i < filter->sub_count; i++)
        tally->matched[i] += filter__run(filter, filter->subs[i].entry[kind], event, origin, &tally->work);
}

static bool ask_sub(const struct filter_sub *sub, uint64_t matched, uint64_t events) {
    switch (sub->type) {
    case SUB_ANY: return matched != 0;
    case SUB_ALL: return matched == events;
    case SUB_COUNT: return (!sub->never && matched - sub->low <= sub->span) != sub->negated;
    }
    return false;
}

/* ---- the summary -------------------------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct trace_filter_summary *summary, enum filter_summary_field field) {
    switch (field) {
    case SUMMARY_FIRST: return summary->first_ns;
    case SUMMARY_LAST: return summary->last_ns;
    case SUMMARY_DURATION: return summary->last_ns - summary->first_ns;
    case SUMMARY_TOOK: return summary->took_ns;
    case SUMMARY_AGE: return summary->now_ns > summary->first_ns ? summary->now_ns - summary->first_ns : 0;
    case SUMMARY_EVENTS: return summary->events;
    case SUMMARY_NODES: return summary->nodes;
    case SUMMARY_PEERS: return summary->peers;
    case SUMMARY_PACKETS_LOST: return summary->packets_lost;
    case SUMMARY_OUTCOME: return summary->outcome;
    case SUMMARY_TRUNCATED: return summary->truncated;
    case SUMMARY_UNFINISHED: return summary->unfinished;
    case SUMMARY_CMD: return summary->cmd;
    case SUMMARY_TRACE:
    case SUMMARY_APP:
    case SUMMARY_COMMAND: break;
    }
    return 0;
}

static bool text_fits(const struct filter_value *value, bool glob, const char *text, size_t bytes) {
    if (!text) return false;
    return glob ? filter__glob(value->text, text, bytes) : value->bytes == bytes && !memcmp(value->text, text, bytes);
}

static bool name_fits(const struct filter_value *value, bool glob, const char *name) {
    return name && text_fits(value, glob, name, strlen(name));
}

static bool trace_fits(const struct filter_value *value, bool glob, const struct trace_id *trace_id) {
    char digits[2 * TRACE_ID_BYTES];
    if (!glob) return trace_id_prefix_matches(&value->prefix, trace_id->bytes);
    trace_hex_encode(digits, trace_id->bytes, sizeof trace_id->bytes);
    return filter__glob(value->text, digits, sizeof digits);
}

static bool value_fits(const struct filter_test *test, const struct filter_value *value,
                       const struct trace_filter_summary *summary) {
    switch (test->field.summary) {
    case SUMMARY_TRACE: return trace_fits(value, test->glob, &summary->trace_id);
    case SUMMARY_APP:
        return name_fits(value, test->glob, summary->app) ||
               text_fits(value, test->glob, summary->app_id, strnlen(summary->app_id, sizeof summary->app_id));
    case SUMMARY_COMMAND:
        if (value->is_null) return !summary->command;
        return (value->has_number && value->low == summary->cmd) || name_fits(value, test->glob, summary->command);
    default: return filter__in_range(value, number_of(summary, (enum filter_summary_field)test->field.summary));
    }
}

static bool has_field(const struct trace_filter_summary *summary, int field) {
    if (field == SUMMARY_TOOK) return summary->has_took;
    if (field == SUMMARY_DURATION) return !summary->stepped;
    return summary->has_app || (field != SUMMARY_APP && field != SUMMARY_COMMAND && field != SUMMARY_CMD);
}

static bool ask_test(const struct trace_filter *filter, const struct filter_test *test,
                     const struct trace_filter_summary *summary) {
    if (!has_field(summary, test->field.summary)) return false;
    bool fits = false;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count && !fits; i++)
        fits = value_fits(test, &filter->values[i], summary);
    return fits != test->negated;
}

/* ---- the decision ------------------------------------------------------------------------------------------------------- */

static enum answer ask(const struct trace_filter *filter, uint16_t node, const struct trace_filter_tally *tally,
                       const struct trace_filter_summary *summary) {
    const struct filter_node *at = &filter->nodes[node];
    switch ((enum filter_node_type)at->type) {
    case NODE_TEST: return ask_test(filter, &filter->tests[at->test], summary) ? ANSWER_YES : ANSWER_NO;
    case NODE_NOT: return ANSWER_YES - ask(filter, at->left, tally, summary);
    case NODE_AND:
    case NODE_OR: {
        enum answer left = ask(filter, at->left, tally, summary), right = ask(filter, at->right, tally, summary);
        return (left < right) == (at->type == NODE_AND) ? left : right;
    }
    case NODE_SUB:
        if (!tally) return ANSWER_MAYBE;
        return ask_sub(&filter->subs[at->sub], tally->matched[at->sub], tally->events) ? ANSWER_YES : ANSWER_NO;
    }
    return ANSWER_MAYBE;
}

int trace_filter_decide(const struct trace_filter *filter, const struct trace_filter_tally *tally,
                        const struct trace_filter_summary *summary) {
    enum answer answer = ask(filter, filter->root, tally, summary);
    return answer == ANSWER_MAYBE ? -1 : answer == ANSWER_YES;
}
