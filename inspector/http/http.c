/* SPDX-License-Identifier: MIT */
#include "http.h"

#include "limits.h"

#include <curl/curl.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <zlib.h>

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS 30000
#define FIRST_PAUSE_MS 500
#define RETRY_AFTER_MAX_S 86400 /* and its milliseconds never overflow */
#define POLL_MS 1000
#define PAUSE_STEP_MS 50 /* a signal may not end the sleep: another thread may have taken it */

/* One of the requests that run at the same time. */
struct exchange {
    struct http *http;
    CURL *curl;
    struct curl_slist *headers;
    void *packed; /* the body; NULL: it is sent as it is */
    CURLcode code;
    uint64_t bytes, moved_ms; /* how many went to and fro, and when the last did */
    uint64_t header_bytes;
    bool given_up; /* for lack of progress */
    char *answer;
    size_t answer_bytes, answer_room;
    bool too_long, no_memory;
    char error[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi; /* has the connections that are kept */
    struct exchange exchanges[HTTP_AT_ONCE_MAX];
    size_t exchange_count;                 /* made so far; the first has all settings, and the others are copies of it */
    size_t kept_max;                       /* of an answer; 0: HTTP_ANSWER_BYTES, and the rest is dropped */
    uint64_t timeout_ms, end_ms, stall_ms; /* as in the settings */
    uint64_t answer_ms;                    /* http_answer_by */
    bool (*is_alive)(void *context);
    void *context;
    const atomic_int *flag;
    uint64_t grace_ms;
    uint64_t stop_ms; /* when to give up running requests; 0: the flag was not seen yet */
};

/* ---- what curl calls ------------------------------------------------------------------------------------------------------ */

static size_t on_answer(char *bytes, size_t size, size_t count, void *context) {
    struct exchange *exchange = context;
    size_t taken = size * count;
    size_t kept_max = exchange->http->kept_max, left = (kept_max ? kept_max : HTTP_ANSWER_BYTES) - exchange->answer_bytes;
    exchange->too_long = kept_max && taken > left;
    if (exchange->too_long) return 0;
    if (taken > left) taken = left;
    if (exchange->answer_bytes + taken + 1 > exchange->answer_room) {
        size_t room = 2 * (exchange->answer_bytes + taken + 1);
        char *more = realloc(exchange->answer, room);
        exchange->no_memory = !more;
        if (!more) return 0;
        exchange->answer = more;
        exchange->answer_room = room;
    }
    memcpy(exchange->answer + exchange->answer_bytes, bytes, taken);
    exchange->answer_bytes += taken;
    return size * count; /* read and drop the rest */
}

/* A server may tell of its progress in headers. */
static size_t on_header(char *bytes, size_t size, size_t count, void *context) {
    (void)bytes;
    ((struct exchange *)context)->header_bytes += size * count;
    return size * count;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up) {
    struct exchange *exchange = context;
    struct http *http = exchange->http;
    uint64_t now_ms = trace_now_monotonic_ms(), bytes = exchange->header_bytes + (uint64_t)down + (uint64_t)up;
    int stop = http->flag ? *http->flag : 0;
    (void)down_total, (void)up_total;
    if (bytes != exchange->bytes) exchange->moved_ms = now_ms;
    exchange->bytes = bytes;
    if (exchange->given_up) return 1;
    if (!stop) return 0;
    if (!http->stop_ms) http->stop_ms = now_ms + http->grace_ms;
    return stop == HTTP_STOP_NOW || now_ms >= http->stop_ms;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------- */

static void set_up(CURL *curl, const struct http_settings *settings) {
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "p2ptrace");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(settings->connect_timeout_ms ? settings->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    if (settings->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, settings->ca_file);
}

/* Takes over the handle.  Returns 0, or -1 when out of memory. */
static int add_exchange(struct http *http, CURL *curl) {
    struct exchange *exchange = &http->exchanges[http->exchange_count];
    char *answer = malloc(HTTP_ANSWER_BYTES + 1);
    if (!curl || !answer) {
        curl_easy_cleanup(curl);
        free(answer);
        return -1;
    }
    *exchange = (struct exchange){.http = http, .curl = curl, .answer = answer, .answer_room = HTTP_ANSWER_BYTES + 1};
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->error);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, (char *)exchange);
    http->exchange_count++;
    return 0;
}

int http_open(struct http **ret_http, const struct http_settings *settings, struct failure *failure) {
    struct http *http = calloc(1, sizeof *http);
    if (http && !curl_global_init(CURL_GLOBAL_DEFAULT)) http->multi = curl_multi_init();
    if (!http || !http->multi || add_exchange(http, curl_easy_init())) {
        http_close(http);
        return failure_out_of_memory(failure);
    }
    http->timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS;
    http->end_ms = settings->end_ms;
    http->stall_ms = settings->stall_ms;
    http->is_alive = settings->is_alive;
    http->context = settings->context;
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_AT_ONCE_MAX);
    set_up(http->exchanges[0].curl, settings);
    *ret_http = http;
    return 0;
}

void http_close(struct http *http) {
    if (!http) return;
    for (size_t i = 0; i < http->exchange_count; i++) {
        curl_easy_cleanup(http->exchanges[i].curl);
        free(http->exchanges[i].answer);
    }
    curl_multi_cleanup(http->multi);
    free(http);
}

int http_login(struct http *http, const char *user, const char *password) {
    CURL *curl = http->exchanges[0].curl;
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    return curl_easy_setopt(curl, CURLOPT_USERNAME, user) || curl_easy_setopt(curl, CURLOPT_PASSWORD, password) ? -1 : 0;
}

void http_keep(struct http *http, size_t bytes) { http->kept_max = bytes; }

void http_stop_on(struct http *http, const atomic_int *flag, uint64_t grace_ms) {
    http->flag = flag;
    http->grace_ms = grace_ms;
}

/* ---- a request ------------------------------------------------------------------------------------------------------------ */

/* Returns the packed bytes, or NULL when out of memory: then the body is sent uncompressed. */
static void *pack(const struct http_body *body, size_t *ret_count) {
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return NULL; /* + 16: gzip */
    uLong room = deflateBound(&stream, body->count);
    void *packed = malloc(room);
    union {
        const void *in;
        Bytef *zlib; /* which does not write to it */
    } bytes = {body->bytes};
    stream.next_in = bytes.zlib;
    stream.avail_in = (uInt)body->count;
    stream.next_out = packed;
    stream.avail_out = (uInt)room;
    bool whole = packed && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *ret_count = stream.total_out;
    deflateEnd(&stream);
    if (whole) return packed;
    free(packed);
    return NULL;
}

static void copy_line(char *out, size_t room, const char *text) {
    size_t i = 0;
    for (; text[i] && text[i] != '\n' && i < room - 1; i++) out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
    out[i] = 0;
}

/* sent: part of the request was sent. */
static enum http_outcome outcome_of_code(CURLcode code, bool sent) {
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK: return HTTP_STOPPED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE: return HTTP_INVALID;
    case CURLE_PEER_FAILED_VERIFICATION: return HTTP_UNTRUSTED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR: return HTTP_AWAY;
    case CURLE_OPERATION_TIMEDOUT: return sent ? HTTP_SLOW : HTTP_AWAY;
    default: return HTTP_BROKEN;
    }
}

static enum http_outcome outcome_of_status(long status) {
    if (status >= 200 && status < 300) return HTTP_ARRIVED;
    return status == 429 || status == 502 || status == 503 || status == 504 ? HTTP_BUSY : HTTP_REFUSED;
}

static struct curl_slist *make_headers(const struct http_body *body, bool packed) {
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", body->type);
    struct curl_slist *headers = curl_slist_append(NULL, type), *more = headers ? curl_slist_append(headers, "Expect:") : NULL;
    if (more && packed) more = curl_slist_append(headers, "Content-Encoding: gzip");
    if (more) return headers;
    curl_slist_free_all(headers);
    return NULL;
}

/* The connection is there, so its address is known, but the handshake has not ended.  Some servers that expect HTTP wait for
 * the end of a word that a handshake may not have; others are too busy. */
static bool handshake_timed_out(CURL *curl, CURLcode code) {
    curl_off_t handshake_us = 0;
    long request_bytes = 0;
    char *scheme = NULL, *address = NULL;
    curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(curl, CURLINFO_SCHEME, &scheme);
    curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &address);
    return code == CURLE_OPERATION_TIMEDOUT && !handshake_us && !request_bytes && address && *address && scheme &&
           !strcasecmp(scheme, "https");
}

static void read_end(struct exchange *exchange, struct http_answer *answer) {
    CURL *curl = exchange->curl;
    CURLcode code = exchange->code;
    curl_off_t pause_s = 0;
    long request_bytes = 0;
    char said[160], *type = NULL;
    exchange->answer[exchange->answer_bytes] = 0;
    answer->text = exchange->answer;
    answer->text_bytes = exchange->answer_bytes;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &pause_s);
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    answer->is_page = type && !strncasecmp(type, "text/html", strlen("text/html"));
    if (pause_s > RETRY_AFTER_MAX_S) pause_s = RETRY_AFTER_MAX_S;
    answer->retry_after_s = pause_s > 0 ? (uint64_t)pause_s : 0;
    answer->outcome = code == CURLE_OK ? outcome_of_status(answer->status) : outcome_of_code(code, request_bytes > 0);
    if (answer->outcome == HTTP_ARRIVED) return;
    if (exchange->given_up) {
        answer->outcome = HTTP_SLOW;
        snprintf(answer->reason, sizeof answer->reason, "nothing came for %u s, and it does not answer others either",
                 (unsigned)(exchange->http->stall_ms / 1000));
        return;
    }
    if (exchange->too_long || exchange->no_memory) {
        answer->outcome = HTTP_TOO_LONG;
        snprintf(answer->reason, sizeof answer->reason, "%s %zu MiB",
                 exchange->too_long ? "more than" : "no memory for more than",
                 (exchange->too_long ? exchange->http->kept_max : exchange->answer_bytes) >> 20);
        return;
    }
    if (answer->outcome == HTTP_STOPPED) {
        copy_line(answer->reason, sizeof answer->reason, "no answer came in time");
        return;
    }
    /* The words of OpenSSL and of GnuTLS for bytes that are not a handshake. */
    if (code == CURLE_SSL_CONNECT_ERROR &&
        (strstr(exchange->error, "wrong version number") || strstr(exchange->error, "unexpected TLS packet")))
        answer->outcome = HTTP_NO_TLS;
    if (handshake_timed_out(curl, code)) answer->outcome = HTTP_SILENT;
    if (code == CURLE_SSL_CACERT_BADFILE) {
        copy_line(answer->reason, sizeof answer->reason, "the file of --ca cannot be read, or has no certificates");
        return;
    }
    if (code == CURLE_OUT_OF_MEMORY && request_bytes) { /* curl keeps 100 KiB of a header */
        copy_line(answer->reason, sizeof answer->reason, "a header of its answer is too long, or there is no memory for it");
        return;
    }
    if (code != CURLE_OK) {
        copy_line(answer->reason, sizeof answer->reason, *exchange->error ? exchange->error : curl_easy_strerror(code));
        return;
    }
    copy_line(said, sizeof said, exchange->answer);
    snprintf(answer->reason, sizeof answer->reason, "HTTP status %ld%s%s", answer->status, *said ? ": " : "", said);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* How long the next request may take; 0 would mean forever. */
static uint64_t time_left_ms(const struct http *http) {
    uint64_t now_ms = trace_now_monotonic_ms(), left_ms = http->timeout_ms;
    if (http->end_ms) left_ms = least(left_ms, http->end_ms > now_ms + CALL_GRACE_MS ? http->end_ms - now_ms : CALL_GRACE_MS);
    if (http->answer_ms) left_ms = least(left_ms, http->answer_ms > now_ms ? http->answer_ms - now_ms : 1);
    return left_ms;
}

/* The parts of an answer before these took all its time. */
static bool is_too_late(const struct http *http) { return http->answer_ms && trace_now_monotonic_ms() >= http->answer_ms; }

static void refuse_late(struct http_request *requests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct http_answer *answer = &requests[i].answer;
        *answer = (struct http_answer){.outcome = HTTP_SLOW, .text = ""};
        copy_line(answer->reason, sizeof answer->reason, "the answer takes longer than it may");
    }
}

void http_answer_by(struct http *http, uint64_t end_ms) { http->answer_ms = end_ms; }

static void begin(struct exchange *exchange, struct http_request *request) {
    const struct http_body *body = request->body;
    CURL *curl = exchange->curl;
    size_t packed_count = 0;
    exchange->packed = body->gzip && body->count ? pack(body, &packed_count) : NULL;
    exchange->headers = make_headers(body, exchange->packed);
    exchange->code = exchange->headers ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    exchange->answer_bytes = exchange->bytes = exchange->header_bytes = 0;
    exchange->moved_ms = trace_now_monotonic_ms();
    exchange->given_up = exchange->too_long = exchange->no_memory = false;
    exchange->error[0] = 0;
    request->answer = (struct http_answer){.sent_bytes = exchange->packed ? packed_count : body->count};
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)time_left_ms(exchange->http));
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, body->once ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->packed ? exchange->packed : body->bytes ? body->bytes : "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->answer.sent_bytes);
    if (exchange->code == CURLE_OK && curl_multi_add_handle(exchange->http->multi, curl)) exchange->code = CURLE_OUT_OF_MEMORY;
}

static void end(struct exchange *exchange, struct http_request *request) {
    curl_multi_remove_handle(exchange->http->multi, exchange->curl);
    curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(exchange->headers);
    free(exchange->packed);
    read_end(exchange, &request->answer);
}

/* An answer that takes long is no fault as long as the server lives. */
static void give_up_stalled(struct http *http, struct exchange *exchanges, size_t count) {
    for (size_t i = 0; http->stall_ms && i < count; i++) {
        struct exchange *exchange = &exchanges[i];
        if (exchange->given_up || trace_now_monotonic_ms() < exchange->moved_ms + http->stall_ms) continue;
        bool alive = http->is_alive && http->is_alive(http->context);
        for (size_t k = 0; alive && k < count; k++) exchanges[k].moved_ms = trace_now_monotonic_ms();
        exchange->given_up = !alive;
    }
}

static void run_all(struct http *http, struct exchange *exchanges, size_t count) {
    int running = 1, left;
    CURLMcode code = CURLM_OK;
    while (!code && !(code = curl_multi_perform(http->multi, &running)) && running) {
        code = curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
        give_up_stalled(http, exchanges, count);
    }
    for (size_t i = 0; code && i < count; i++) exchanges[i].code = CURLE_OUT_OF_MEMORY;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        struct exchange *exchange;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        exchange->code = message->data.result;
    }
}

static void post_from(struct http *http, struct exchange *exchanges, struct http_request *requests, size_t count) {
    http->stop_ms = 0;
    if (is_too_late(http)) {
        refuse_late(requests, count);
        return;
    }
    for (size_t i = 0; i < count; i++) begin(&exchanges[i], &requests[i]);
    run_all(http, exchanges, count);
    for (size_t i = 0; i < count; i++) end(&exchanges[i], &requests[i]);
}

void http_post_all(struct http *http, struct http_request *requests, size_t count) {
    while (http->exchange_count < count && !add_exchange(http, curl_easy_duphandle(http->exchanges[0].curl))) continue;
    size_t begun = count < http->exchange_count ? count : http->exchange_count;
    post_from(http, http->exchanges, requests, begun);
    for (size_t i = begun; i < count; i++)
        requests[i].answer = (struct http_answer){.outcome = HTTP_AWAY, .text = "", .reason = "out of memory"};
}

void http_post_again(struct http *http, struct http_request *requests, size_t index) {
    if (index < http->exchange_count) post_from(http, &http->exchanges[index], &requests[index], 1);
}

void http_post(struct http *http, const char *url, const struct http_body *body, struct http_answer *ret_answer) {
    struct http_request request = {.url = url, .body = body};
    http_post_all(http, &request, 1);
    *ret_answer = request.answer;
}

char *http_escape(char *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~", c);
        out += plain ? sprintf(out, "%c", c) : sprintf(out, "%%%02X", c);
    }
    *out = 0;
    return out;
}

/* ---- retrying --------------------------------------------------------------------------------------------------------- */

void http_backoff_init(struct http_backoff *backoff, uint64_t longest_ms) {
    *backoff = (struct http_backoff){.next_ms = FIRST_PAUSE_MS, .longest_ms = longest_ms};
    if (getrandom(&backoff->random, sizeof backoff->random, 0) != (ssize_t)sizeof backoff->random)
        backoff->random = trace_now_monotonic_ns();
}

uint64_t http_backoff_next(struct http_backoff *backoff, uint64_t retry_after_s) {
    backoff->random = backoff->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t pause_ms = backoff->next_ms - (backoff->random >> 33) % (backoff->next_ms / 2 + 1), asked_ms = retry_after_s * 1000;
    backoff->next_ms = 2 * backoff->next_ms < backoff->longest_ms ? 2 * backoff->next_ms : backoff->longest_ms;
    return asked_ms > pause_ms ? asked_ms + pause_ms / 4 : pause_ms;
}

void http_backoff_reset(struct http_backoff *backoff) { backoff->next_ms = FIRST_PAUSE_MS; }

bool http_pause(const struct http *http, uint64_t ms) {
    uint64_t end_ms = trace_now_monotonic_ms() + ms;
    for (;;) {
        uint64_t now_ms = trace_now_monotonic_ms(), step_ms = PAUSE_STEP_MS;
        if (http->flag && *http->flag) return true;
        if (now_ms >= end_ms) return false;
        if (end_ms - now_ms < step_ms) step_ms = end_ms - now_ms;
        struct timespec step = {.tv_nsec = (long)step_ms * 1000000};
        nanosleep(&step, NULL);
    }
}
