/* SPDX-License-Identifier: MIT */
#include "source.h"

#include <poll.h>
#include <proto/clock.h>
#include <stdio.h>
#include <string.h>

void source_init(struct source *source, const struct source_ops *ops, const char *title) {
    *source = (struct source){.ops = ops, .title = title, .output = -1};
}

void source_close(struct source *source) {
    if (source) source->ops->close(source);
}

/* Returns 0 when the source has the capability, else -1 with the sentence. */
static int require_capability(const struct source *source, unsigned capability, struct failure *failure) {
    const char *lacks = capability == SOURCE_ASK       ? "can only be followed: it answers no questions"
                        : capability == SOURCE_CONTROL ? "has no live nodes to control"
                                                       : "cannot be followed";
    if (source->ops->can & capability) return 0;
    return failure_set(failure, EXIT_FAILED, "%s %s", source->title, lacks);
}

int source_need_nodes(const struct source *source, const char *command, struct failure *failure) {
    if (!(source->ops->can & SOURCE_SHIPPED)) return 0;
    return failure_set(failure, EXIT_FAILED, "inspector %s needs live nodes: a fleet has none", command);
}

/* Remembers what a refused param was: who shows the failure looks for it on the command line. */
static void note_value(struct failure *failure, const json_t *params) {
    const json_t *value = *failure->param ? json_object_get(params, failure->param) : NULL;
    if (json_is_string(value)) snprintf(failure->value, sizeof failure->value, "%s", json_string_value(value));
    if (json_is_integer(value))
        snprintf(failure->value, sizeof failure->value, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

int source_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
               json_t **ret_result, struct failure *failure) {
    unsigned capability = !strcmp(method, "control") ? SOURCE_CONTROL : SOURCE_ASK;
    if (strcmp(method, "nodes") != 0 && require_capability(source, capability, failure)) {
        json_decref(params_new);
        return -1;
    }
    json_t *params = json_incref(params_new);
    int result = source->ops->ask(source, method, params_new, apart, ret_result, failure);
    if (result) note_value(failure, params);
    json_decref(params);
    return result;
}

int source_follow(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    int64_t number = 0;
    if (require_capability(source, SOURCE_FOLLOW, failure)) {
        json_decref(params_new);
        return -1;
    }
    json_t *params = json_incref(params_new);
    int result = source->ops->follow(source, params_new, &number, failure);
    if (result) note_value(failure, params);
    json_decref(params);
    if (!result && ret_number) *ret_number = number;
    return result;
}

enum source_event source_next(struct source *source, uint64_t deadline_ms, struct source_news *ret_news,
                              struct failure *failure) {
    *ret_news = (struct source_news){0};
    return source->ops->next(source, deadline_ms, ret_news, failure);
}

uint64_t source_now_ns(const struct source *source) { return source && source->now_ns ? source->now_ns : trace_now_unix_ns(); }

int source_reopen(struct source *source, uint64_t wait_ms, struct failure *failure) {
    if (source->ops->reopen) return source->ops->reopen(source, wait_ms, failure);
    return failure_set(failure, EXIT_FAILED, "%s does not come back", source->title);
}

pid_t source_stopped(const struct source *source) { return source->ops->stopped ? source->ops->stopped(source) : 0; }

void source_end_calls(struct source *source, uint64_t end_ms) {
    if (source->ops->end_calls) source->ops->end_calls(source, end_ms);
}

void source_interrupt(const struct source *source) {
    if (source->ops->interrupt) source->ops->interrupt(source);
}

void source_watch_output(struct source *source, int fd) {
    source->output = fd;
    if (source->ops->watch_output) source->ops->watch_output(source);
}

int source_watch_input(struct source *source, int fd, struct failure *failure) {
    if (!source->ops->watch_input || source->input_count == INPUTS_MAX)
        return failure_set(failure, EXIT_FAILED, "%s cannot wait for a keyboard", source->title);
    source->inputs[source->input_count++] = fd;
    return source->ops->watch_input(source, failure);
}

int source_send(struct source *source, const char *method, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    if (source->ops->send) return source->ops->send(source, method, params_new, ret_number, failure);
    json_decref(params_new);
    return failure_set(failure, EXIT_FAILED, "%s cannot answer while it waits for events", source->title);
}

/* When the reader of a pipe closes its end, poll reports POLLERR. */
bool source_pause(const struct source *source, int ms) {
    struct pollfd output = {.fd = source->output};
    return poll(&output, 1, ms) > 0 && output.revents & (POLLERR | POLLNVAL);
}
