/* SPDX-License-Identifier: MIT
 *
 * Requests to an HTTP server, one after the other, over a connection that is kept.
 *
 *     http_open(&http, &failure)
 *     http_login(http, "user", "password")            optional
 *     http_post(http, url, &body, &answer)            as often as you like
 *     http_close(http)
 *
 * Whether to try again is the caller's matter: answer.outcome says what kind of end it was, and http_pause waits.  One thread
 * uses a struct http; another thread or a signal handler may only set the flag that http_stop_on names. */
#ifndef INSPECTOR_HTTP_H
#define INSPECTOR_HTTP_H

#include "failure.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

/* How a request ended. */
enum http_outcome {
    HTTP_ARRIVED, /* status 2xx */
    HTTP_REFUSED, /* another status: trying again will not help */
    HTTP_BUSY,    /* 429, 502, 503, 504: try again later */
    HTTP_AWAY,    /* no connection could be made: the server has seen nothing of the request */
    HTTP_BROKEN,  /* the connection ended or timed out: the server may have carried the request out */
    HTTP_STOPPED, /* the flag was set, or its grace was over; the same uncertainty */
    HTTP_INVALID, /* the URL cannot be used, or the server's certificate is not trusted */
};

struct http_body {
    const void *bytes;
    size_t count;
    const char *type; /* Content-Type */
    bool gzip;        /* compress it on the way */
};

/* ANSWER_BYTES of an answer are kept unless http_keep_all was called; all of it is read. */
#define HTTP_ANSWER_BYTES 65536

struct http_answer {
    enum http_outcome outcome;
    long status;            /* 0: none came */
    uint64_t retry_after_s; /* what the server asks for; 0: nothing */
    uint64_t sent_bytes;    /* of the body, as it was sent */
    const char *text;       /* NUL-terminated, of text_bytes; valid until the next request */
    size_t text_bytes;
    char reason[256]; /* of what is not HTTP_ARRIVED: one line of printable ASCII, without a full stop */
};

struct http_settings {
    const char *ca_file;         /* certificates to trust instead of the system's; NULL: the system's */
    uint64_t connect_timeout_ms; /* 0: 10 s */
    uint64_t timeout_ms;         /* for one request; 0: 30 s */
    uint64_t stall_s;            /* a request of which nothing moved for so long is given up; 0: it may */
};

/* Returns 0, or -1 with the failure.  NULL is allowed in http_close. */
int http_open(struct http **ret_http, const struct http_settings *settings, struct failure *failure);
void http_close(struct http *http);

/* Sends these with each request (Basic).  Copied.  Returns 0, or -1 without memory. */
int http_login(struct http *http, const char *user, const char *password);

/* Keeps answers whole, whatever their size. */
void http_keep_all(struct http *http);

/* Once *flag is not 0, a request that has not ended grace_ms later is given up, and http_pause returns at once. */
void http_stop_on(struct http *http, const volatile sig_atomic_t *flag, uint64_t grace_ms);

/* Sends a request, and waits for its answer.  Always fills in *ret_answer. */
void http_post(struct http *http, const char *url, const struct http_body *body, struct http_answer *ret_answer);

/* Appends `text` to `out` as a part of a query string.  out must have room for three times its length and a NUL.  Returns the
 * end. */
char *http_escape(char *out, const char *text);

/* ---- trying again ---------------------------------------------------------------------------------------------------------- */

/* Longer pauses from try to try, from half a second up to longest_ms, each shortened at random by up to half of it, so that many
 * clients of a server that comes back do not all come at once. */
struct http_backoff {
    uint64_t next_ms, longest_ms;
    uint64_t random; /* state; any value */
};

void http_backoff_init(struct http_backoff *backoff, uint64_t longest_ms);

/* The next pause; retry_after_s, when the server named one, is the least. */
uint64_t http_backoff_next(struct http_backoff *backoff, uint64_t retry_after_s);
void http_backoff_reset(struct http_backoff *backoff);

/* Waits.  Returns true when the flag was set. */
bool http_pause(const struct http *http, uint64_t ms);

#endif
