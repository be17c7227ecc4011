/* SPDX-License-Identifier: MIT
 *
 * Waits for a condition, and keeps what happened around it, while the history still has it.
 *
 * A window is from --before the first event that fits to --after it.  When it is over, and what the nodes emitted in it has surely been
 * drained, its events are fetched and written as NDJSON: a line that says why, the events, a line that says how many. */
#include "commands.h"
#include "event_list.h"
#include "json_get.h"
#include "limits.h"
#include "outfile.h"
#include "pages.h"
#include "resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct trigger {
    struct session *session;
    const char *condition;
    const char *file; /* NULL: the output; with a %: a file for each window */
    uint64_t before_ns, after_ns, every_ns;
    uint64_t deadline_ms;            /* of --for; WAIT_FOREVER */
    uint64_t left;                   /* windows until --limit */
    uint64_t windows;                /* kept so far */
    uint64_t number;                 /* of the last file, when each window has its own */
    struct shown shown;              /* which events that fit were taken, also across a restart of traced */
    uint64_t begin_ns;               /* nothing before it is meant */
    uint64_t last_ns;                /* of the newest event that fitted; begin_ns before there is one */
    uint64_t next_ns;                /* no window begins with an event before this: --every */
    uint64_t suppressed;             /* events that fitted since the last window, and began none */
    uint64_t missed;                 /* events of the stream that were not read, since the last window */
    json_t *event;                   /* that opened the window which is under way; NULL: none */
    uint64_t from_ns, to_ns, fitted; /* of that window */
};

static uint64_t unix_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static json_t *time_new(uint64_t ns) {
    return json_pack("{s:I,s:i}", "timestamp", (json_int_t)(ns / 1000), "ns", (int)(ns % 1000));
}

/* ---- the stream --------------------------------------------------------------------------------------------------------- */

/* again: after a lost connection, from somewhat before the newest event that fitted. */
static int subscribe(struct trigger *trigger, bool again) {
    struct session *session = trigger->session;
    json_t *result, *params = json_pack("{s:s,s:b}", "filter", trigger->condition, "log", 1);
    json_int_t from_us = (json_int_t)(trigger->last_ns / 1000) - FOLLOW_BACK_S * (json_int_t)1000000;
    if (!params || (again && json_object_set_new(params, "from", json_integer(from_us)))) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_call(session, "subscribe", params, &result)) {
        session->failure.filter.text = trigger->condition;
        return -1;
    }
    json_decref(result);
    client_watch_output(session->client, session->fd);
    return 0;
}

/* What narrows the windows is wrong now, or never. */
static int check_filters(struct session *session) {
    json_t *result, *params = session_filter_new(session);
    if (!params || json_object_set_new(params, "limit", json_integer(1))) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_call(session, "query", params, &result)) return -1;
    json_decref(result);
    return 0;
}

/* An event that fits: it opens a window, lies in the one that is open, or comes too soon after the last one. */
static void take_event(struct trigger *trigger, json_t *event, uint64_t ns) {
    if (ns > trigger->last_ns) trigger->last_ns = ns;
    if (trigger->event && ns < trigger->to_ns) {
        trigger->fitted++;
    } else if (trigger->event || ns < trigger->next_ns) {
        trigger->suppressed++;
    } else {
        trigger->event = json_incref(event);
        json_object_del(event, "log"); /* it was asked for, for `shown` alone */
        trigger->from_ns = ns > trigger->before_ns ? ns - trigger->before_ns : 0;
        trigger->to_ns = ns + trigger->after_ns + 1; /* also the event itself, with --after 0 */
        trigger->fitted = 1;
    }
}

/* What was taken before a connection was lost is not taken again. */
static int take(struct trigger *trigger, const json_t *params) {
    size_t i;
    json_t *event;
    trigger->missed += json_get_count(params, "lost");
    json_array_foreach(json_get_array(params, "events"), i, event) {
        struct shown_verdict verdict;
        uint64_t ns;
        if (shown_take(&trigger->shown, event, &verdict)) return session_out_of_memory(trigger->session);
        if (verdict.show && json_get_time(event, &ns) && ns >= trigger->begin_ns) take_event(trigger, event, ns);
    }
    return 0;
}

/* ---- a window ----------------------------------------------------------------------------------------------------------- */

/* What a window turned out to have. */
struct window {
    uint64_t events, lost, evicted;
    bool truncated; /* the history begins within it */
};

/* Adds {"trigger": what opened it}. */
static int put_head(struct trigger *trigger) {
    json_t *head = json_pack("{s:{s:s,s:I,s:o,s:o,s:O}}", "trigger", "condition", trigger->condition, "window",
                             (json_int_t)trigger->windows + 1, "from", time_new(trigger->from_ns), "to", time_new(trigger->to_ns),
                             "event", trigger->event);
    int result = head ? session_json(trigger->session, head) : session_out_of_memory(trigger->session);
    json_decref(head);
    return result;
}

/* {"end": what it has}. */
static json_t *end_new(const struct trigger *trigger, const struct window *window) {
    return json_pack("{s:I,s:I,s:I,s:b,s:I,s:I,s:I}", "events", (json_int_t)window->events, "lost", (json_int_t)window->lost,
                     "evicted", (json_int_t)window->evicted, "truncated", window->truncated, "fitted",
                     (json_int_t)trigger->fitted, "suppressed", (json_int_t)trigger->suppressed, "missed",
                     (json_int_t)trigger->missed);
}

/* Events and gaps of the window, whatever they are unless options narrow it. */
static int put_events(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    struct pages pages;
    json_t *page, *params = session_filter_new(session);
    int failed = !params;
    failed |= json_object_set_new(params, "from", json_integer((json_int_t)(trigger->from_ns / 1000)));
    failed |= json_object_set_new(params, "to", json_integer((json_int_t)(trigger->to_ns / 1000) + 1));
    if (failed) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    session->evicted = 0;
    int result = pages_init(&pages, session, params, PAGES_ALL);
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        json_t *events = events_merge(json_get_array(page, "events"), json_get_array(page, "gaps"));
        window->events += json_array_size(json_get_array(page, "events"));
        window->lost += json_get_count(page, "lost");
        result = !events || session_json_lines(session, events) ? session_out_of_memory(session) : session_flush(session);
        json_decref(events);
        json_decref(page);
    }
    pages_fini(&pages);
    window->evicted = session->evicted;
    return result;
}

static int see_truncation(struct trigger *trigger, struct window *window) {
    json_t *stats;
    uint64_t first_ns;
    if (session_call(trigger->session, "stats", NULL, &stats)) return -1;
    const json_t *history = json_object_get(stats, "history");
    window->truncated = json_get_count(history, "evicted") && json_get_time(json_object_get(history, "first"), &first_ns) &&
                        first_ns > trigger->from_ns;
    json_decref(stats);
    return 0;
}

/* Writes the whole window to session->fd. */
static int put_window(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    if (put_head(trigger) || put_events(trigger, window) || see_truncation(trigger, window)) return -1;
    json_t *end = json_pack("{s:o}", "end", end_new(trigger, window));
    int result = end ? session_json(session, end) : session_out_of_memory(session);
    json_decref(end);
    return result ? -1 : session_flush(session);
}

/* FILE with its first % made the next number of which there is no file: what an earlier trigger kept is not written over.  The caller's;
 * NULL without memory. */
static char *numbered_new(struct trigger *trigger) {
    const char *percent = strchr(trigger->file, '%');
    int head = (int)(percent - trigger->file);
    for (;;) {
        char *name;
        trigger->number++;
        if (asprintf(&name, "%.*s%" PRIu64 "%s", head, trigger->file, trigger->number, percent + 1) < 0) return NULL;
        if (faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW)) return name;
        free(name);
    }
}

/* What cannot be written is told before anything is waited for, not when the first window is lost by it.  Makes no file. */
static int check_file(const struct trigger *trigger) {
    bool numbered = strchr(trigger->file, '%') != NULL;
    if (!numbered && !faccessat(AT_FDCWD, trigger->file, W_OK, AT_EACCESS)) return 0;
    int error = errno;
    if (numbered || error == ENOENT) {
        char *dir = strdup(trigger->file);
        if (!dir) return session_out_of_memory(trigger->session);
        error = faccessat(AT_FDCWD, dirname(dir), W_OK | X_OK, AT_EACCESS) ? errno : 0;
        free(dir);
    }
    if (!error) return 0;
    return failure_set(&trigger->session->failure, EXIT_FAILED, "cannot write %s: %s", trigger->file, strerror(error));
}

static int put_numbered(struct trigger *trigger, struct window *window, const char *name) {
    struct session *session = trigger->session;
    struct outfile file;
    int out = session->fd;
    if (outfile_begin(&file, name, &session->failure)) return -1;
    session->fd = file.fd;
    int result = put_window(trigger, window);
    session->fd = out;
    strbuf_clear(&session->text);
    if (result) {
        (void)outfile_end(&file, false, &(struct failure){0});
        return -1;
    }
    return outfile_end(&file, true, &session->failure);
}

/* At the end of a file that windows are added to; a window that fails is taken away again. */
static int put_appended(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    int out = session->fd, fd = open(trigger->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return failure_set(&session->failure, EXIT_FAILED, "cannot write %s: %s", trigger->file, strerror(errno));
    off_t before = lseek(fd, 0, SEEK_END);
    session->fd = fd;
    int result = put_window(trigger, window);
    session->fd = out;
    strbuf_clear(&session->text);
    if (result && before >= 0 && ftruncate(fd, before)) result = -1; /* a pipe keeps what it was given */
    if (close(fd) && !result)
        result = failure_set(&session->failure, EXIT_FAILED, "cannot write %s: %s", trigger->file, strerror(errno));
    return result;
}

/* One line about a window that was kept: for people, or with --json for programs; on stderr when the windows themselves go to stdout. */
static int tell_window(struct trigger *trigger, const struct window *window, const char *name) {
    struct session *session = trigger->session;
    struct strbuf line = {0};
    if (option_given(session->options, OPTION_JSON) && name) {
        json_t *told = end_new(trigger, window);
        int failed = !told || json_object_set_new(told, "window", json_integer((json_int_t)trigger->windows)) ||
                     json_object_set_new(told, "file", json_string(name)) || json_object_set(told, "event", trigger->event);
        int result = failed ? session_out_of_memory(session) : session_json(session, told);
        json_decref(told);
        return result ? -1 : session_flush(session);
    }
    render_time(&line, &session->view, trigger->event, false);
    strbuf_puts(&line, "  ");
    event_describe(&line, &session->view, trigger->event);
    strbuf_printf(&line, ": window %" PRIu64 ", ", trigger->windows);
    text_count(&line, window->events, "event");
    if (window->lost) strbuf_printf(&line, ", %" PRIu64 " lost", window->lost);
    if (window->evicted || window->truncated) strbuf_puts(&line, ", its beginning had left the history");
    if (trigger->suppressed) strbuf_printf(&line, "; fitted too soon after the last: %" PRIu64, trigger->suppressed);
    if (trigger->missed) strbuf_printf(&line, "; not read fast enough: %" PRIu64, trigger->missed);
    if (name) strbuf_printf(&line, "; in %s", name);
    int result = 0;
    if (name) {
        strbuf_add(&session->text, strbuf_text(&line), line.bytes);
        strbuf_puts(&session->text, "\n");
        result = session_flush(session);
    } else {
        session_note(strbuf_text(&line));
    }
    strbuf_fini(&line);
    return result;
}

/* The window is over: fetches and writes it.  A lost connection leaves it as it is, to be fetched when traced is there again. */
static int close_window(struct trigger *trigger) {
    struct window window = {0};
    bool numbered = trigger->file && strchr(trigger->file, '%');
    char *name = numbered ? numbered_new(trigger) : NULL;
    if (numbered && !name) return session_out_of_memory(trigger->session);
    int result = numbered        ? put_numbered(trigger, &window, name)
                 : trigger->file ? put_appended(trigger, &window)
                                 : put_window(trigger, &window);
    if (!result) {
        trigger->windows++;
        trigger->left--;
        result = tell_window(trigger, &window, name ? name : trigger->file);
        uint64_t next_ns = trigger->to_ns - 1 - trigger->after_ns + trigger->every_ns;
        trigger->next_ns = next_ns > trigger->to_ns ? next_ns : trigger->to_ns; /* one in two windows would be told twice */
        trigger->suppressed = trigger->missed = 0;
        json_decref(trigger->event);
        trigger->event = NULL;
    }
    free(name);
    return result;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

/* When the window that is open can be fetched, on the client's clock: what it has was drained by then. */
static uint64_t due_ms(const struct trigger *trigger) {
    uint64_t due_ns = trigger->to_ns + TRIGGER_SETTLE_MS * UINT64_C(1000000), now_ns = unix_ns();
    uint64_t now_ms = client_now_ms(trigger->session->client);
    if (!trigger->event) return WAIT_FOREVER;
    return due_ns > now_ns ? now_ms + (due_ns - now_ns) / 1000000 + 1 : now_ms;
}

/* Until the end that was asked for: 0; or a failure: -1. */
static int watch(struct trigger *trigger) {
    struct session *session = trigger->session;
    while (trigger->left) {
        uint64_t due = due_ms(trigger), until_ms = due < trigger->deadline_ms ? due : trigger->deadline_ms;
        json_t *params;
        int result = 0;
        if (!trigger->event || due > client_now_ms(session->client)) {
            result = client_next(session->client, "events", until_ms, &params, &session->failure);
            if (result < 0) return -1;
        }
        if (result > 0) {
            result = take(trigger, params);
            json_decref(params);
            if (result) return -1;
        } else if (client_output_gone(session->client)) {
            return 0;
        } else if (trigger->event && due <= client_now_ms(session->client)) {
            if (close_window(trigger)) return -1;
        } else if (until_ms == trigger->deadline_ms && client_now_ms(session->client) >= until_ms) {
            /* Nothing more is waited for; the window that is open is kept as far as it has come. */
            return trigger->event ? close_window(trigger) : 0;
        }
    }
    return 0;
}

/* The time of --for is over while there is no traced. */
static int end_without_traced(struct trigger *trigger) {
    if (!trigger->event) return 0;
    return failure_set(&trigger->session->failure, EXIT_NOT_THERE,
                       "the window that is open cannot be kept: traced did not come back in the time of --for");
}

/* Connects again, for ever or within --wait, and within what is left of --for.  Returns 1 when connected; when the time of --for is over
 * 0, or -1 with a window that is lost by it; -1 on failure. */
static int reconnect(struct trigger *trigger) {
    struct session *session = trigger->session;
    uint64_t wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER), deadline_ms = trigger->deadline_ms;
    session_note("traced went away; waiting for it to come back");
    do {
        uint64_t now_ms = client_now_ms(session->client), left_ms = WAIT_FOREVER;
        if (deadline_ms != WAIT_FOREVER) left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        client_close(session->client);
        session->client = NULL;
        if (client_open(&session->client, session->path, left_ms < wait_ms ? left_ms : wait_ms, &session->failure))
            return left_ms < wait_ms && session->failure.disconnected ? end_without_traced(trigger) : -1;
        shown_next_stream(&trigger->shown);
        if (!subscribe(trigger, true)) {
            session_note("connected again");
            return 1;
        }
        client_pause(session->client, CONNECT_RETRY_MS);
    } while (session->failure.disconnected);
    return -1;
}

static int run(struct trigger *trigger) {
    struct session *session = trigger->session;
    const struct options *options = session->options;
    bool end_with_traced = option_given(options, OPTION_WAIT) && !options->numbers[OPTION_WAIT];
    if (session_learn_names(session) || check_filters(session) || (trigger->file && check_file(trigger))) return -1;
    int result = subscribe(trigger, false);
    if (!result) result = watch(trigger);
    while (result && session->failure.disconnected && !end_with_traced) {
        result = reconnect(trigger);
        if (result <= 0) return result;
        result = watch(trigger);
    }
    return result;
}

int run_trigger(struct session *session) {
    const struct options *options = session->options;
    const char *file = options->texts[OPTION_WRITE];
    struct trigger trigger = {.session = session,
                              .condition = options->args[1],
                              .file = file && strcmp(file, "-") != 0 ? file : NULL,
                              .before_ns = option_number(options, OPTION_BEFORE, TRIGGER_BEFORE_MS) * 1000000,
                              .after_ns = option_number(options, OPTION_AFTER, TRIGGER_AFTER_MS) * 1000000,
                              .every_ns = option_number(options, OPTION_EVERY, TRIGGER_EVERY_MS) * 1000000,
                              .begin_ns = unix_ns(),
                              .left = option_number(options, OPTION_LIMIT, UINT64_MAX),
                              .deadline_ms = WAIT_FOREVER};
    trigger.last_ns = trigger.begin_ns;
    if (option_given(options, OPTION_FOR)) trigger.deadline_ms = client_now_ms(session->client) + options->numbers[OPTION_FOR];
    if (shown_init(&trigger.shown, false, 0)) return session_out_of_memory(session);
    int result = run(&trigger);
    shown_fini(&trigger.shown);
    json_decref(trigger.event);
    return result;
}
