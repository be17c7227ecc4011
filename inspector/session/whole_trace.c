/* SPDX-License-Identifier: MIT */
#include "whole_trace.h"

#include "beside.h"
#include "event_list.h"
#include "json_get.h"
#include "limits.h"
#include "pages.h"

#include <proto/rpc.h>

int whole_trace_ask(struct session *session, json_t *params_new, uint64_t events_max, bool chosen,
                    struct whole_trace *ret_trace) {
    *ret_trace = (struct whole_trace){0};
    if (pages_collect(&session->inquiry, params_new, events_max, &ret_trace->answer)) return -1;
    const json_t *first = json_array_get(json_get_array(ret_trace->answer, "events"), 0);
    const char *trace_id = json_get_hex(first, "trace_id", TRACE_DIGITS);
    if (!trace_id) return 0;
    if (json_object_set_new(ret_trace->answer, "trace_id", json_string(trace_id)) ||
        (chosen && json_object_set_new(ret_trace->answer, "chosen", json_true())))
        return session_out_of_memory(session);
    ret_trace->trace_id = json_get_text(ret_trace->answer, "trace_id");
    return 0;
}

int whole_trace_look_beside(struct session *session, struct whole_trace *trace) {
    if (beside_ask(session, trace->answer)) return -1;
    names_see(&session->names, trace->answer);
    return 0;
}

int whole_trace_time(struct session *session, struct whole_trace *trace) {
    json_t *events = events_merge(json_get_array(trace->answer, "events"), json_get_array(trace->answer, "gaps"));
    if (!events || timeline_init(&trace->timeline, events, trace->answer, session->names.answer)) {
        json_decref(events);
        return session_out_of_memory(session);
    }
    trace->events = events;
    return 0;
}

int whole_trace_load(struct session *session, const char *trace_id, struct whole_trace *ret_trace) {
    json_t *params = json_pack("{s:s}", "trace_id", trace_id);
    if (whole_trace_ask(session, params, TIMELINE_EVENTS_MAX, false, ret_trace)) return -1;
    if (!ret_trace->trace_id) return 0;
    return whole_trace_look_beside(session, ret_trace) || whole_trace_time(session, ret_trace) ? -1 : 0;
}

int whole_trace_find(struct session *session, const char *trace_id, struct whole_trace *ret_trace) {
    if (!whole_trace_load(session, trace_id, ret_trace)) return 0;
    if (session->failure.rpc_code != TRACE_RPC_NOT_FOUND) return -1;
    session->failure = (struct failure){0};
    whole_trace_fini(ret_trace);
    return 0;
}

void whole_trace_fini(struct whole_trace *trace) {
    if (trace->events) timeline_fini(&trace->timeline);
    json_decref(trace->events);
    json_decref(trace->answer);
    *trace = (struct whole_trace){0};
}
