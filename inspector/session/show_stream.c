/* SPDX-License-Identifier: MIT */
#include "show_stream.h"

#include "json_get.h"
#include "limits.h"
#include "timely_write.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <unistd.h>

struct stream_wish stream_wish_of(const struct options *options, uint64_t begin_ms, json_t *params_new, uint64_t wait_ms) {
    return (struct stream_wish){.params_new = params_new,
                                .recent = option_number(options, OPTION_RECENT, 0),
                                .events_max = option_number(options, OPTION_LIMIT, UINT64_MAX),
                                .deadline_ms =
                                    option_given(options, OPTION_FOR) ? begin_ms + options->numbers[OPTION_FOR] : WAIT_FOREVER,
                                .wait_ms = wait_ms};
}

int begin_stream(struct session *session, struct stream *stream, struct source *source, struct stream_wish wish,
                 const char *away) {
    json_t *nodes;
    bool noted = false;
    timely_write_end(wish.deadline_ms);
    if (isatty(STDERR_FILENO)) wish.note = output_note;
    for (;;) {
        struct stream_wish again = wish;
        again.params_new = json_incref(wish.params_new);
        if (!stream_init(stream, source, &again, &nodes, &session->failure)) break;
        if (!session->failure.disconnected || !wish.wait_ms) goto failed;
        if (!noted) output_note(away);
        noted = true;
        if (source_reopen(source, stream_wait_ms(stream), &session->failure)) goto failed;
        stream_fini(stream);
    }
    json_decref(wish.params_new);
    names_learn(&session->names, nodes);
    json_decref(nodes);
    return 0;
failed:
    json_decref(wish.params_new);
    return -1;
}

struct show {
    struct session *session;
    const struct show_stream *wish;
    struct stream stream;
    uint64_t names_ms; /* when we last asked for names */
    bool json;
    struct pace {
        uint64_t begin_ms; /* when the stream began: its first event is due then */
        uint64_t event_ns; /* the time of that event; 0: not known yet */
    } pace;
};

/* New nodes may appear.  Asks for their names, but not again for every event of a nameless node. */
static int learn_new_names(struct show *show, const json_t *events) {
    struct session *session = show->session;
    uint64_t now_ms = trace_now_monotonic_ms();
    size_t i;
    const json_t *event;
    if (now_ms - show->names_ms < NODES_REFRESH_MS) return 0;
    json_array_foreach(events, i, event) {
        const char *id = json_get_hex(event, "node_id", NODE_DIGITS);
        json_t *nodes;
        if (!id || names_knows(&session->names, id)) continue;
        show->names_ms = now_ms;
        if (source_ask(show->wish->source, "nodes", NULL, NULL, &nodes, &session->failure)) return -1;
        names_learn(&session->names, nodes);
        json_decref(nodes);
        return 0;
    }
    return 0;
}

static void put_titles(struct session *session) {
    render_events_hidden(&session->output.text, &session->view);
    render_events_titles(&session->output.text, &session->view);
}

/* Who resizes the terminal gets the columns that fit now, under titles of their own. */
static void fit_terminal(struct session *session) {
    unsigned columns = output_columns(&session->output);
    if (columns == session->view.columns) return;
    session->view.columns = columns;
    put_titles(session);
}

static int show_events(struct show *show, json_t *events_new) {
    struct session *session = show->session;
    int result = 0, learned = 0;
    if (show->json) {
        result = output_json_lines(&session->output, events_new);
    } else {
        json_t *answer = json_pack("{s:O}", "events", events_new);
        learned = learn_new_names(show, events_new); /* if that fails, still show these events */
        names_see(&session->names, events_new);
        fit_terminal(session);
        if (answer)
            render_events(&session->output.text, &session->view, answer);
        else
            result = session_out_of_memory(session);
        json_decref(answer);
    }
    json_decref(events_new);
    struct failure failure = session->failure;
    if (!result) result = output_flush(&session->output);
    if (result || !learned) return result;
    session->failure = failure;
    return stream_lost(&show->stream);
}

/* When an event is due, on the clock of trace_now_monotonic_ms(). */
static uint64_t due_ms(struct pace *pace, double speed, const json_t *event) {
    uint64_t ns;
    if (!json_get_time(event, &ns)) return pace->begin_ms;
    if (!pace->event_ns) pace->event_ns = ns;
    if (ns <= pace->event_ns) return pace->begin_ms;
    double after_ms = (double)(ns - pace->event_ns) / 1e6 / speed;
    return after_ms < 1e15 ? pace->begin_ms + (uint64_t)after_ms : WAIT_FOREVER;
}

/* Waits until an event is due.  Returns false when the output went away, or when the stream ends before then.  What counts is
 * when the event is due, not when we get to it: a slow machine shows the same events. */
static bool wait_until(const struct show *show, uint64_t until_ms) {
    uint64_t end_ms = show->stream.deadline_ms, to_ms = until_ms < end_ms ? until_ms : end_ms;
    for (;;) {
        uint64_t now_ms = trace_now_monotonic_ms();
        if (now_ms >= to_ms) return until_ms < end_ms;
        if (source_pause(show->wish->source, to_ms - now_ms < PACE_PAUSE_MS ? (int)(to_ms - now_ms) : PACE_PAUSE_MS))
            return false;
    }
}

/* Shows each event when it is due, in batches.  Returns 1 at the end of the stream, 0, or -1. */
static int play_events(struct show *show, json_t *events_new) {
    size_t i = 0, count = json_array_size(events_new);
    int result = 0;
    while (!result && i < count) {
        json_t *now = json_array();
        uint64_t next_ms = due_ms(&show->pace, show->wish->speed, json_array_get(events_new, i));
        if (!wait_until(show, next_ms)) result = 1;
        uint64_t now_ms = trace_now_monotonic_ms();
        while (!result && next_ms <= now_ms && next_ms < show->stream.deadline_ms) {
            if (json_array_append(now, json_array_get(events_new, i))) result = session_out_of_memory(show->session);
            if (++i == count) break;
            next_ms = due_ms(&show->pace, show->wish->speed, json_array_get(events_new, i));
        }
        if (result)
            json_decref(now);
        else
            result = show_events(show, now);
    }
    json_decref(events_new);
    return result;
}

static int show_gap(struct show *show, const struct source_news *gap) {
    static const struct {
        const char *word, *sentence;
    } reasons[] = {[GAP_SLOW] = {"slow", "this inspector did not read fast enough"},
                   [GAP_GONE] = {"gone", "they had left the history"},
                   [GAP_HIDDEN] = {"hidden", "some of them may not have matched"}};
    struct session *session = show->session;
    if (!show->json) {
        render_missed(&session->output.text, &session->view, gap->count, gap->at_most, reasons[gap->why].sentence);
        return output_flush(&session->output);
    }
    json_t *missed = json_pack("{s:I, s:s, s:o*}", "missed", (json_int_t)gap->count, "why", reasons[gap->why].word, "at_most",
                               gap->at_most ? json_true() : NULL);
    int result = missed ? output_aside(&session->output, missed) : session_out_of_memory(session);
    json_decref(missed);
    return result ? result : output_flush(&session->output);
}

void show_stream_settled(struct strbuf *out, const struct source_news *settled) {
    strbuf_printf(out, "connected again after %.1f s; missed ", (double)settled->away_ms / 1e3);
    if (settled->count)
        strbuf_printf(out, "%s%" PRIu64 " event%s", settled->at_most ? "at most " : "", settled->count,
                      settled->count == 1 ? "" : "s");
    else
        strbuf_puts(out, "nothing");
}

static void note_settled(const struct source_news *settled) {
    struct strbuf line = {0};
    show_stream_settled(&line, settled);
    output_note(strbuf_text(&line));
    strbuf_fini(&line);
}

static int show_news(struct show *show) {
    for (;;) {
        struct source_news news;
        int result = 0;
        switch (stream_next(&show->stream, WAIT_FOREVER, &news)) {
        case SOURCE_FAILED: return -1;
        case SOURCE_EVENTS: result = show->wish->speed > 0 ? play_events(show, news.value) : show_events(show, news.value); break;
        case SOURCE_GAP: result = show_gap(show, &news); break;
        case SOURCE_NOTE:
            if (show->session->view.header) output_note(news.text);
            break;
        case SOURCE_AWAY: output_note(show->wish->away); break;
        case SOURCE_SETTLED:
            if (show->wish->reports_restart) note_settled(&news);
            break;
        case SOURCE_ENDED: return 0;
        case SOURCE_OUTPUT_GONE: return failure_of_write(&show->session->failure, "the output", EPIPE);
        default: break;
        }
        if (result) return result > 0 ? 0 : -1;
    }
}

int show_stream(struct session *session, const struct show_stream *wish) {
    const struct options *options = session->options;
    struct show show = {
        .session = session,
        .wish = wish,
        .json = options_want_data(options),
        .pace.begin_ms = trace_now_monotonic_ms(),
    };
    struct stream_wish begin = stream_wish_of(options, show.pace.begin_ms, wish->params_new, wish->wait_ms);
    session->view.now_ns = 0; /* events of a live stream are always recent */
    int result = begin_stream(session, &show.stream, wish->source, begin, wish->away);
    if (!result) {
        source_watch_output(wish->source, session->output.fd);
        show.names_ms = trace_now_monotonic_ms();
        if (!show.json) put_titles(session);
        result = output_flush(&session->output);
    }
    if (!result) result = show_news(&show);
    stream_fini(&show.stream);
    return result;
}
