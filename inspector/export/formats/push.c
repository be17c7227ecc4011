/* SPDX-License-Identifier: MIT */
#include "push.h"

#include "json_get.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ANSWER_BYTES 65536 /* of an answer that are looked at */
#define FIRST_PAUSE_MS 500
#define LONGEST_PAUSE_MS 16000
#define CONNECT_TIMEOUT_MS 10000
#define ATTEMPT_TIMEOUT_MS 30000

struct body {
    char *bytes;
    size_t count;
};

struct push {
    CURL *curl;
    struct curl_slist *headers, *headers_gzip;
    bool gzip;
    bool patient;
    void (*note)(const char *line);
    bool noted_rejected;
    uint64_t hurry_end_ms; /* 0: there is no hurry */
    bool started;          /* the thread */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex. */
    struct body queue[PUSH_QUEUE];
    unsigned queued;
    bool busy;     /* a body is on its way */
    bool finished; /* no more will come */
    bool failed, abandoned;
    struct failure failure;
    struct push_result result;
    /* The thread's. */
    char answer[ANSWER_BYTES];
    size_t answer_bytes;
};

static volatile sig_atomic_t interrupted, hurried;

void push_interrupt(void) { interrupted = 1; }

void push_hurry(void) { hurried = 1; }

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

static size_t on_answer(char *bytes, size_t size, size_t count, void *context) {
    struct push *push = context;
    size_t room = sizeof push->answer - 1 - push->answer_bytes, taken = size * count < room ? size * count : room;
    memcpy(push->answer + push->answer_bytes, bytes, taken);
    push->answer_bytes += taken;
    return size * count; /* the rest is read and dropped */
}

static uint64_t patience_end_ms(struct push *push, uint64_t begin_ms);

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up) {
    struct push *push = context;
    (void)down_total, (void)down, (void)up_total, (void)up;
    pthread_mutex_lock(&push->mutex);
    bool stop = interrupted || push->abandoned;
    pthread_mutex_unlock(&push->mutex);
    return stop || (hurried && trace_now_monotonic_ms() >= patience_end_ms(push, 0));
}

static void copy_printable(char *out, size_t room, const char *text) {
    size_t i = 0;
    for (; text[i] && i < room - 1; i++) out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[i] = 0;
}

/* {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}} */
static void read_answer(struct push *push) {
    json_t *answer = json_loadb(push->answer, push->answer_bytes, 0, NULL), *partial = json_object_get(answer, "partialSuccess");
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

/* Returns a new body, or one without bytes when memory runs out. */
static struct body compress_body(const struct body *body) {
    z_stream stream = {0};
    struct body packed = {NULL, 0};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return packed; /* + 16: gzip */
    uLong room = deflateBound(&stream, body->count);
    packed.bytes = malloc(room);
    stream.next_in = (Bytef *)body->bytes;
    stream.avail_in = (uInt)body->count;
    stream.next_out = (Bytef *)packed.bytes;
    stream.avail_out = (uInt)room;
    if (packed.bytes && deflate(&stream, Z_FINISH) == Z_STREAM_END) packed.count = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

enum outcome { ARRIVED, AGAIN, UNPACKED, REFUSED };

/* Sends a body once.  *ret_pause_ms: what the receiver asks for, 0 for nothing.  reason: of what is not ARRIVED. */
static enum outcome attempt(struct push *push, const struct body *body, uint64_t *ret_pause_ms, char reason[256]) {
    struct body packed = push->gzip ? compress_body(body) : (struct body){NULL, 0};
    const struct body *sent = packed.count ? &packed : body;
    long status = 0;
    curl_off_t pause_s = 0;
    push->answer_bytes = 0;
    curl_easy_setopt(push->curl, CURLOPT_HTTPHEADER, packed.count ? push->headers_gzip : push->headers);
    curl_easy_setopt(push->curl, CURLOPT_POSTFIELDS, sent->bytes);
    curl_easy_setopt(push->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sent->count);
    CURLcode code = curl_easy_perform(push->curl);
    bool was_packed = packed.count;
    free(packed.bytes);
    *ret_pause_ms = 0;
    if (code != CURLE_OK) {
        snprintf(reason, 256, "%s", curl_easy_strerror(code));
        return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ? REFUSED : AGAIN;
    }
    curl_easy_getinfo(push->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) return ARRIVED;
    push->answer[push->answer_bytes] = 0;
    char said[128];
    copy_printable(said, sizeof said, push->answer);
    snprintf(reason, 256, "HTTP status %ld%s%s", status, *said ? ": " : "", said);
    if (status == 429 || status == 502 || status == 503 || status == 504) {
        curl_easy_getinfo(push->curl, CURLINFO_RETRY_AFTER, &pause_s);
        *ret_pause_ms = pause_s > 0 ? (uint64_t)pause_s * 1000 : 0;
        return AGAIN;
    }
    return was_packed && (status == 400 || status == 415) && !push->result.bodies ? UNPACKED : REFUSED;
}

/* Waits, unless it is over.  Returns true when it is. */
static bool pause_push(struct push *push, uint64_t ms) {
    uint64_t end_ms = trace_now_monotonic_ms() + ms;
    bool over = false, was_hurried = hurried;
    pthread_mutex_lock(&push->mutex);
    while (!(over = interrupted || push->abandoned) && trace_now_monotonic_ms() < end_ms && hurried == was_hurried) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50000000; /* a signal handler can't wake us */
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&push->changed, &push->mutex, &until);
    }
    pthread_mutex_unlock(&push->mutex);
    return over;
}

/* How long to try, from begin_ms on. */
static uint64_t patience_end_ms(struct push *push, uint64_t begin_ms) {
    uint64_t now_ms = trace_now_monotonic_ms();
    if (hurried && !push->hurry_end_ms) push->hurry_end_ms = now_ms + PUSH_HURRY_MS;
    if (hurried) return push->hurry_end_ms;
    return push->patient ? UINT64_MAX : begin_ms + PUSH_PATIENCE_MS;
}

/* After an attempt that may be made again: whether it is, and when.  Returns 0 after the pause, or -1 with the failure. */
static int wait_again(struct push *push, uint64_t begin_ms, uint64_t tries, uint64_t asked_ms, uint64_t pause_ms,
                      const char *reason, struct failure *failure) {
    uint64_t wait_ms = asked_ms ? asked_ms : pause_ms, now_ms = trace_now_monotonic_ms(),
             end_ms = patience_end_ms(push, begin_ms);
    if (!push->patient && asked_ms > PUSH_PATIENCE_MS)
        return failure_set(failure, EXIT_FAILED, "cannot push: %s; it asks for %" PRIu64 " s", reason, asked_ms / 1000);
    if (now_ms >= end_ms || wait_ms > end_ms - now_ms)
        return failure_set(failure, EXIT_FAILED, "cannot push after %" PRIu64 " %s: %s", tries, tries == 1 ? "try" : "tries",
                           reason);
    if (tries == 1) note(push, "the receiver does not answer: %s; trying again until it does", reason);
    return pause_push(push, wait_ms) ? failure_set(failure, EXIT_FAILED, "interrupted") : 0;
}

/* Sends a body until it has arrived.  Returns 0, or -1 with the failure. */
static int deliver(struct push *push, const struct body *body, struct failure *failure) {
    uint64_t begin_ms = trace_now_monotonic_ms(), pause_ms = FIRST_PAUSE_MS, asked_ms, failed = 0;
    char reason[256];
    for (;;) {
        enum outcome outcome = attempt(push, body, &asked_ms, reason);
        if (outcome == ARRIVED) {
            if (failed) note(push, "the receiver answers again");
            return read_answer(push), 0;
        }
        if (interrupted) return failure_set(failure, EXIT_FAILED, "interrupted");
        if (outcome == REFUSED) return failure_set(failure, EXIT_FAILED, "the receiver refuses: %s", reason);
        pthread_mutex_lock(&push->mutex);
        push->result.retries++;
        pthread_mutex_unlock(&push->mutex);
        if (outcome == UNPACKED) {
            push->gzip = false;
            continue;
        }
        if (wait_again(push, begin_ms, ++failed, asked_ms, pause_ms, reason, failure)) return -1;
        if (pause_ms < LONGEST_PAUSE_MS) pause_ms *= 2;
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

/* ---- whoever pushes ----------------------------------------------------------------------------------------------------- */

/* With /v1/traces where the URL has no path.  NULL when it is none. */
static char *complete_url(const char *url) {
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;
    char *complete;
    bool http = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
    if (!http || !host[3]) return NULL;
    return asprintf(&complete, "%s%s", url, !path ? "/v1/traces" : path[1] ? "" : "v1/traces") < 0 ? NULL : complete;
}

static int set_up(struct push *push, const char *url) {
    push->curl = curl_easy_init();
    push->headers = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
    push->headers_gzip = curl_slist_append(
        curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:"), "Content-Encoding: gzip");
    if (!push->curl || !push->headers || !push->headers_gzip) return -1;
    curl_easy_setopt(push->curl, CURLOPT_URL, url);
    curl_easy_setopt(push->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(push->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(push->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(push->curl, CURLOPT_USERAGENT, "p2ptrace");
    curl_easy_setopt(push->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(push->curl, CURLOPT_TIMEOUT_MS, (long)ATTEMPT_TIMEOUT_MS);
    curl_easy_setopt(push->curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(push->curl, CURLOPT_WRITEDATA, push);
    curl_easy_setopt(push->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(push->curl, CURLOPT_XFERINFODATA, push);
    curl_easy_setopt(push->curl, CURLOPT_NOPROGRESS, 0L);
    return 0;
}

int push_create(struct push **ret_push, const struct push_wish *wish, struct failure *failure) {
    char *complete = complete_url(wish->url);
    struct push *push = calloc(1, sizeof *push);
    interrupted = hurried = 0;
    if (!complete || !push) {
        bool memory = !push;
        free(complete);
        free(push);
        if (memory) return failure_out_of_memory(failure);
        return failure_set(failure, EXIT_USAGE, "--push %s: a URL like http://localhost:4318 is expected", wish->url);
    }
    push->gzip = true;
    push->patient = wish->patient;
    push->note = wish->note;
    pthread_mutex_init(&push->mutex, NULL);
    pthread_cond_init(&push->changed, NULL);
    int result = curl_global_init(CURL_GLOBAL_DEFAULT) || set_up(push, complete) ? failure_out_of_memory(failure) : 0;
    free(complete);
    if (!result && pthread_create(&push->thread, NULL, run, push))
        result = failure_set(failure, EXIT_FAILED, "no thread can be made");
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
    pthread_cond_broadcast(&push->changed);
    pthread_mutex_unlock(&push->mutex);
    if (push->started) pthread_join(push->thread, NULL);
    while (push->queued) free(push->queue[--push->queued].bytes);
    curl_slist_free_all(push->headers);
    curl_slist_free_all(push->headers_gzip);
    curl_easy_cleanup(push->curl);
    pthread_cond_destroy(&push->changed);
    pthread_mutex_destroy(&push->mutex);
    free(push);
}
