/* SPDX-License-Identifier: MIT */
#include "source_store.h"

#include "json_get.h"
#include "refusal.h"
#include "replay.h"

#include <errno.h>
#include <poll.h>
#include <proto/clock.h>
#include <proto/json_memory.h>
#include <proto/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/ask.h>
#include <string.h>

struct source_store {
    struct source source;
    struct store *store;
    struct source_store_owner owner;
    bool following;
    struct replay replay;
    json_t *questions;        /* sent but not answered: [number, method, params] */
    int64_t number;           /* of the last of them */
    _Atomic bool interrupted; /* by a signal: the question under way ends, or the next one */
    char title[256];
};

static struct source_store *store_of(struct source *source) { return (struct source_store *)source; }

/* ---- answers ---- */

/* The answers that traced gives without its store.  NULL when out of memory. */
static json_t *hello_new(void) {
    json_t *names = json_pack("[ss]", "hello", "stats");
    ask_add_names(names);
    return json_pack("{s:s, s:s, s:i, s:o}", "name", "inspector", "version", P2PTRACE_VERSION, "protocol", TRACE_RPC_PROTOCOL,
                     "methods", names);
}

static json_t *stats_new(const struct source_store *source) {
    return json_pack("{s:o}", "history", answer_history(source->store));
}

static int ask_store(struct source_store *source, const char *method, const json_t *params, const struct source_apart *apart,
                     json_t **ret_result, struct failure *failure) {
    struct trace_text text = {.bytes_max = LINE_BYTES_MAX};
    struct trace_rpc_error error = {0};
    int failed = store_ask_unless(source->store, method, params, &source->interrupted, &text, &error);
    atomic_store(&source->interrupted, false);
    if (failed) {
        refusal_read(failure, error.code, error.message, error.data);
        trace_rpc_error_fini(&error);
        trace_text_fini(&text);
        return -1;
    }
    size_t bytes = apart ? apart_take(text.data, text.bytes, &apart->array, 1, apart->text) : text.bytes;
    *ret_result = trace_json_loadb(text.data, bytes, JSON_DECODE_ANY, NULL);
    trace_text_fini(&text);
    if (*ret_result && source->owner.annotate) source->owner.annotate(source->owner.owner, method, *ret_result);
    if (*ret_result && !(apart && apart->text->failed)) return 0;
    json_decref(*ret_result);
    return failure_out_of_memory(failure);
}

static int store_source_ask(struct source *base, const char *method, json_t *params_new, const struct source_apart *apart,
                            json_t **ret_result, struct failure *failure) {
    struct source_store *source = store_of(base);
    bool hello = !strcmp(method, "hello"), stats = !strcmp(method, "stats");
    int result = 0;
    if (hello || stats) {
        *ret_result = hello ? hello_new() : stats_new(source);
        if (!*ret_result) result = failure_out_of_memory(failure);
        if (!result && source->owner.annotate) source->owner.annotate(source->owner.owner, method, *ret_result);
    } else {
        result = ask_store(source, method, params_new, apart, ret_result, failure);
    }
    json_decref(params_new);
    return result;
}

/* ---- streams, and questions without waiting ---- */

static int store_source_follow(struct source *base, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    struct source_store *source = store_of(base);
    if (source->following) replay_fini(&source->replay);
    source->following = true;
    *ret_number = 0;
    return replay_init(&source->replay, base, params_new, failure);
}

static int store_source_send(struct source *base, const char *method, json_t *params_new, int64_t *ret_number,
                             struct failure *failure) {
    struct source_store *source = store_of(base);
    *ret_number = ++source->number;
    json_t *question = json_pack("[I, s, o?]", (json_int_t)source->number, method, params_new);
    return json_array_append_new(source->questions, question) ? failure_out_of_memory(failure) : 0;
}

/* Answers the oldest question. */
static enum source_event answer_question(struct source_store *source, struct source_news *news, struct failure *failure) {
    json_t *question = json_incref(json_array_get(source->questions, 0)), *params = json_array_get(question, 2);
    json_array_remove(source->questions, 0);
    news->number = json_integer_value(json_array_get(question, 0));
    if (source_ask(&source->source, json_string_value(json_array_get(question, 1)),
                   json_is_object(params) ? json_incref(params) : NULL, NULL, &news->value, failure))
        news->value = NULL;
    json_decref(question);
    return SOURCE_ANSWER;
}

static enum source_event wait_for_input(const struct source_store *source, uint64_t deadline_ms) {
    struct pollfd inputs[INPUTS_MAX];
    uint64_t now_ms = trace_now_monotonic_ms(), left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    for (unsigned i = 0; i < source->source.input_count; i++)
        inputs[i] = (struct pollfd){.fd = source->source.inputs[i], .events = POLLIN};
    int timeout = deadline_ms == WAIT_FOREVER ? -1 : left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
    int ready = poll(inputs, source->source.input_count, timeout);
    return ready > 0 || (ready < 0 && errno == EINTR) ? SOURCE_INPUT : SOURCE_TIME;
}

static enum source_event store_source_next(struct source *base, uint64_t deadline_ms, struct source_news *news,
                                           struct failure *failure) {
    struct source_store *source = store_of(base);
    if (json_array_size(source->questions)) return answer_question(source, news, failure);
    if (base->input_count) return wait_for_input(source, deadline_ms);
    if (!source->following) return SOURCE_ENDED;
    return source_pause(base, 0) ? SOURCE_OUTPUT_GONE : replay_next(&source->replay, news, failure);
}

static int store_source_watch_input(struct source *source, struct failure *failure) {
    (void)source, (void)failure; /* wait_for_input polls all of them */
    return 0;
}

static void store_source_interrupt(const struct source *base) {
    atomic_store(&((struct source_store *)(uintptr_t)base)->interrupted, true); /* lock-free, and so signal-safe */
}

static void store_source_close(struct source *base) {
    struct source_store *source = store_of(base);
    if (source->following) replay_fini(&source->replay);
    json_decref(source->questions);
    source->owner.close(source->owner.owner);
    free(source);
}

int source_store_open(struct source **ret_source, struct store *store, struct source_store_owner owner, const char *title,
                      struct failure *failure) {
    static const struct source_ops ops = {
        .can = SOURCE_ASK | SOURCE_FOLLOW | SOURCE_PAST,
        .ask = store_source_ask,
        .follow = store_source_follow,
        .next = store_source_next,
        .interrupt = store_source_interrupt,
        .close = store_source_close,
        .send = store_source_send,
        .watch_input = store_source_watch_input,
    };
    struct source_store *source = calloc(1, sizeof *source);
    json_t *questions = json_array();
    if (!source || !questions) {
        free(source);
        json_decref(questions);
        owner.close(owner.owner);
        return failure_out_of_memory(failure);
    }
    *source = (struct source_store){.store = store, .owner = owner, .questions = questions};
    snprintf(source->title, sizeof source->title, "%s", title);
    source_init(&source->source, &ops, source->title);
    source->source.now_ns = store_now_ns(store);
    *ret_source = &source->source;
    return 0;
}
