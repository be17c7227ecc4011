/* SPDX-License-Identifier: MIT
 *
 * `spread`: reads a trace with all traces linked to it, or the events with a key, and shows how it spread through the network. */
#include "commands.h"
#include "json_get.h"
#include "pages.h"
#include "render_spread.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define JOINED_MAX 256 /* traces joined by links or a key */

/* What was read, and what is still to be read. */
struct gathering {
    struct session *session;
    struct facts facts;
    json_t *traces; /* ids as members, in the order in which they were found */
    uint64_t left;  /* how many more events may be read */
    bool cut;
};

static json_t *filter_new(const char *text) { return json_pack("{s:s}", "filter", text); }

/* Reads events into the facts; on request, adds their traces to those to be read.  Steals params_new. */
static int read_events(struct gathering *gathering, json_t *params_new, bool take, bool want_traces) {
    json_t *answer;
    size_t i;
    const json_t *event;
    if (pages_collect(&gathering->session->inquiry, params_new, gathering->left, &answer)) return -1;
    const json_t *events = json_get_array(answer, "events");
    int failed = take && (facts_add(&gathering->facts, events) || facts_add(&gathering->facts, json_get_array(answer, "gaps")));
    if (take) gathering->left -= json_array_size(events) < gathering->left ? json_array_size(events) : gathering->left;
    gathering->cut |= json_get_bool(answer, "more");
    json_array_foreach(events, i, event) {
        const char *trace = json_get_hex(event, "trace_id", TRACE_DIGITS);
        const char *linked = json_get_hex(json_object_get(event, "data"), "linked_trace_id", TRACE_DIGITS);
        const char *found[] = {trace, json_get_kind(event) == TRACE_KIND_LINK ? linked : NULL};
        for (unsigned k = 0; want_traces && k < 2; k++) {
            if (!found[k] || json_object_get(gathering->traces, found[k])) continue;
            if (json_object_size(gathering->traces) < JOINED_MAX)
                failed |= json_object_set_new(gathering->traces, found[k], json_false());
            else
                gathering->cut = true;
        }
    }
    names_see(&gathering->session->names, answer);
    json_decref(answer);
    return failed ? session_out_of_memory(gathering->session) : 0;
}

/* Reads the traces not read yet, and those that links join to them, in either direction. */
static int read_traces(struct gathering *gathering) {
    char filter[128];
    int result = 0;
    bool again = true;
    while (!result && again) {
        const char *id;
        json_t *read;
        again = false;
        json_object_foreach(gathering->traces, id, read) {
            if (json_is_true(read)) continue;
            char trace[TRACE_DIGITS + 1];
            memcpy(trace, id, sizeof trace);
            again = true;
            json_object_set_new(gathering->traces, trace, json_true());
            if (!gathering->left) {
                gathering->cut = true;
                break;
            }
            result = read_events(gathering, json_pack("{s:s}", "trace_id", trace), true, true);
            snprintf(filter, sizeof filter, "link and linked_trace_id == %s", trace);
            if (!result) result = read_events(gathering, filter_new(filter), false, true);
            break; /* the object has changed */
        }
    }
    return result;
}

/* ---- what the argument means ---- */

/* Appends FIELD == "VALUE", and the user's --where. */
static int make_filter(struct session *session, struct strbuf *out, const char *field, size_t field_bytes, const char *value) {
    const char *where = session->options->texts[OPTION_WHERE], *quote = strchr(value, '"') ? "'" : "\"";
    if (strchr(value, '"') && strchr(value, '\''))
        return failure_set(&session->failure, EXIT_USAGE, "spread: a value cannot have both kinds of quotes");
    strbuf_add(out, field, field_bytes);
    strbuf_printf(out, " == %s%s%s", quote, value, quote);
    if (where) strbuf_printf(out, " and (%s)", where);
    return out->failed ? session_out_of_memory(session) : 0;
}

/* Reads the events that have that value in that field: for messages only these, for others their traces. */
static int read_key(struct gathering *gathering, const char *field, size_t field_bytes, const char *value) {
    struct session *session = gathering->session;
    struct strbuf filter = {0};
    bool message = field_bytes >= strlen("message_id") &&
                   !memcmp(field + field_bytes - strlen("message_id"), "message_id", strlen("message_id"));
    int result = make_filter(session, &filter, field, field_bytes, value);
    json_t *params = result ? NULL : session_filter_new(session);
    if (!result && (!params || json_object_set_new(params, "filter", json_string(strbuf_text(&filter)))))
        result = session_out_of_memory(session);
    if (!result)
        result = read_events(gathering, params, message, !message);
    else
        json_decref(params);
    if (!result && !message) result = read_traces(gathering);
    strbuf_fini(&filter);
    return result;
}

/* Appends the test for a trace id that begins with this. */
static int read_trace(struct gathering *gathering, const char *prefix) {
    if (read_events(gathering, session_filter_of_new(gathering->session, "trace_id", prefix), true, true)) return -1;
    const char *id = gathering->facts.count ? json_object_iter_key(json_object_iter(gathering->traces)) : NULL;
    if (!id) return 0;
    char filter[128], trace[TRACE_DIGITS + 1];
    memcpy(trace, id, sizeof trace);
    json_object_set_new(gathering->traces, trace, json_true());
    snprintf(filter, sizeof filter, "link and linked_trace_id == %s", trace);
    return read_events(gathering, filter_new(filter), false, true) ? -1 : read_traces(gathering);
}

static bool may_be_trace(const char *text) {
    size_t digits = strspn(text, "0123456789abcdefABCDEF");
    return digits && digits <= TRACE_DIGITS && !text[digits];
}

static bool may_be_number(const char *text) {
    if (!strncmp(text, "0x", 2)) return text[2] && !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")];
    return *text && !text[strspn(text, "0123456789")];
}

/* Does any trace id begin with that?  Returns 0 or -1. */
static int begins_trace(struct session *session, const char *digits, bool *ret_found) {
    char filter[64];
    json_t *answer;
    snprintf(filter, sizeof filter, "trace == %s", digits);
    if (session_ask(session, "query", json_pack("{s:s,s:i}", "filter", filter, "limit", 1), &answer)) return -1;
    *ret_found = json_array_size(json_get_array(answer, "events"));
    json_decref(answer);
    return 0;
}

/* Reads the argument: FIELD=VALUE; otherwise a trace; otherwise the id of a message.  *ret_key: the message or value, freed by
 * the caller; NULL for a trace. */
static int gather(struct gathering *gathering, const char *argument, char **ret_key) {
    struct session *session = gathering->session;
    const char *equals = strchr(argument, '=');
    struct strbuf key = {0};
    int result = 0;
    if (equals && equals > argument && equals[1]) {
        const char *value = equals + 1 + (equals[1] == '=');
        strbuf_printf(&key, "%.*s == %s", (int)(equals - argument), argument, value);
        result = read_key(gathering, argument, (size_t)(equals - argument), value);
    } else {
        bool trace = may_be_trace(argument), number = may_be_number(argument);
        if (trace && number) result = begins_trace(session, argument, &trace);
        if (!result && trace) {
            result = read_trace(gathering, argument);
        } else if (!result && number) {
            strbuf_printf(&key, "message_id == %s", argument);
            result = read_key(gathering, "message_id", strlen("message_id"), argument);
        } else if (!result) {
            result = failure_set(&session->failure, EXIT_USAGE,
                                 "spread %s: the beginning of a trace id, a message id, or FIELD=VALUE is expected", argument);
        }
    }
    if (!result && !gathering->facts.count) {
        struct strbuf filters = {0};
        bool filtered = question_describe(&filters, session->options);
        result = failure_set(&session->failure, EXIT_FAILED, "%s%s%sno event in the history %s %s%s%s",
                             key.bytes && !equals ? "no trace begins with " : "", key.bytes && !equals ? argument : "",
                             key.bytes && !equals ? ", and " : "", key.bytes ? "matches" : "belongs to a trace",
                             key.bytes ? strbuf_text(&key) : argument, filtered ? " and matches" : "", strbuf_text(&filters));
        strbuf_fini(&filters);
    }
    *ret_key = key.bytes && !result ? strdup(strbuf_text(&key)) : NULL;
    strbuf_fini(&key);
    return result;
}

/* ---- showing ---- */

static int show_spread(struct session *session, const struct facts *facts, const struct spread *spread,
                       const struct spread_about *about) {
    if (!options_want_data(session->options)) {
        render_spread(&session->output.text, &session->view, facts, spread, about);
        return 0;
    }
    json_t *object = spread_object_new(facts, spread, about);
    int result = object ? output_json(&session->output, object) : session_out_of_memory(session);
    json_decref(object);
    return result;
}

static size_t count_traces(const struct facts *facts) {
    size_t count = 0;
    bool *seen = calloc(intern_count(&facts->traces) + 1, sizeof *seen);
    for (size_t i = 0; seen && i < facts->count; i++) {
        unsigned trace = facts->items[i].trace;
        if (trace == NO_NUMBER || seen[trace]) continue;
        seen[trace] = true;
        count++;
    }
    free(seen);
    return count;
}

static int show(struct gathering *gathering, const char *key) {
    struct session *session = gathering->session;
    struct facts *facts = &gathering->facts;
    struct spread spread;
    json_t *nodes = NULL;
    bool *traced = NULL;
    bool one_key = key && !json_object_size(gathering->traces);
    if (facts_sort(facts)) return session_out_of_memory(session);
    if (session_ask(session, "nodes", NULL, &nodes)) return -1;
    names_learn(&session->names, nodes);
    traced = spread_traced_new(facts, nodes);
    json_decref(nodes);
    int result = !traced || spread_init(&spread, facts, traced, one_key) ? session_out_of_memory(session) : 0;
    if (!result) {
        const struct spread_about about = {.trace_id = key ? NULL : json_object_iter_key(json_object_iter(gathering->traces)),
                                           .key = key,
                                           .traces = count_traces(facts),
                                           .cut = gathering->cut};
        result = show_spread(session, facts, &spread, &about);
        spread_fini(&spread);
    }
    free(traced);
    return result;
}

int run_spread(struct session *session) {
    struct gathering gathering = {
        .session = session, .traces = json_object(), .left = option_number(session->options, OPTION_LIMIT, ANALYZE_EVENTS_MAX)};
    char *key = NULL;
    int result = gathering.traces ? gather(&gathering, session->options->args[1], &key) : session_out_of_memory(session);
    if (!result) result = show(&gathering, key);
    free(key);
    facts_fini(&gathering.facts);
    json_decref(gathering.traces);
    return result;
}
