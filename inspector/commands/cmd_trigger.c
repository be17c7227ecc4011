/* SPDX-License-Identifier: MIT
 *
 * Waits for a condition, and keeps what happened around it while the history still has it.
 *
 * A window lasts from --before the first matching event to --after it.  When it is over, and traced has surely drained what the
 * nodes emitted in it, its events are fetched and written as NDJSON: a line with the reason, the events, a line with the
 * counts and the nodes, so that --read knows their names; or, if the file is a recording, only its events. */
#include "children.h"
#include "commands.h"

#include "event_list.h"
#include "event_writer.h"
#include "explanation.h"
#include "involved.h"
#include "json_get.h"
#include "limits.h"
#include "outfile.h"
#include "pages.h"
#include "show_stream.h"
#include "trigger_environment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct trigger {
    struct session *session;
    const char *condition;
    const char *file; /* NULL: the output; with a %: one file per window */
    uint64_t before_ns, after_ns, every_ns;
    uint64_t deadline_ms;            /* of --for; WAIT_FOREVER */
    uint64_t left;                   /* windows left until --limit */
    uint64_t windows;                /* windows kept */
    uint64_t number;                 /* number of the last file, if each window has its own */
    struct stream stream;            /* filter of the events that match */
    bool past;                       /* the source has only the past */
    uint64_t begin_ns;               /* nothing before it counts */
    uint64_t next_ns;                /* no window begins with an event before this: --every */
    uint64_t seen_ns;                /* the latest time of all that matched */
    uint64_t suppressed;             /* matching events since the last window that began none */
    uint64_t missed;                 /* missed events of the stream since the last window */
    json_t *event;                   /* the event that opened the open window; NULL: none is open */
    uint64_t from_ns, to_ns, fitted; /* times of that window */
    uint64_t recorded_us;            /* the end of the last window in a recording with several: no event is in it twice */
    bool runs;                       /* --exec: a program per window */
    struct children children;
    struct event_writer *writer; /* for a window that is written as a recording; otherwise NULL */
};

static json_t *time_new(uint64_t ns) {
    return json_pack("{s:I,s:i}", "timestamp", (json_int_t)(ns / 1000), "ns", (int)(ns % 1000));
}

/* ---- the stream --------------------------------------------------------------------------------------------------------- */

static const char trigger_away[] = "traced went away; waiting for it to come back";

static int follow_condition(struct trigger *trigger) {
    struct session *session = trigger->session;
    struct stream_wish wish = {.params_new = json_pack("{s:s}", "filter", trigger->condition),
                               .events_max = UINT64_MAX,
                               .deadline_ms = trigger->deadline_ms,
                               .wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER)};
    if (!begin_stream(session, &trigger->stream, session->inquiry.source, wish, trigger_away)) {
        source_watch_output(session->inquiry.source, session->output.fd);
        return 0;
    }
    session->failure.filter.text = trigger->condition;
    return -1;
}

/* Validates the filters of the windows now; they cannot become invalid later. */
static int check_filters(struct session *session) {
    json_t *result, *params = session_filter_new(session);
    if (!params || json_object_set_new(params, "limit", json_integer(1))) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_ask(session, "query", params, &result)) return -1;
    json_decref(result);
    return 0;
}

/* Takes a matching event: it opens a window, lies in the open one, or comes too soon after the last one. */
static void take_event(struct trigger *trigger, json_t *event, uint64_t ns) {
    if (trigger->event && ns < trigger->to_ns) {
        trigger->fitted++;
    } else if (trigger->event || ns < trigger->next_ns) {
        trigger->suppressed++;
    } else {
        trigger->event = json_incref(event);
        json_object_del(event, "log"); /* only the stream needs it */
        trigger->from_ns = ns > trigger->before_ns ? ns - trigger->before_ns : 0;
        trigger->to_ns = ns + trigger->after_ns + 1; /* includes the event itself, with --after 0 */
        trigger->fitted = 1;
    }
}

/* ---- a window ----------------------------------------------------------------------------------------------------------- */

/* The content of a window. */
struct window {
    uint64_t events, lost, evicted;
    bool truncated; /* the history begins within the window */
    json_t *ids;    /* of the nodes and peers of its events, as keys; NULL: not wanted */
};

/* csv and tsv have no place for lines that are not events. */
static bool has_asides(const struct trigger *trigger) { return trigger->session->output.records.format == RECORD_JSON; }

/* Adds {"trigger": the event that opened it}. */
static int put_head(struct trigger *trigger) {
    if (!has_asides(trigger)) return 0;
    json_t *head = json_pack("{s:{s:s,s:I,s:o,s:o,s:O}}", "trigger", "condition", trigger->condition, "window",
                             (json_int_t)trigger->windows + 1, "from", time_new(trigger->from_ns), "to", time_new(trigger->to_ns),
                             "event", trigger->event);
    int result = head ? output_aside(&trigger->session->output, head) : session_out_of_memory(trigger->session);
    json_decref(head);
    return result;
}

/* {"end": the counts}. */
static json_t *end_new(const struct trigger *trigger, const struct window *window) {
    return json_pack("{s:I,s:I,s:I,s:b,s:I,s:I,s:I}", "events", (json_int_t)window->events, "lost", (json_int_t)window->lost,
                     "evicted", (json_int_t)window->evicted, "truncated", window->truncated, "fitted",
                     (json_int_t)trigger->fitted, "suppressed", (json_int_t)trigger->suppressed, "missed",
                     (json_int_t)trigger->missed);
}

static int note_ids(const struct window *window, const json_t *event) {
    const json_t *data = json_object_get(event, "data");
    const char *const ids[] = {json_get_hex(event, "node_id", NODE_DIGITS), json_get_hex(event, "peer_id", NODE_DIGITS),
                               json_get_hex(data, "alias_id", NODE_DIGITS)};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const char *id = ids[i];
        if (id && json_object_set_new(window->ids, id, json_true())) return -1;
    }
    return 0;
}

static int put_page(struct trigger *trigger, const struct window *window, const json_t *events) {
    struct session *session = trigger->session;
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event) {
        if (window->ids && note_ids(window, event)) return session_out_of_memory(session);
        if (trigger->writer && event_writer_add(trigger->writer, event, &session->failure)) return -1;
    }
    if (trigger->writer) return 0;
    return output_json_lines(&session->output, events) ? session_out_of_memory(session) : output_flush(&session->output);
}

/* Asks for all events and gaps of the window, unless options narrow it. */
static int put_events(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    struct pages pages;
    json_t *page, *params = session_filter_new(session);
    uint64_t from_us = trigger->from_ns / 1000;
    int failed = !params;
    if (from_us < trigger->recorded_us) from_us = trigger->recorded_us;
    failed |= json_object_set_new(params, "from", json_integer((json_int_t)from_us));
    failed |= json_object_set_new(params, "to", json_integer((json_int_t)(trigger->to_ns / 1000) + 1));
    if (failed) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    session->inquiry.evicted = 0;
    int result = pages_init(&pages, &session->inquiry, params, PAGES_ALL);
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        json_t *events = events_merge(json_get_array(page, "events"), json_get_array(page, "gaps"));
        window->events += json_array_size(json_get_array(page, "events"));
        window->lost += json_get_count(page, "lost");
        result = events ? put_page(trigger, window, events) : session_out_of_memory(session);
        json_decref(events);
        json_decref(page);
    }
    pages_fini(&pages);
    window->evicted = session->inquiry.evicted;
    return result;
}

static int see_truncation(struct trigger *trigger, struct window *window) {
    json_t *stats;
    uint64_t first_ns;
    if (session_ask(trigger->session, "stats", NULL, &stats)) return -1;
    const json_t *history = json_object_get(stats, "history");
    window->truncated = json_get_count(history, "evicted") && json_get_time(json_object_get(history, "first"), &first_ns) &&
                        first_ns > trigger->from_ns;
    json_decref(stats);
    return 0;
}

/* Adds what explains the window's events, for --read. */
static int put_explanation(struct trigger *trigger, const struct window *window, json_t *end) {
    struct session *session = trigger->session;
    struct explanation told;
    json_t *nodes = NULL, *who = NULL;
    int result = explanation_ask(&told, session);
    if (!result &&
        (involved_pick(window->ids, json_get_array(told.nodes, "nodes"), json_get_array(told.who, "who"), &nodes, &who) ||
         json_object_set(end, "nodes", nodes) || json_object_set(end, "apps", json_object_get(told.apps, "apps")) ||
         json_object_set(end, "who", who)))
        result = session_out_of_memory(session);
    json_decref(nodes);
    json_decref(who);
    explanation_fini(&told);
    return result;
}

/* {"end": the counts, "nodes", "apps", "who"}: the latter three where the events are whole. */
static int put_end(struct trigger *trigger, const struct window *window) {
    json_t *end = json_pack("{s:o}", "end", end_new(trigger, window));
    int result = !end ? session_out_of_memory(trigger->session) : 0;
    if (!result && window->ids) result = put_explanation(trigger, window, end);
    if (!result) result = output_aside(&trigger->session->output, end);
    json_decref(end);
    return result;
}

/* Writes the whole window to session->output.fd. */
static int put_window(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    bool whole = has_asides(trigger) && !session->view.fields;
    window->ids = whole ? json_object() : NULL;
    int result = whole && !window->ids ? session_out_of_memory(session) : 0;
    if (!result) result = put_head(trigger) || put_events(trigger, window) || see_truncation(trigger, window) ? -1 : 0;
    if (!result) records_end(&session->output.records, &session->output.text);
    if (!result && has_asides(trigger)) result = put_end(trigger, window);
    json_decref(window->ids);
    window->ids = NULL;
    return result ? -1 : output_flush(&session->output);
}

/* What explains its events, then these. */
static int fill_recording(struct trigger *trigger, struct window *window) {
    if (explanation_learn(trigger->session, trigger->writer)) return -1;
    return put_events(trigger, window) || see_truncation(trigger, window) ? -1 : 0;
}

/* After what the file already has: several windows in one recording are read as one. */
static int put_recording(struct trigger *trigger, struct window *window, int fd) {
    struct failure failure;
    if (event_writer_open_fd(&trigger->writer, fd, &trigger->session->failure)) return -1;
    int result = fill_recording(trigger, window), failed = event_writer_close(trigger->writer, NULL, &failure);
    trigger->writer = NULL;
    if (failed && !result) trigger->session->failure = failure;
    if (result || failed) return -1;
    if (!strchr(trigger->file, '%')) trigger->recorded_us = trigger->to_ns / 1000 + 1;
    return 0;
}

static bool ends_in(const char *name, const char *suffix) {
    size_t bytes = strlen(name), end = strlen(suffix);
    return bytes > end && !strcasecmp(name + bytes - end, suffix);
}

static bool is_recording(const char *name) { return ends_in(name, ".p2rec"); }

/* Writes the whole window into an open file. */
static int put_window_to(struct trigger *trigger, struct window *window, int fd) {
    struct session *session = trigger->session;
    int out = session->output.fd;
    if (is_recording(trigger->file)) return put_recording(trigger, window, fd);
    session->output.fd = fd;
    int result = put_window(trigger, window);
    session->output.fd = out;
    strbuf_clear(&session->output.text);
    return result;
}

/* FILE with its first % replaced by the next number for which there is no file: windows of an earlier trigger are not
 * overwritten.  The caller frees it; NULL when out of memory. */
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

/* Reports a file that cannot be written now, before anything is waited for, and not when the first window is lost.  Creates no
 * file. */
static int check_file(const struct trigger *trigger) {
    bool numbered = strchr(trigger->file, '%');
    if (!numbered && !faccessat(AT_FDCWD, trigger->file, W_OK, AT_EACCESS)) return 0;
    int error = errno;
    if (numbered || error == ENOENT) {
        char *dir = strdup(trigger->file);
        if (!dir) return session_out_of_memory(trigger->session);
        error = faccessat(AT_FDCWD, dirname(dir), W_OK | X_OK, AT_EACCESS) ? errno : 0;
        free(dir);
    }
    if (!error) return 0;
    return failure_of_write(&trigger->session->failure, trigger->file, error);
}

static int put_numbered(struct trigger *trigger, struct window *window, const char *name) {
    struct session *session = trigger->session;
    struct outfile file;
    if (outfile_begin(&file, name, &session->failure)) return -1;
    session->output.records.begun = false; /* each file has its line of names */
    if (put_window_to(trigger, window, file.fd)) {
        (void)outfile_end(&file, false, &(struct failure){0});
        return -1;
    }
    return outfile_end(&file, true, &session->failure);
}

/* Writes at the end of a file that collects windows; removes a window that fails. */
static int put_appended(struct trigger *trigger, struct window *window) {
    struct session *session = trigger->session;
    int fd = open(trigger->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return failure_of_write(&session->failure, trigger->file, errno);
    off_t before = lseek(fd, 0, SEEK_END);
    if (before >= 0) session->output.records.begun = before > 0;
    int result = put_window_to(trigger, window, fd);
    if (result && before >= 0 && ftruncate(fd, before)) result = -1; /* a pipe keeps what it got */
    if (close(fd) && !result) result = failure_of_write(&session->failure, trigger->file, errno);
    return result;
}

/* Reports a window that was kept, in one line: for people, or with --json for programs; on stderr if the windows go to stdout. */
static int report_window(struct trigger *trigger, const struct window *window, const char *name) {
    struct session *session = trigger->session;
    struct strbuf line = {0};
    if (options_want_data(session->options) && has_asides(trigger) && name) {
        json_t *object = end_new(trigger, window);
        int failed = !object || json_object_set_new(object, "window", json_integer((json_int_t)trigger->windows)) ||
                     json_object_set_new(object, "file", json_string(name)) || json_object_set(object, "event", trigger->event);
        int result = failed ? session_out_of_memory(session) : output_aside(&session->output, object);
        json_decref(object);
        return result ? -1 : output_flush(&session->output);
    }
    render_time(&line, &session->view, trigger->event, false);
    strbuf_puts(&line, "  ");
    event_describe(&line, &session->view, trigger->event);
    strbuf_printf(&line, ": window %" PRIu64 ", ", trigger->windows);
    text_count(&line, window->events, "event");
    if (window->lost) strbuf_printf(&line, ", %" PRIu64 " lost", window->lost);
    if (window->evicted || window->truncated) strbuf_puts(&line, ", its beginning had left the history");
    if (trigger->suppressed) strbuf_printf(&line, "; matched too soon after the last: %" PRIu64, trigger->suppressed);
    if (trigger->missed) strbuf_printf(&line, "; missed because not read fast enough: at most %" PRIu64, trigger->missed);
    if (name) strbuf_printf(&line, "; in %s", name);
    int result = 0;
    if (name) {
        strbuf_add(&session->output.text, strbuf_text(&line), line.bytes);
        strbuf_puts(&session->output.text, "\n");
        result = output_flush(&session->output);
    } else {
        output_note(strbuf_text(&line));
    }
    strbuf_fini(&line);
    return result;
}

static int set_number(json_t *environment, const char *name, uint64_t number) {
    return json_object_set_new(environment, name, json_sprintf("%" PRIu64, number));
}

/* file: where the window is; NULL: on the output. */
static int run_program(struct trigger *trigger, const struct window *window, const char *file) {
    json_t *environment = trigger_environment_new(&trigger->session->names, trigger->event);
    int failed = !environment || set_number(environment, "P2PTRACE_WINDOW", trigger->windows) ||
                 set_number(environment, "P2PTRACE_WINDOW_EVENTS", window->events) ||
                 set_number(environment, "P2PTRACE_WINDOW_LOST", window->lost) ||
                 json_object_set_new(environment, "P2PTRACE_WINDOW_CONDITION", json_string(trigger->condition)) ||
                 (file && json_object_set_new(environment, "P2PTRACE_WINDOW_FILE", json_string(file)));
    if (!failed) children_run(&trigger->children, trigger->windows, environment);
    json_decref(environment);
    return failed ? session_out_of_memory(trigger->session) : 0;
}

/* The event's node may have begun after us. */
static int learn_new_names(struct trigger *trigger) {
    const struct names *names = &trigger->session->names;
    const char *node = json_get_hex(trigger->event, "node_id", NODE_DIGITS);
    const char *peer = json_get_hex(trigger->event, "peer_id", NODE_DIGITS);
    if ((!node || names_knows(names, node)) && (!peer || names_knows(names, peer))) return 0;
    return session_learn_names(trigger->session);
}

/* The window is over: fetches and writes it.  If the connection is lost, keeps it open, to fetch it when traced is back. */
static int close_window(struct trigger *trigger) {
    struct window window = {0};
    if (learn_new_names(trigger)) return -1;
    bool numbered = trigger->file && strchr(trigger->file, '%');
    char *name = numbered ? numbered_new(trigger) : NULL;
    if (numbered && !name) return session_out_of_memory(trigger->session);
    int result = numbered        ? put_numbered(trigger, &window, name)
                 : trigger->file ? put_appended(trigger, &window)
                                 : put_window(trigger, &window);
    if (!result) {
        trigger->windows++;
        trigger->left--;
        result = report_window(trigger, &window, name ? name : trigger->file);
        if (!result && trigger->runs) result = run_program(trigger, &window, name ? name : trigger->file);
        uint64_t next_ns = trigger->to_ns - 1 - trigger->after_ns + trigger->every_ns;
        trigger->next_ns =
            next_ns > trigger->to_ns ? next_ns : trigger->to_ns; /* an event in two windows would be written twice */
        trigger->suppressed = trigger->missed = 0;
        json_decref(trigger->event);
        trigger->event = NULL;
    }
    free(name);
    return result;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

/* When the open window can be fetched, on the clock of trace_now_monotonic_ms(): by then all of it was drained. */
static uint64_t due_ms(const struct trigger *trigger) {
    uint64_t due_ns = trigger->to_ns + TRIGGER_SETTLE_MS * UINT64_C(1000000), now_ns = trace_now_unix_ns();
    uint64_t now_ms = trace_now_monotonic_ms();
    if (!trigger->event) return WAIT_FOREVER;
    return due_ns > now_ns ? now_ms + (due_ns - now_ns) / 1000000 + 1 : now_ms;
}

static bool is_due(const struct trigger *trigger) {
    return !trigger->past && !trigger->stream.away.is && trigger->event && due_ms(trigger) <= trace_now_monotonic_ms();
}

/* If the source is the past, a window is fetched at the first event after it: everything in it has happened. */
static int take_events(struct trigger *trigger, json_t *events_new) {
    size_t i;
    json_t *event;
    int result = 0;
    json_array_foreach(events_new, i, event) {
        uint64_t ns;
        if (!json_get_time(event, &ns) || ns < trigger->begin_ns) continue;
        if (trigger->past && trigger->event && ns >= trigger->to_ns) result = close_window(trigger);
        if (result || !trigger->left) break;
        if (ns > trigger->seen_ns) trigger->seen_ns = ns;
        take_event(trigger, event, ns);
    }
    json_decref(events_new);
    return result;
}

static void note_settled(const struct source_news *settled) {
    struct strbuf line = {0};
    show_stream_settled(&line, settled);
    if (settled->count) output_note(strbuf_text(&line));
    strbuf_fini(&line);
}

/* The time of --for is over.  Saves the open window as far as it has come. */
static int end_watch(struct trigger *trigger) {
    if (!trigger->event || !close_window(trigger)) return 0;
    return stream_lost(&trigger->stream) ? -1 : stream_end(&trigger->stream);
}

/* Runs until the chosen end: returns 0; or -1 with the failure. */
static int watch_stream(struct trigger *trigger) {
    while (trigger->left) {
        struct source_news news;
        bool due = is_due(trigger);
        if (due && trigger->seen_ns >= trigger->to_ns) {
            if (close_window(trigger) && stream_lost(&trigger->stream)) return -1;
            continue;
        }
        switch (stream_next(&trigger->stream, trigger->past ? WAIT_FOREVER : due_ms(trigger), &news)) {
        case SOURCE_FAILED: return -1;
        case SOURCE_TIME: /* what fits and came while we stood still has been counted */
            if (due && close_window(trigger) && stream_lost(&trigger->stream)) return -1;
            break;
        case SOURCE_EVENTS:
            if (take_events(trigger, news.value)) return -1;
            break;
        case SOURCE_GAP:
            if (news.why == GAP_SLOW) trigger->missed += news.count;
            break;
        case SOURCE_AWAY: output_note(trigger_away); break;
        case SOURCE_RESTARTED: output_note("connected again"); break;
        case SOURCE_SETTLED: note_settled(&news); break;
        case SOURCE_ENDED: return end_watch(trigger);
        case SOURCE_OUTPUT_GONE: return failure_of_write(&trigger->session->failure, "the output", EPIPE);
        default: break;
        }
    }
    return 0;
}

/* The window that was open when the command failed. */
static void note_unsaved(const struct trigger *trigger) {
    struct strbuf line = {0};
    strbuf_puts(&line, "the window of ");
    render_time(&line, &trigger->session->view, trigger->event, false);
    strbuf_puts(&line, " is not saved");
    output_note(strbuf_text(&line));
    strbuf_fini(&line);
}

/* Since the last window: any of them could have opened another one. */
static void note_missed(const struct trigger *trigger) {
    struct strbuf line = {0};
    strbuf_puts(&line, "at most ");
    text_count(&line, trigger->missed, "matching event");
    strbuf_puts(&line, " missed because not read fast enough");
    output_note(strbuf_text(&line));
    strbuf_fini(&line);
}

static int run_windows(struct trigger *trigger) {
    struct session *session = trigger->session;
    if (session_learn_names(session) || check_filters(session) || (trigger->file && check_file(trigger))) return -1;
    int result = follow_condition(trigger);
    if (!result) result = watch_stream(trigger);
    if (result && trigger->event && !session->failure.reader_gone) note_unsaved(trigger);
    if (trigger->missed && !trigger->event) note_missed(trigger);
    stream_fini(&trigger->stream);
    return result;
}

/* Without --format the ending of the file chooses it. */
static void choose_format(struct session *session, const char *file) {
    enum record_format *format = &session->output.records.format;
    if (options_want_data(session->options)) return;
    if (ends_in(file, ".csv")) *format = RECORD_CSV;
    if (ends_in(file, ".tsv")) *format = RECORD_TSV;
}

static int check_format(struct session *session, const char *file) {
    const char *format = session->options->texts[OPTION_FORMAT];
    if (format && !strcmp(format, "table"))
        return failure_set(&session->failure, EXIT_USAGE, "--format table: windows are json, csv or tsv");
    if (file && is_recording(file) && (format || session->view.fields))
        return failure_set(&session->failure, EXIT_USAGE, "%s is a recording, which has no --format or --fields", file);
    return 0;
}

int run_trigger(struct session *session) {
    const struct options *options = session->options;
    if (source_need_nodes(session->inquiry.source, "trigger", &session->failure)) return -1;
    const char *file = option_output(options);
    if (check_format(session, file)) return -1;
    if (file) choose_format(session, file);
    struct trigger trigger = {.session = session,
                              .condition = options->args[1],
                              .file = file,
                              .before_ns = option_number(options, OPTION_BEFORE, TRIGGER_BEFORE_MS) * 1000000,
                              .after_ns = option_number(options, OPTION_AFTER, TRIGGER_AFTER_MS) * 1000000,
                              .every_ns = option_number(options, OPTION_EVERY, TRIGGER_EVERY_MS) * 1000000,
                              .past = session->inquiry.source->ops->can & SOURCE_PAST,
                              .left = option_number(options, OPTION_LIMIT, UINT64_MAX),
                              .deadline_ms = WAIT_FOREVER};
    if (!trigger.past) trigger.begin_ns = trace_now_unix_ns();
    if (option_given(options, OPTION_FOR)) trigger.deadline_ms = trace_now_monotonic_ms() + options->numbers[OPTION_FOR];
    trigger.runs = option_given(options, OPTION_EXEC);
    int result = trigger.runs ? children_init(&trigger.children, options->texts[OPTION_EXEC], &session->failure) : 0;
    if (!result) result = run_windows(&trigger);
    if (trigger.runs) children_fini(&trigger.children);
    json_decref(trigger.event);
    if (trigger.file) session->list = NULL; /* the output has reports, and no line of names */
    return result;
}
