/* SPDX-License-Identifier: MIT
 *
 * Exports for other programs: the events of a trace, or all that match, in one of the formats of ../export. --follow is in
 * cmd_export_follow.c. */
#include "cmd_export_follow.h"

#include "formats.h"
#include "json_get.h"
#include "outdir.h"
#include "outfile.h"
#include "pages.h"
#include "push.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_MS 200

/* The destination of the output. */
struct destination {
    const char *path; /* NULL: standard output */
    bool is_directory;
    struct outfile file;
    struct outdir directory;
};

/* An export that ends. */
struct running {
    struct exporting exporting;
    struct destination destination;
    char trace_id[TRACE_DIGITS + 1]; /* in full */
    uint64_t total;                  /* matching events; 0: not known */
    uint64_t shown_ms;               /* when progress was last shown */
    bool progress;                   /* shows progress: stderr is a terminal, and the output does not go there */
};

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t interrupted;
static const struct source *interruptible;

static void on_signal(int signal) {
    interrupted = signal;
    source_interrupt(interruptible);
    push_interrupt();
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof signals / sizeof *signals)

/* Until the output is complete: nothing half-written may stay. */
static void catch_signals(const struct source *source, struct sigaction before[SIGNALS]) {
    struct sigaction action = {.sa_handler = on_signal};
    interruptible = source;
    interrupted = 0;
    for (size_t i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(const struct sigaction before[SIGNALS]) {
    for (size_t i = 0; i < SIGNALS; i++) sigaction(signals[i], &before[i], NULL);
}

/* ---- progress ---- */

static void show_progress(struct running *running) {
    uint64_t now_ms = trace_now_monotonic_ms();
    if (!running->progress || now_ms - running->shown_ms < PROGRESS_MS) return;
    running->shown_ms = now_ms;
    if (running->total)
        fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " events\033[K", running->exporting.export.events, running->total);
    else
        fprintf(stderr, "\r%" PRIu64 " events\033[K", running->exporting.export.events);
}

static void end_progress(const struct running *running) {
    if (running->progress) fputs("\r\033[K", stderr);
}

/* ---- events ---- */

/* Takes the id in full from the first event. */
static void find_trace_id(struct running *running, struct json_span events) {
    struct json_span event, id, plain;
    size_t at = 0;
    if (!running->exporting.id || !json_scan_element(events, &at, &event) || !json_scan_find(event, "trace_id", &id) ||
        !json_scan_plain(id, &plain) || plain.bytes != TRACE_DIGITS)
        return;
    memcpy(running->trace_id, plain.text, TRACE_DIGITS);
    running->exporting.settings.trace_id = running->trace_id;
}

/* Begins the output at the first event: asks for the nodes first. */
static int begin(struct running *running, struct json_span events) {
    struct destination *destination = &running->destination;
    int fd = destination->path ? destination->file.fd : running->exporting.session->output.fd;
    find_trace_id(running, events);
    return export_start(&running->exporting, running->exporting.settings.push ? -1 : fd,
                        destination->is_directory ? destination->directory.temporary : NULL);
}

static bool is_empty(struct json_span events) {
    struct json_span element;
    return !json_scan_element(events, &(size_t){0}, &element);
}

static int give_page(struct running *running, const struct strbuf *text, const json_t *page) {
    struct json_span events = {strbuf_text(text), text->bytes};
    if (!running->exporting.began && is_empty(events)) return 0;
    if (!running->exporting.began && begin(running, events)) return -1;
    if (export_page(&running->exporting.export, events, json_object_get(page, "gaps"))) return -1;
    if (export_missed(&running->exporting.export, json_get_count(page, "evicted"), "gone")) return -1;
    running->total = json_get_count(page, "total");
    show_progress(running);
    return 0;
}

static int nothing_found(struct running *running) {
    struct failure *failure = &running->exporting.session->failure;
    struct strbuf filters = {0};
    if (running->exporting.id)
        return failure_set(failure, EXIT_FAILED, "no event in the history belongs to a trace %s", running->exporting.id);
    bool filtered = question_describe(&filters, running->exporting.session->options);
    if (!filtered) return failure_set(failure, EXIT_FAILED, "there is no event in the history");
    session_report_nearest(running->exporting.session, &filters, true);
    failure_set(failure, EXIT_FAILED, "no event in the history matches%s", strbuf_text(&filters));
    strbuf_fini(&filters);
    return -1;
}

/* An output without any event would look as if there were none. */
static int check_carried(struct running *running) {
    const struct export *export = &running->exporting.export;
    char count[48];
    if (export->carried || !export->omitted) return 0;
    snprintf(count, sizeof count, "none of the %" PRIu64 " events is one", export->omitted);
    return failure_set(&running->exporting.session->failure, EXIT_FAILED,
                       "nothing to export: %s can only carry %s, and %s; choose another --format", export->format->name,
                       export->format->carried, export->omitted == 1 ? "the only event is not one" : count);
}

static int give_all(struct running *running) {
    struct session *session = running->exporting.session;
    json_t *params =
        running->exporting.id ? session_filter_of_new(session, "trace_id", running->exporting.id) : session_filter_new(session);
    struct strbuf text = {0};
    struct pages pages;
    json_t *page;
    int result = pages_init(&pages, &session->inquiry, params, PAGES_ALL);
    pages.text = &text;
    /* An interrupted question ends at once; one that is asked later would open the connection again. */
    if (!result && interrupted) result = -1;
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        result = give_page(running, &text, page);
        json_decref(page);
        strbuf_clear(&text);
        if (!result && interrupted) result = -1;
        if (running->exporting.began && export_is_full(&running->exporting.export)) break;
    }
    pages_fini(&pages);
    strbuf_fini(&text);
    if (!result && !running->exporting.began) result = nothing_found(running);
    if (!result) result = check_carried(running);
    if (!result) result = export_end(&running->exporting.export);
    return result;
}

/* ---- where it goes ---- */

static bool is_directory(const char *path) {
    struct stat status;
    size_t bytes = strlen(path);
    return (bytes && path[bytes - 1] == '/') || (!stat(path, &status) && S_ISDIR(status.st_mode));
}

static int open_destination(struct running *running) {
    struct session *session = running->exporting.session;
    struct destination *destination = &running->destination;
    const struct export_format *format = running->exporting.format;
    const char *path = option_output(session->options);
    if (running->exporting.settings.push) return 0;
    destination->path = path;
    destination->is_directory =
        format->target == EXPORT_DIRECTORY || (format->target == EXPORT_FILE_OR_DIRECTORY && path && is_directory(path));
    if (!path && destination->is_directory)
        return failure_set(&session->failure, EXIT_USAGE, "%s is several files: -o DIRECTORY says where they go", format->name);
    if (!path && format->binary && session->output.terminal)
        return failure_set(&session->failure, EXIT_USAGE, "%s is not text, and the output is a terminal: use -o FILE",
                           format->name);
    if (!path) return 0;
    if (destination->is_directory) return outdir_begin(&destination->directory, path, &session->failure);
    return outfile_begin(&destination->file, path, &session->failure);
}

static int close_destination(struct running *running, int result) {
    struct destination *destination = &running->destination;
    struct failure ignored, *failure = result ? &ignored : &running->exporting.session->failure;
    if (!destination->path) return result;
    int failed = destination->is_directory ? outdir_end(&destination->directory, !result, failure)
                                           : outfile_end(&destination->file, !result, failure);
    return result ? result : failed;
}

static void report_losses(const struct exporting *exporting) {
    char text[128];
    if (!exporting->export.lost) return;
    snprintf(text, sizeof text, "%" PRIu64 " events were lost before traced could read them; the export says where",
             exporting->export.lost);
    output_note(text);
}

static void report_omitted(const struct export *export) {
    char text[160];
    if (!export->omitted) return;
    snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " events are not in the export: %s can only carry %s", export->omitted,
             export->omitted + export->carried, export->format->name, export->format->carried);
    output_note(text);
}

static int export_once(struct exporting *exporting) {
    struct sigaction before[SIGNALS];
    struct running running = {.exporting = *exporting};
    struct session *session = exporting->session;
    catch_signals(session->inquiry.source, before);
    int result = open_destination(&running);
    if (!result) {
        running.progress = isatty(STDERR_FILENO) && !(session->output.terminal && !running.destination.path);
        result = give_all(&running);
        end_progress(&running);
        result = close_destination(&running, result);
    }
    if (result && session->failure.reader_gone) session->failure.code = EXIT_FAILED; /* what the reader got is not complete */
    release_signals(before);
    if (interrupted) raise(interrupted); /* nothing is left to clean up: end as other commands do */
    *exporting = running.exporting;
    return result;
}

static int check_options(const struct exporting *exporting) {
    const struct options *options = exporting->session->options;
    struct failure *failure = &exporting->session->failure;
    bool output = option_output(options);
    if (exporting->settings.push && strcmp(exporting->format->name, "otlp") != 0)
        return failure_set(failure, EXIT_USAGE, "--push is for --format otlp");
    if (exporting->settings.push && output) return failure_set(failure, EXIT_USAGE, "either --push or --output");
    if (exporting->settings.keylog && strcmp(exporting->format->name, "pcapng") != 0)
        return failure_set(failure, EXIT_USAGE, "--keylog is for --format pcapng");
    if (!exporting->settings.follow) {
        if (option_given(options, OPTION_RECENT)) return failure_set(failure, EXIT_USAGE, "--recent is for --follow");
        if (option_given(options, OPTION_FOR)) return failure_set(failure, EXIT_USAGE, "--for is for --follow");
        return 0;
    }
    if (!exporting->format->follow_ms)
        return failure_set(failure, EXIT_USAGE,
                           "%s can only be read when it is complete: --follow is for ndjson, csv, tsv and otlp",
                           exporting->format->name);
    if (output) return failure_set(failure, EXIT_USAGE, "--follow has no end to complete a file at: write it with > FILE");
    if (option_given(options, OPTION_UNTIL)) return failure_set(failure, EXIT_USAGE, "either --follow or --until");
    return 0;
}

/* As --format says; otherwise as -o FILE ends; otherwise json. */
static const struct export_format *choose_format(const struct options *options, struct failure *failure) {
    const char *name = options->texts[OPTION_FORMAT], *path = option_output(options);
    if (name) return export_find(name, failure);
    if (option_given(options, OPTION_PUSH)) return export_find("otlp", failure);
    if (option_given(options, OPTION_FOLLOW)) return export_find("ndjson", failure);
    const struct export_format *format = path ? export_find_suffix(path) : NULL;
    return format ? format : export_find("json", failure);
}

int run_export(struct session *session) {
    const struct options *options = session->options;
    const char *names = options->texts[OPTION_QLOG_NAMES], *push = options->texts[OPTION_PUSH];
    bool follow = option_given(options, OPTION_FOLLOW);
    struct exporting exporting = {.session = session,
                                  .id = options->arg_count > 1 ? options->args[1] : NULL,
                                  .settings = {.columns = options->texts[OPTION_FIELDS],
                                               .push = push,
                                               .keylog = options->texts[OPTION_KEYLOG],
                                               .follow = follow,
                                               .terminal = session->output.terminal && !option_output(options),
                                               .events_max = option_number(options, OPTION_LIMIT, 0),
                                               .note = output_note,
                                               .qvis_names = names && !strcmp(names, "qvis"),
                                               .exported_ns = trace_now_unix_ns(),
                                               .boot_ns = (int64_t)(trace_now_unix_ns() - trace_now_monotonic_ns())}};
    exporting.format = choose_format(options, &session->failure);
    if (!exporting.format || check_options(&exporting)) return -1;
    int result = follow ? export_follow(&exporting) : export_once(&exporting);
    if (!result) {
        report_losses(&exporting);
        report_omitted(&exporting.export);
    }
    if (exporting.began) export_fini(&exporting.export);
    json_decref(exporting.hello);
    json_decref(exporting.nodes);
    json_decref(exporting.apps);
    json_decref(exporting.who);
    return result;
}
