/* SPDX-License-Identifier: MIT */
#include "push.h"

#include "http.h"
#include "json_get.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <proto/json_memory.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_PAUSE_MS 16000
#define LOOK_MS 50 /* a signal handler cannot wake the thread */
#define HURRY 1    /* `stop`: until hurry_end_ms */

struct body {
    char *bytes;
    size_t count;
};

struct push {
    struct http *http;
    char *url;
    bool gzip;
    bool patient;
    void (*note)(const char *line);
    bool noted_rejected;
    bool started; /* the thread runs */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Protected by the mutex. */
    struct body queue[PUSH_QUEUE];
    unsigned queued;
    bool busy;     /* a body is being sent */
    bool finished; /* no more will come */
    bool failed, abandoned;
    struct failure failure;
    struct push_result result;
};

/* Signal handlers write these. */
static atomic_int stop;                        /* 0, HURRY or HTTP_STOP_NOW */
static _Atomic uint64_t hurry_end_ms;          /* written before stop is HURRY */
static uint64_t planned_end_ms = WAIT_FOREVER; /* written before the thread starts */

void push_interrupt(void) { stop = HTTP_STOP_NOW; }

void push_hurry(void) {
    if (stop) return;
    hurry_end_ms = trace_now_monotonic_ms() + PUSH_HURRY_MS;
    stop = HURRY;
}

void push_plan_end(uint64_t end_ms) { planned_end_ms = end_ms; }

/* The caller may be waiting for us when its time ends. */
static void hurry_if_due(void) {
    if (trace_now_monotonic_ms() >= planned_end_ms) push_hurry();
}

static void note(const struct push *push, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct push *push, const char *format, ...) {
    char line[600];
    va_list args;
    if (!push->patient || !push->note) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    push->note(line);
}

/* ---- the receiver ------------------------------------------------------------------------------------------------------- */

static void copy_printable(char *out, size_t room, const char *text) {
    size_t i = 0;
    for (; text[i] && i < room - 1; i++) out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[i] = 0;
}

/* {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}} */
static void read_answer(struct push *push, const struct http_answer *said) {
    json_t *answer = trace_json_loadb(said->text, said->text_bytes, 0, NULL),
           *partial = json_object_get(answer, "partialSuccess");
    const char *message = json_get_text(partial, "errorMessage"), *digits = json_get_text(partial, "rejectedSpans");
    uint64_t rejected = digits ? strtoull(digits, NULL, 10) : json_get_count(partial, "rejectedSpans");
    pthread_mutex_lock(&push->mutex);
    push->result.bodies++;
    push->result.rejected += rejected;
    if (message && *message) copy_printable(push->result.message, sizeof push->result.message, message);
    pthread_mutex_unlock(&push->mutex);
    if (rejected && !push->noted_rejected) {
        push->noted_rejected = true;
        note(push, "the receiver rejects spans%s%s; the end will say how many", *push->result.message ? ": " : "",
             push->result.message);
    }
    json_decref(answer);
}

/* Waits while `stop` is `before`: when it changes, so does the time that is left.  Returns true if we must end now. */
static bool pause_push(uint64_t ms, int before) {
    uint64_t end_ms = trace_now_monotonic_ms() + ms;
    while (stop == before && before != HTTP_STOP_NOW && trace_now_monotonic_ms() < end_ms) {
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
        hurry_if_due();
    }
    return stop == HTTP_STOP_NOW;
}

/* When to give up a body that was tried first at begin_ms. */
static uint64_t patience_end_ms(const struct push *push, uint64_t begin_ms) {
    if (stop == HURRY) return hurry_end_ms;
    return push->patient ? UINT64_MAX : begin_ms + PUSH_PATIENCE_MS;
}

/* Decides whether to repeat an attempt, and when.  Returns 0 after the pause, or -1 with the failure. */
static int wait_again(struct push *push, uint64_t begin_ms, uint64_t tries, struct http_backoff *backoff,
                      const struct http_answer *answer, struct failure *failure) {
    int before = stop; /* what end_ms is right for */
    uint64_t wait_ms = http_backoff_next(backoff, answer->retry_after_s), now_ms = trace_now_monotonic_ms(),
             end_ms = patience_end_ms(push, begin_ms);
    if (!push->patient && answer->retry_after_s > PUSH_PATIENCE_MS / 1000)
        return failure_set(failure, EXIT_FAILED, "cannot push: %s; it asks for %" PRIu64 " s", answer->reason,
                           answer->retry_after_s);
    if (now_ms >= end_ms || wait_ms > end_ms - now_ms)
        return failure_set(failure, EXIT_FAILED, "cannot push after %" PRIu64 " %s: %s", tries, tries == 1 ? "try" : "tries",
                           answer->reason);
    if (tries == 1) note(push, "the receiver does not answer: %s; trying again until it does", answer->reason);
    return pause_push(wait_ms, before) ? failure_set(failure, EXIT_FAILED, "interrupted") : 0;
}

/* Sends a body once. */
static void attempt(struct push *push, const struct body *body, struct http_answer *ret_answer) {
    bool hurried = stop == HURRY;
    uint64_t now_ms = trace_now_monotonic_ms(), end_ms = hurry_end_ms;
    http_stop_on(push->http, &stop, !hurried ? PUSH_HURRY_MS : end_ms > now_ms ? end_ms - now_ms : 0);
    http_post(push->http, push->url, &(struct http_body){body->bytes, body->count, "application/json", push->gzip}, ret_answer);
}

/* Whether a refusal may be meant for the compression: only before any body has arrived. */
static bool may_be_gzip(const struct push *push, long status) {
    return push->gzip && (status == 400 || status == 415) && !push->result.bodies;
}

/* Sends a body until it has arrived.  Returns 0, or -1 with the failure. */
static int deliver(struct push *push, const struct body *body, struct failure *failure) {
    uint64_t begin_ms = trace_now_monotonic_ms(), failed = 0;
    struct http_backoff backoff;
    http_backoff_init(&backoff, LONGEST_PAUSE_MS);
    for (;;) {
        struct http_answer answer;
        hurry_if_due();
        attempt(push, body, &answer);
        if (answer.outcome == HTTP_ARRIVED) {
            if (failed) note(push, "the receiver answers again");
            return read_answer(push, &answer), 0;
        }
        if (stop == HTTP_STOP_NOW) return failure_set(failure, EXIT_FAILED, "interrupted");
        if (answer.outcome == HTTP_INVALID) return failure_set(failure, EXIT_FAILED, "cannot push: %s", answer.reason);
        if (answer.outcome == HTTP_REFUSED && !may_be_gzip(push, answer.status))
            return failure_set(failure, EXIT_FAILED, "the receiver refuses: %s", answer.reason);
        if (answer.outcome == HTTP_REFUSED)
            push->gzip = false;
        else if (wait_again(push, begin_ms, ++failed, &backoff, &answer, failure))
            return -1;
    }
}

static void *run(void *context) {
    struct push *push = context;
    pthread_mutex_lock(&push->mutex);
    for (;;) {
        while (!push->queued && !push->finished && !push->abandoned) pthread_cond_wait(&push->changed, &push->mutex);
        if (!push->queued || push->abandoned || push->failed) break;
        struct body body = push->queue[0];
        struct failure failure;
        memmove(push->queue, push->queue + 1, --push->queued * sizeof *push->queue);
        push->busy = true;
        pthread_cond_broadcast(&push->changed);
        pthread_mutex_unlock(&push->mutex);
        int result = deliver(push, &body, &failure);
        free(body.bytes);
        pthread_mutex_lock(&push->mutex);
        push->busy = false;
        if (result) push->failed = true, push->failure = failure;
        pthread_cond_broadcast(&push->changed);
    }
    pthread_mutex_unlock(&push->mutex);
    return NULL;
}

/* ---- the caller's side ----------------------------------------------------------------------------------------------------- */

/* Adds /v1/traces to a URL without a path.  Returns NULL if it is not a URL of http or https. */
static char *complete_url(const char *url) {
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    char *complete;
    bool http = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
    if (!http || !host[3]) return NULL;
    return asprintf(&complete, "%s%s", url, !path ? "/v1/traces" : path[1] ? "" : "v1/traces") < 0 ? NULL : complete;
}

int push_create(struct push **ret_push, const struct push_wish *wish, struct failure *failure) {
    const struct http_settings settings = {0};
    char *complete = complete_url(wish->url);
    struct push *push = calloc(1, sizeof *push);
    stop = 0;
    hurry_end_ms = 0;
    if (!complete || !push) {
        bool memory = !push;
        free(complete);
        free(push);
        if (memory) return failure_out_of_memory(failure);
        return failure_set(failure, EXIT_USAGE, "--push %s: a URL like http://localhost:4318 is expected", wish->url);
    }
    push->url = complete;
    push->gzip = true;
    push->patient = wish->patient;
    push->note = wish->note;
    pthread_mutex_init(&push->mutex, NULL);
    pthread_cond_init(&push->changed, NULL);
    int result = http_open(&push->http, &settings, failure);
    if (!result && pthread_create(&push->thread, NULL, run, push))
        result = failure_set(failure, EXIT_FAILED, "cannot start a thread");
    push->started = !result;
    if (result) push_destroy(push);
    if (!result) *ret_push = push;
    return result;
}

int push_send(struct push *push, char *body, size_t bytes) {
    pthread_mutex_lock(&push->mutex);
    while (push->queued == PUSH_QUEUE && !push->failed) pthread_cond_wait(&push->changed, &push->mutex);
    bool failed = push->failed;
    if (!failed) push->queue[push->queued++] = (struct body){body, bytes};
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->mutex);
    if (failed) free(body);
    return failed ? -1 : 0;
}

int push_finish(struct push *push, struct push_result *ret_result, struct failure *failure) {
    pthread_mutex_lock(&push->mutex);
    push->finished = true;
    pthread_cond_broadcast(&push->changed);
    while ((push->queued || push->busy) && !push->failed) pthread_cond_wait(&push->changed, &push->mutex);
    bool failed = push->failed;
    if (failed) *failure = push->failure;
    *ret_result = push->result;
    pthread_mutex_unlock(&push->mutex);
    return failed ? -1 : 0;
}

void push_destroy(struct push *push) {
    if (!push) return;
    pthread_mutex_lock(&push->mutex);
    push->abandoned = true;
    stop = HTTP_STOP_NOW;
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->mutex);
    if (push->started) pthread_join(push->thread, NULL);
    while (push->queued) free(push->queue[--push->queued].bytes);
    http_close(push->http);
    free(push->url);
    pthread_cond_destroy(&push->changed);
    pthread_mutex_destroy(&push->mutex);
    free(push);
}
