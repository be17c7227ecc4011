/* SPDX-License-Identifier: MIT
 *
 * Ships recordings into a fleet. */
#include "commands.h"

#include "end_signal.h"
#include "ship.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <proto/quantity.h>
#include <stdio.h>
#include <string.h>

/* ---- what to do ---- */

static int read_options(struct session *session, struct ship_options *ret_options) {
    const struct options *given = session->options;
    const char *keep = given->texts[OPTION_KEEP], *gzip = given->texts[OPTION_GZIP];
    struct trace_quantity bytes = {.value = 0};
    *ret_options = (struct ship_options){.dir = given->texts[OPTION_SINCE],
                                         .url = given->texts[OPTION_UNTIL],
                                         .place = given->texts[OPTION_PLACE],
                                         .host = given->texts[OPTION_HOST],
                                         .login = given->texts[OPTION_LOGIN],
                                         .ca_file = given->texts[OPTION_CA],
                                         .metrics = given->texts[OPTION_METRICS],
                                         .program = P2PTRACE_VERSION,
                                         .look_only = option_given(given, OPTION_CHECK),
                                         .once = option_given(given, OPTION_ONCE)};
    uint64_t patience_ms = option_given(given, OPTION_CHECK) ? 0 : ret_options->once ? SHIP_ONCE_PATIENCE_MS : WAIT_FOREVER;
    ret_options->patience_ms = option_number(given, OPTION_WAIT, patience_ms);
    if (!ret_options->dir || !ret_options->url)
        return failure_set(&session->failure, EXIT_USAGE,
                           "ship needs --from DIR, where traced --record writes, and --to http://HOST:8123/DATABASE");
    if (keep &&
        (trace_quantity_parse(keep, &bytes) || (bytes.unit != TRACE_UNIT_SIZE && bytes.unit != TRACE_UNIT_NONE) || !bytes.value))
        return failure_set(&session->failure, EXIT_USAGE, "--keep %s: a size like 20GiB is expected", keep);
    ret_options->keep_bytes = bytes.value;
    if (gzip)
        ret_options->gzip = !strcmp(gzip, "always")  ? SHIP_GZIP_ALWAYS
                            : !strcmp(gzip, "never") ? SHIP_GZIP_NEVER
                                                     : SHIP_GZIP_AUTO;
    return 0;
}

/* ---- how far it is ---- */

static int show_json(struct session *session, const char *host, const struct ship_progress *is) {
    json_t *line = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "host", host, "segments",
                             (json_int_t)is->shipped_segments, "events", (json_int_t)is->shipped_events, "lost_segments",
                             (json_int_t)is->lost_segments, "lost_events", (json_int_t)is->lost_events, "waiting_segments",
                             (json_int_t)is->waiting_segments, "waiting_bytes", (json_int_t)is->waiting_bytes, "waiting_since",
                             (json_int_t)is->waiting_since_ns, "newest", (json_int_t)is->newest_ns, "now_segments",
                             (json_int_t)is->segments, "now_events", (json_int_t)is->events, "now_bytes", (json_int_t)is->bytes,
                             "now_retries", (json_int_t)is->retries);
    int result = line ? output_json(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

static void show_age(struct strbuf *out, const char *before, uint64_t ns, uint64_t now_ns) {
    strbuf_puts(out, before);
    text_duration(out, now_ns > ns ? now_ns - ns : 0);
    strbuf_puts(out, " ago");
}

static int show_progress(struct session *session, const char *host, const struct ship_progress *is) {
    struct strbuf *out = &session->output.text;
    uint64_t now_ns = trace_now_unix_ns();
    if (options_want_data(session->options)) return show_json(session, host, is);
    strbuf_puts(out, "shipped  ");
    text_count(out, is->shipped_events, "event");
    strbuf_puts(out, " in ");
    text_count(out, is->shipped_segments, "segment");
    if (is->newest_ns) show_age(out, ", the newest of ", is->newest_ns, now_ns);
    strbuf_puts(out, "\nwaiting  ");
    text_count(out, is->waiting_segments, "segment");
    if (is->waiting_segments) {
        strbuf_puts(out, ", ");
        text_bytes(out, is->waiting_bytes);
        show_age(out, ", the oldest written ", is->waiting_since_ns, now_ns);
    }
    strbuf_puts(out, "\nlost     ");
    text_count(out, is->lost_segments, "segment");
    strbuf_puts(out, " and ");
    text_count(out, is->lost_events, "more event");
    strbuf_puts(out, "\n");
    return 0;
}

/* ---- the whole ---- */

static int check(struct session *session, struct ship *ship, const struct ship_options *options) {
    struct ship_progress progress;
    if (ship_connect(ship, NULL, &session->failure) || ship_try_insert(ship, &session->failure)) return -1;
    if (ship_look(ship, &progress, &session->failure)) return -1;
    if (!options_want_data(session->options)) {
        strbuf_puts(&session->output.text, "it would ship ");
        text_untrusted(&session->output.text, options->dir, strlen(options->dir), NOTE_COLUMNS_MAX);
        strbuf_printf(&session->output.text, " to %s as %s\n", options->url, ship_host(ship));
    }
    return show_progress(session, ship_host(ship), &progress);
}

static int ship_all(struct session *session, struct ship *ship) {
    struct ship_progress progress;
    end_signal_catch(NULL); /* a second signal loses nothing either */
    int result = ship_connect(ship, output_note, &session->failure);
    if (result) return end_signal ? 0 : -1; /* nothing was begun */
    if (ship_run(ship, &session->failure)) return -1;
    if (ship_look(ship, &progress, &session->failure)) return -1;
    return show_progress(session, ship_host(ship), &progress);
}

int run_ship(struct session *session) {
    struct ship_options options;
    struct ship *ship;
    if (read_options(session, &options) || ship_open(&ship, &options, &end_signal, &session->failure)) return -1;
    int result = option_given(session->options, OPTION_CHECK) ? check(session, ship, &options) : ship_all(session, ship);
    ship_close(ship);
    return result;
}
