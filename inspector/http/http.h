/* SPDX-License-Identifier: MIT
 *
 * Requests to an HTTP server, one after the other or several at once, over kept connections.
 *
 *     http_open(&http, &failure)
 *     http_login(http, "user", "password")            optional
 *     http_post(http, url, &body, &answer)            as often as you like
 *     http_close(http)
 *
 * The caller decides whether to retry: answer.outcome says how the request ended, and http_pause waits.  Use a struct http from
 * one thread; other threads and signal handlers may only set the flag of http_stop_on. */
#ifndef INSPECTOR_HTTP_H
#define INSPECTOR_HTTP_H

#include "failure.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

/* How a request ended. */
enum http_outcome {
    HTTP_ARRIVED,   /* status 2xx */
    HTTP_REFUSED,   /* another status: retrying will not help */
    HTTP_BUSY,      /* 429, 502, 503, 504: retry later */
    HTTP_AWAY,      /* no connection: the server has not seen the request */
    HTTP_BROKEN,    /* the connection ended: the server may have executed the request */
    HTTP_SLOW,      /* the request was sent, and no answer came in time; the same uncertainty */
    HTTP_STOPPED,   /* the flag was set, and its grace time has passed; the same uncertainty */
    HTTP_INVALID,   /* the URL, or the file of certificates to trust, cannot be used */
    HTTP_UNTRUSTED, /* the server's certificate is not trusted */
    HTTP_NO_TLS,    /* what answers an https URL does not speak TLS */
    HTTP_TOO_LONG,  /* the answer is longer than http_keep allows, or than there is memory for */
    HTTP_SILENT,    /* what is at an https URL takes connections, and does not answer in TLS in time */
};

struct http_body {
    const void *bytes;
    size_t count;
    const char *type; /* Content-Type */
    bool gzip;        /* compress the body */
    bool once;        /* never send it twice: on an older connection, which the server may just have closed, curl would */
};

/* ANSWER_BYTES of an answer are kept, and all of it is read, unless http_keep was called. */
#define HTTP_ANSWER_BYTES 65536

struct http_answer {
    enum http_outcome outcome;
    long status;            /* 0: none came */
    uint64_t retry_after_s; /* as the server asked; 0: it did not */
    uint64_t sent_bytes;    /* of the body, as sent */
    const char *text;       /* NUL-terminated, of text_bytes; valid until the next request */
    size_t text_bytes;
    bool is_page;     /* by its type it is HTML */
    char reason[256]; /* unless HTTP_ARRIVED: one line of printable ASCII, without a full stop */
};

struct http_settings {
    const char *ca_file;         /* certificates to trust instead of the system's; NULL: the system's */
    uint64_t connect_timeout_ms; /* 0: 10 s */
    uint64_t timeout_ms;         /* for one request; 0: 30 s */
    uint64_t end_ms; /* give up requests then (trace_now_monotonic_ms), or CALL_GRACE_MS after they began; 0: only the timeout */
    /* When a request made no progress for this long, is the server still alive?  If not, or without is_alive, it is given up,
     * with HTTP_SLOW; 0: never. */
    uint64_t stall_ms;
    bool (*is_alive)(void *context);
    void *context;
};

/* Returns 0, or -1 with the failure.  NULL is allowed in http_close. */
int http_open(struct http **ret_http, const struct http_settings *settings, struct failure *failure);
void http_close(struct http *http);

/* Sends these with each request (Basic).  Copies them.  Returns 0, or -1 when out of memory. */
int http_login(struct http *http, const char *user, const char *password);

/* The requests from now on are parts of one answer, which may take until end_ms (trace_now_monotonic_ms): what is not answered
 * by then is given up, with HTTP_SLOW.  0: each only has its own timeout. */
void http_answer_by(struct http *http, uint64_t end_ms);

/* Keeps whole answers of up to so many bytes, and gives up longer ones. */
void http_keep(struct http *http, size_t bytes);

/* Once *flag is not 0, http_pause returns at once, and a request that is still running grace_ms later is given up; if *flag is
 * HTTP_STOP_NOW it gets no such time. */
#define HTTP_STOP_NOW (-1)
void http_stop_on(struct http *http, const atomic_int *flag, uint64_t grace_ms);

/* Sends a request and waits for its answer.  Always fills in *ret_answer. */
void http_post(struct http *http, const char *url, const struct http_body *body, struct http_answer *ret_answer);

/* Several requests at the same time, each on a connection of its own; their texts are valid until the next ones. */
#define HTTP_AT_ONCE_MAX 12
struct http_request {
    const char *url;
    const struct http_body *body;
    struct http_answer answer; /* always filled in */
};
void http_post_all(struct http *http, struct http_request *requests, size_t count);

/* Sends one of these again, alone.  The answers of the others stay. */
void http_post_again(struct http *http, struct http_request *requests, size_t index);

/* Writes `text` at `out` as part of a query string.  out must have room for three times its length and a NUL.  Returns the
 * end. */
char *http_escape(char *out, const char *text);

/* ---- retrying ---------------------------------------------------------------------------------------------------------- */

/* Pauses that grow from half a second up to longest_ms, each shortened at random by up to half, so that clients of a server that
 * comes back do not all return at once. */
struct http_backoff {
    uint64_t next_ms, longest_ms;
    uint64_t random; /* state; any value */
};

void http_backoff_init(struct http_backoff *backoff, uint64_t longest_ms);

/* The next pause in ms; at least retry_after_s, if the server named one. */
uint64_t http_backoff_next(struct http_backoff *backoff, uint64_t retry_after_s);
void http_backoff_reset(struct http_backoff *backoff);

/* Waits.  Returns true when the flag was set. */
bool http_pause(const struct http *http, uint64_t ms);

#endif
