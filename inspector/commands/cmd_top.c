/* SPDX-License-Identifier: MIT
 *
 * `inspector top`: asks traced once per interval, and handles keys while it waits.
 *
 * A round is a set of questions sent together: `stats`, `nodes`, `peers` (unless there are many and they are not shown), what
 * the user's page shows, and `stats` again.  It is shown when all answers have arrived.  The next round begins when the
 * interval is over, but not before that: a slow traced is asked less often.  The two `stats` show whether events left the
 * history between this round's `peers` and the previous one. */
#include "commands.h"

#include "json_get.h"
#include "limits.h"
#include "timeline.h"
#include "top.h"
#include "top_terminal.h"

#include <proto/clock.h>
#include <string.h>
#include <unistd.h>

#define ASKS_MAX 16U
#define INTERVAL_MS_DEFAULT 1000U
#define INTERVAL_MS_MIN 100U
#define STATS_SERIAL 0U /* no page has this serial */

/* A question that was sent; or answered, and waiting for the rest of its round. */
struct ask {
    int64_t id;
    unsigned serial; /* the serial of its page */
    bool round;      /* it belongs to a round; otherwise it is shown on arrival */
    bool answered;
    json_t *result; /* NULL: refused */
    json_t *trace;  /* the answer to a question before: the events of a trace; this one asks what happened beside */
    uint64_t time_ms;
    char reason[160];
};

struct watch {
    struct session *session;
    struct source *source;
    struct terminal *terminal;
    struct top top;
    struct ask asks[ASKS_MAX];
    unsigned ask_count;
    uint64_t next_ms;  /* when the next round or the next attempt to connect is due */
    uint64_t asked_ms; /* when the oldest unanswered question was sent */
    uint64_t evicted;  /* at the beginning of the previous round */
    bool connected;
};

/* ---- asking ---- */

static void forget_asks(struct watch *watch) {
    for (unsigned i = 0; i < watch->ask_count; i++) {
        json_decref(watch->asks[i].result);
        json_decref(watch->asks[i].trace);
    }
    watch->ask_count = 0;
}

static bool under_way(const struct watch *watch) {
    for (unsigned i = 0; i < watch->ask_count; i++)
        if (!watch->asks[i].answered) return true;
    return false;
}

/* If sending fails, waiting on the connection reports it. */
static void send_ask(struct watch *watch, unsigned serial, bool round, const char *method, json_t *params_new) {
    struct ask *ask = &watch->asks[watch->ask_count];
    struct failure failure;
    if (watch->ask_count == ASKS_MAX || !method) {
        json_decref(params_new);
        return;
    }
    *ask = (struct ask){.serial = serial, .round = round};
    if (!under_way(watch)) watch->asked_ms = trace_now_monotonic_ms();
    if (!source_send(watch->source, method, params_new, &ask->id, &failure)) watch->ask_count++;
}

/* The time up to which events are shown. */
static uint64_t now_ns(const struct watch *watch) {
    return watch->top.past ? watch->top.position_ns : source_now_ns(watch->source);
}

/* Not while an answer for it is pending, nor in a round that follows at once: a rate over a moment is worthless. */
static void ask_for_page(struct watch *watch, struct top_page *page, bool round) {
    json_t *params = NULL;
    uint64_t fed_ms = page->table.time_ms;
    for (unsigned i = 0; i < watch->ask_count; i++)
        if (watch->asks[i].serial == page->serial) return;
    if (round && top_is_before_end(&watch->top) && page->fed) return; /* the past does not change */
    if (round && fed_ms && trace_now_monotonic_ms() < fed_ms + watch->top.interval_ms / 2) return;
    const char *method = top_request(&watch->top, page, now_ns(watch), &params);
    if (method) send_ask(watch, page->serial, round, method, params);
}

static void begin_round(struct watch *watch) {
    struct top *top = &watch->top;
    struct top_page *page = top_page(top), *nodes = &top->roots[TOP_NODES], *peers = &top->roots[TOP_PEERS];
    uint64_t now_ms = trace_now_monotonic_ms();
    top_play(top);
    watch->next_ms = watch->next_ms + top->interval_ms > now_ms ? watch->next_ms + top->interval_ms : now_ms + top->interval_ms;
    send_ask(watch, STATS_SERIAL, true, "stats", NULL);
    ask_for_page(watch, nodes, true);
    if (page == peers || peers->table.row_count <= TOP_ROWS_ALWAYS) ask_for_page(watch, peers, true);
    if (page != nodes && page != peers && page->kind == TOP_PAGE_TABLE) ask_for_page(watch, page, true);
    send_ask(watch, STATS_SERIAL, true, "stats", NULL);
}

/* Asks for the user's page at once, if it has nothing to show yet, or is not part of every round. */
static void ask_now(struct watch *watch) {
    struct top_page *page = top_page(&watch->top);
    bool has_rates = page->kind == TOP_PAGE_TABLE && page->table.view != TOP_TRACES;
    if (watch->connected && !(page->fed && (has_rates || top_is_frozen(&watch->top)))) ask_for_page(watch, page, false);
}

/* ---- answers ---- */

static void feed_page(struct watch *watch, const struct ask *ask, bool evicted) {
    struct top *top = &watch->top;
    struct top_page *page = top_find_page(top, ask->serial);
    struct top_moment moment = {.time_ms = ask->time_ms, .evicted = evicted};
    if (!page) return;
    if (page == &top->roots[TOP_NODES] && ask->result) names_learn(top->names, ask->result);
    top_feed(top, page, ask->result, ask->reason, &moment);
}

/* Asks what happened beside a trace, as `trace ID` does, before the trace is shown.  Returns false if there is nothing to ask. */
static bool ask_beside(struct watch *watch, struct ask *ask) {
    const struct top_page *page = top_find_page(&watch->top, ask->serial);
    struct failure failure;
    json_t *params, *looked;
    if (!page || page->kind != TOP_PAGE_TRACE || !ask->result || ask->trace) return false;
    if (timeline_question(ask->result, watch->top.names->answer, &params, &looked) || !params) return false;
    top_limit(&watch->top, params);
    if (source_send(watch->source, "query", params, &ask->id, &failure)) return false;
    ask->trace = ask->result;
    ask->result = NULL;
    ask->answered = false;
    return true;
}

/* If the question was refused, the trace is shown without it. */
static void take_beside(struct ask *ask) {
    if (ask->result) (void)json_object_set(ask->trace, "beside", ask->result);
    json_decref(ask->result);
    ask->result = ask->trace;
    ask->trace = NULL;
    ask->reason[0] = 0;
}

static uint64_t evicted_by(const json_t *stats) { return json_get_count(json_object_get(stats, "history"), "evicted"); }

/* All questions are answered: shows those of the round, unless the screen is frozen. */
static void end_round(struct watch *watch) {
    const struct ask *first = NULL, *last = NULL;
    enum top_view view = watch->top.view;
    watch->top.trouble[0] = 0;
    for (unsigned i = 0; i < watch->ask_count; i++) {
        if (watch->asks[i].serial != STATS_SERIAL) continue;
        last = &watch->asks[i];
        if (!first) first = last;
    }
    bool evicted = last && evicted_by(last->result) != watch->evicted;
    if (first) watch->evicted = evicted_by(first->result);
    if (last && last->result && !top_is_frozen(&watch->top))
        top_feed_stats(&watch->top, last->result, last->time_ms, now_ns(watch));
    for (unsigned i = 0; i < watch->ask_count && !top_is_frozen(&watch->top); i++)
        if (watch->asks[i].round) feed_page(watch, &watch->asks[i], evicted);
    forget_asks(watch);
    if (watch->top.view != view) ask_now(watch); /* the first view had nothing to show */
}

static void take_answer(struct watch *watch, int64_t id, json_t *result_new, const struct failure *failure) {
    for (unsigned i = 0; i < watch->ask_count; i++) {
        struct ask *ask = &watch->asks[i];
        if (ask->id != id || ask->answered) continue;
        ask->answered = true;
        ask->result = json_incref(result_new);
        ask->time_ms = trace_now_monotonic_ms();
        if (!result_new) snprintf(ask->reason, sizeof ask->reason, "%.*s", (int)sizeof ask->reason - 1, failure->text);
        if (ask->trace)
            take_beside(ask);
        else if (ask_beside(watch, ask))
            break;
        if (!ask->round) feed_page(watch, ask, false);
        break;
    }
    json_decref(result_new);
    if (!under_way(watch)) end_round(watch);
}

/* ---- the connection ---- */

static void note_lost(struct watch *watch, const struct failure *failure) {
    struct strbuf text = {0};
    forget_asks(watch);
    watch->connected = false;
    watch->next_ms = trace_now_monotonic_ms() + CONNECT_RETRY_MS;
    text_untrusted(&text, failure->text, strlen(failure->text), sizeof watch->top.trouble / 2);
    snprintf(watch->top.trouble, sizeof watch->top.trouble, "%s; waiting for it to come back",
             failure->disconnected ? "traced went away" : strbuf_text(&text));
    strbuf_fini(&text);
}

static void try_again(struct watch *watch) {
    struct failure failure;
    watch->next_ms = trace_now_monotonic_ms() + CONNECT_RETRY_MS;
    if (source_reopen(watch->source, 0, &failure)) return;
    watch->connected = true;
    watch->top.trouble[0] = 0;
    top_forget(&watch->top);
    watch->next_ms = trace_now_monotonic_ms();
}

static void report_silence(struct watch *watch) {
    uint64_t silent_ms = trace_now_monotonic_ms() - watch->asked_ms;
    if (silent_ms >= TOP_SILENCE_MS)
        snprintf(watch->top.trouble, sizeof watch->top.trouble, "traced has not answered for %u s", (unsigned)(silent_ms / 1000));
}

/* ---- the loop ---- */

static uint64_t deadline(const struct watch *watch) {
    if (!watch->connected) return watch->next_ms;
    if (under_way(watch)) return trace_now_monotonic_ms() + TOP_SILENCE_MS / 2;
    return top_is_frozen(&watch->top) ? WAIT_FOREVER : watch->next_ms;
}

static void time_is_over(struct watch *watch) {
    if (!watch->connected)
        try_again(watch);
    else if (under_way(watch))
        report_silence(watch);
    if (watch->connected && !under_way(watch) && !top_is_frozen(&watch->top)) begin_round(watch);
}

/* Returns false at the end. */
static bool take_keys(struct watch *watch, bool *ret_anew) {
    uint32_t key;
    bool any = false;
    while (terminal_key(watch->terminal, &key)) {
        enum top_action action = top_key(&watch->top, key, now_ns(watch));
        any = true;
        if (action == TOP_QUIT) return false;
        if (action == TOP_ASK) ask_now(watch);
        *ret_anew |= action == TOP_REDRAW;
    }
    return any || !terminal_gone(watch->terminal);
}

static bool take_input(struct watch *watch, bool *ret_anew) {
    unsigned lines, columns;
    if (!terminal_signals(watch->terminal) || !take_keys(watch, ret_anew)) return false;
    terminal_size(watch->terminal, &lines, &columns);
    if (lines == watch->top.lines && columns == watch->top.columns) return true;
    top_resize(&watch->top, lines, columns);
    *ret_anew = true;
    return true;
}

static void show_screen(struct watch *watch, bool anew) {
    struct strbuf screen = {0};
    top_draw(&screen, &watch->top);
    if (screen.failed)
        watch->top.failed = true;
    else
        terminal_show(watch->terminal, &screen, anew);
    strbuf_fini(&screen);
}

/* Runs until the user or a signal ends it. */
static int watch_on(struct watch *watch) {
    struct session *session = watch->session;
    bool anew = false;
    begin_round(watch); /* before the first key; the answer also has the names */
    while (!watch->top.failed) {
        struct failure failure;
        struct source_news news;
        show_screen(watch, anew);
        anew = false;
        switch (source_next(watch->source, deadline(watch), &news, &failure)) {
        case SOURCE_FAILED: note_lost(watch, &failure); break;
        case SOURCE_ANSWER: take_answer(watch, news.number, news.value, &failure); break;
        case SOURCE_INPUT:
            if (!take_input(watch, &anew)) return 0;
            break;
        default: break;
        }
        if (trace_now_monotonic_ms() >= watch->next_ms || under_way(watch)) time_is_over(watch);
    }
    return session_out_of_memory(session);
}

int run_top(struct session *session) {
    struct watch watch = {.session = session, .source = session->inquiry.source, .connected = true};
    struct top *top = &watch.top;
    uint64_t interval_ms = option_number(session->options, OPTION_INTERVAL, INTERVAL_MS_DEFAULT);
    if (options_want_data(session->options))
        return failure_set(&session->failure, EXIT_USAGE, "top has no --json; nodes, peers and traces have it");
    if (source_need_nodes(watch.source, "top", &session->failure)) return -1;
    if (interval_ms < INTERVAL_MS_MIN)
        return failure_set(&session->failure, EXIT_USAGE, "--interval: at least %u ms", INTERVAL_MS_MIN);
    if (terminal_open(&watch.terminal, session->view.color, &session->failure)) return -1;
    top_init(top, &session->names);
    top->utf8 = terminal_utf8(watch.terminal);
    top->color = session->view.color;
    top->utc = session->view.utc;
    top->interval_ms = interval_ms;
    if (watch.source->ops->can & SOURCE_PAST) top_set_past(top, source_now_ns(watch.source));
    terminal_size(watch.terminal, &top->lines, &top->columns);
    int result = source_watch_input(watch.source, STDIN_FILENO, &session->failure);
    if (!result) result = source_watch_input(watch.source, terminal_signal_fd(watch.terminal), &session->failure);
    if (!result) result = watch_on(&watch);
    forget_asks(&watch);
    terminal_close(watch.terminal);
    top_fini(top);
    return result;
}
