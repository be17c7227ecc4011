/* SPDX-License-Identifier: MIT */
#include "source_fleet.h"

#include "fleet_answers.h"
#include "fleet_stream.h"

#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLEET_PAUSE_MAX_MS 5000 /* between two attempts to reach the server */

struct source_fleet {
    struct source source;
    struct clickhouse *server;
    struct fleet_answers answers;
    struct fleet_stream stream;
    uint64_t timeout_ms; /* for an answer, which may take several requests */
    char title[320];
};

static const struct {
    const char *name;
    int (*answer)(struct fleet_question *question);
} methods[] = {
    {"query", fleet_answer_query},       {"count", fleet_answer_count}, {"traces", fleet_answer_traces},
    {"requests", fleet_answer_requests}, {"peers", fleet_answer_peers}, {"stats", fleet_answer_stats},
};

/* The store of the logs refuses invalid params, before ClickHouse has to search events. */
static int check_params(struct fleet_question *question) {
    static const char *const ids[] = {"trace_id", "peer_id", "cursor"};
    json_t *params = json_deep_copy(question->params), *result;
    if (!params) return failure_out_of_memory(question->failure);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (json_is_string(json_object_get(params, ids[i]))) json_object_del(params, ids[i]);
    if (source_ask(question->answers->logs, question->method, params, NULL, &result, question->failure)) return -1;
    json_decref(result);
    return 0;
}

static int fleet_source_ask(struct source *base, const char *method, json_t *params_new, const struct source_apart *apart,
                            json_t **ret_result, struct failure *failure) {
    struct source_fleet *fleet = (struct source_fleet *)base;
    struct http *http = clickhouse_http(fleet->server);
    json_t *params = params_new ? params_new : json_object();
    struct fleet_question question = {&fleet->answers, method, params, apart, ret_result, failure};
    int result = -1;
    size_t i;
    fleet->answers.questions++;
    http_answer_by(http, trace_now_monotonic_ms() + fleet->timeout_ms);
    for (i = 0; i < sizeof methods / sizeof *methods && strcmp(methods[i].name, method) != 0; i++) continue;
    if (!params)
        (void)failure_out_of_memory(failure);
    else if (json_object_get(params, "at"))
        failure_set(failure, EXIT_FAILED, "%s answers for all of its time: it knows no param at", fleet->title);
    else if (i == sizeof methods / sizeof *methods) /* nodes, apps, hello; it refuses methods that do not exist */
        result = fleet_ask_store(&question, fleet->answers.logs);
    else if (!strcmp(method, "stats") || !check_params(&question))
        result = methods[i].answer(&question);
    http_answer_by(http, 0);
    json_decref(params);
    return result;
}

static int fleet_source_follow(struct source *base, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    struct source_fleet *fleet = (struct source_fleet *)base;
    (void)ret_number;
    return fleet_stream_begin(&fleet->stream, &fleet->answers, params_new, failure);
}

static enum source_event fleet_source_next(struct source *base, uint64_t deadline_ms, struct source_news *news,
                                           struct failure *failure) {
    return fleet_stream_next(&((struct source_fleet *)base)->stream, base, deadline_ms, news, failure);
}

/* A connection is made for each request: it comes back when it answers one. */
static int fleet_source_reopen(struct source *base, uint64_t wait_ms, struct failure *failure) {
    struct source_fleet *fleet = (struct source_fleet *)base;
    struct http_backoff backoff;
    uint64_t begin_ms = trace_now_monotonic_ms();
    http_backoff_init(&backoff, FLEET_PAUSE_MAX_MS);
    for (;;) {
        struct fleet_places places;
        if (!fleet_places_read(&places, fleet->server, failure)) {
            fleet_places_fini(&places);
            return 0;
        }
        if (!failure->disconnected) return -1;
        uint64_t pause_ms = http_backoff_next(&backoff, 0), gone_ms = trace_now_monotonic_ms() - begin_ms;
        if (wait_ms != WAIT_FOREVER && gone_ms >= wait_ms) return -1;
        if (wait_ms != WAIT_FOREVER && pause_ms > wait_ms - gone_ms) pause_ms = wait_ms - gone_ms;
        if (source_pause(base, (int)pause_ms)) return failure_set(failure, EXIT_FAILED, "the output went away");
    }
}

static void fleet_source_close(struct source *base) {
    struct source_fleet *fleet = (struct source_fleet *)base;
    fleet_stream_fini(&fleet->stream);
    fleet_answers_fini(&fleet->answers);
    clickhouse_close(fleet->server);
    free(fleet);
}

/* ---- opening -------------------------------------------------------------------------------------------------------------- */

/* Reads what answers need. */
static int begin(struct source_fleet *fleet, struct failure *failure) {
    struct http *http = clickhouse_http(fleet->server);
    http_answer_by(http, trace_now_monotonic_ms() + fleet->timeout_ms);
    int result = fleet_answers_renew(&fleet->answers, failure);
    http_answer_by(http, 0);
    return result;
}

static int open_answers(struct source_fleet *fleet, uint64_t wait_ms, struct failure *failure) {
    uint64_t begin_ms = trace_now_monotonic_ms();
    for (bool noted = false;; noted = true) {
        if (!begin(fleet, failure)) return 0;
        uint64_t gone_ms = trace_now_monotonic_ms() - begin_ms;
        if (!failure->disconnected || gone_ms >= wait_ms) return -1;
        if (!noted) fleet->answers.note("the fleet does not answer; waiting for it");
        failure->disconnected = false;
        if (fleet_source_reopen(&fleet->source, wait_ms == WAIT_FOREVER ? wait_ms : wait_ms - gone_ms, failure)) return -1;
    }
}

int source_fleet_open(struct source **ret_source, const char *url, const struct clickhouse_settings *settings, bool correct,
                      uint64_t wait_ms, void (*note)(const char *text), struct failure *failure) {
    static const struct source_ops ops = {.can = SOURCE_ASK | SOURCE_FOLLOW | SOURCE_SHIPPED,
                                          .ask = fleet_source_ask,
                                          .follow = fleet_source_follow,
                                          .next = fleet_source_next,
                                          .reopen = fleet_source_reopen,
                                          .close = fleet_source_close};
    struct source_fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet) return failure_out_of_memory(failure);
    snprintf(fleet->title, sizeof fleet->title, "the fleet at %.300s", url);
    source_init(&fleet->source, &ops, fleet->title);
    int result = clickhouse_open(&fleet->server, url, settings, failure);
    fleet->answers.context.server = fleet->server;
    fleet->answers.title = fleet->title;
    fleet->answers.correct = correct;
    fleet->timeout_ms = settings->timeout_ms;
    fleet->answers.note = note;
    if (!result) result = open_answers(fleet, wait_ms, failure);
    if (result) {
        fleet_source_close(&fleet->source);
        return -1;
    }
    fleet->source.now_ns = fleet->answers.context.now_ns;
    *ret_source = &fleet->source;
    return 0;
}
