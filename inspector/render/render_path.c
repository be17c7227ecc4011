/* SPDX-License-Identifier: MIT
 *
 * A critical path in words. */
#include "render_path.h"

#include "critical_path.h"
#include "timeline.h"

#include <inttypes.h>
#include <p2ptrace/event.h>
#include <proto/event_table.h>

/* Limits on the places that are listed: the first always, others if they took at least this share; the rest is summed. */
#define PLACES_MAX 8U
#define PLACE_SHARE_MIN 0.005
#define BLAMED_NS_MIN 1000000 /* what took less than this is nobody's fault */
#define REST_PART_MAX 1000    /* of the request: less is not worth mentioning */

void path_not_traced(struct strbuf *out, const struct view *view, const char *peer_id) {
    strbuf_puts(out, names_knows(view->names, peer_id) ? " (no events here)" : " (not traced)");
}

void path_place(struct strbuf *out, const struct view *view, const struct facts *facts, enum wait_kind kind, unsigned node,
                unsigned peer) {
    if (kind == WAIT_PEER) {
        render_node(out, view, facts_node(facts, peer));
        if (!node_clocks_comparable(&facts->clocks, node, peer, NULL))
            strbuf_puts(out, " (clock not known)");
        else if (facts_has(facts, peer))
            strbuf_puts(out, " (did not answer)");
        else if (facts_got_by_other(facts, peer))
            strbuf_puts(out, " (no events here)");
        else
            path_not_traced(out, view, facts_node(facts, peer));
        return;
    }
    if (kind == WAIT_SENDING) strbuf_puts(out, "sending ");
    render_node(out, view, facts_node(facts, node));
    if (kind == WAIT_NODE) return;
    strbuf_puts(out, " -> ");
    render_node(out, view, facts_node(facts, peer));
}

/* A place, or those of which nobody knows which one it was: a node and the link to it, where no packets tell them apart, which
 * matters only where most of the time went; and the whole machine. */
static void draw_place(struct strbuf *out, const struct view *view, const struct facts *facts, const struct wait *wait, bool most,
                       bool unwitnessed) {
    bool held = wait_is_held(wait);
    if (wait->kind == WAIT_LINK && wait->unseen && most) {
        render_node(out, view, facts_node(facts, wait->peer));
        strbuf_puts(out, " or the way from ");
        render_node(out, view, facts_node(facts, wait->node));
        strbuf_puts(out, " ");
        return;
    }
    if (held) {
        render_node(out, view, facts_node(facts, wait->peer));
        strbuf_puts(out, unwitnessed ? ", the link " : " or the link ");
    }
    path_place(out, view, facts, wait->kind, wait->node, wait->peer);
    strbuf_puts(out, !unwitnessed ? " " : held ? ", or the whole machine " : " or the whole machine ");
}

static double percent(uint64_t ns, uint64_t whole_ns) { return whole_ns ? 100.0 * (double)ns / (double)whole_ns : 0.0; }

static void draw_percent(struct strbuf *out, const struct view *view, uint64_t ns, uint64_t whole_ns) {
    text_styled(out, view->color, STYLE_DIM, " (%.0f %%)", percent(ns, whole_ns));
}

/* A part of the time of which nobody knows where it went; perhaps all of it. */
static void draw_unknown(struct strbuf *out, const struct view *view, const struct critical_path *path, uint64_t ns,
                         uint64_t whole_ns, const char *why) {
    if (!ns) return;
    if (path->spent_count) {
        strbuf_puts(out, "; ");
        text_duration(out, ns);
        draw_percent(out, view, ns, whole_ns);
        strbuf_puts(out, " not known");
    }
    strbuf_printf(out, ", because %s", why);
}

static void draw_within(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    uint64_t whole_ns = critical_path_whole_ns(path), rest_ns = 0;
    size_t rest = 0;
    if (!path->within) return;
    strbuf_puts(out, "time went to: ");
    if (!path->spent_count) strbuf_puts(out, "not known");
    for (size_t i = 0; i < path->spent_count; i++) {
        const struct spent *spent = &path->spent[i];
        if (i >= PLACES_MAX || (i && (double)spent->ns < PLACE_SHARE_MIN * (double)whole_ns)) {
            rest_ns += spent->ns;
            rest++;
            continue;
        }
        if (i) strbuf_puts(out, ", ");
        const struct wait *longest = &path->waits[spent->longest];
        draw_place(out, view, &timeline->facts, longest, i == 0 && spent->ns >= BLAMED_NS_MIN, longest->unwitnessed);
        text_duration(out, spent->ns);
        draw_percent(out, view, spent->ns, whole_ns);
    }
    if (rest_ns && rest_ns >= whole_ns / REST_PART_MAX) {
        strbuf_printf(out, rest == 1 ? ", one other " : ", %zu others ", rest);
        text_duration(out, rest_ns);
        draw_percent(out, view, rest_ns, whole_ns);
    }
    draw_unknown(out, view, path, path->hidden_ns, whole_ns, "events are missing");
    draw_unknown(out, view, path, path->vain_ns, whole_ns, "a node may have been asked that had ended");
    if (!facts_steady(&timeline->facts, path->start_ns, path->end_ns))
        strbuf_puts(out, "; the time across the step of the clock is not known");
    if (timeline->outside_ns) {
        strbuf_puts(out, "; plus ");
        text_duration(out, timeline->outside_ns);
        strbuf_puts(out, " outside the request");
    }
    strbuf_puts(out, "\n");
}

/* Is a wait the rest of a time in which a node stood still, in whose first part others did something? */
static bool was_seen_alone(const struct critical_path *path, size_t index) {
    const struct wait *rest = &path->waits[index];
    for (size_t i = 0; i < index; i++) {
        const struct wait *wait = &path->waits[i];
        if (wait->stopped && !wait->unwitnessed && wait->node == rest->node && wait->read_ns == rest->read_ns) return true;
    }
    return false;
}

static void draw_afterwards(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    size_t shown = 0;
    if (path->within == path->count) return;
    strbuf_puts(out, "afterwards: ");
    for (size_t i = path->within; i < path->count; i++) {
        const struct wait *wait = &path->waits[i];
        if (wait->to_ns - wait->from_ns < (path->reach_ns - path->end_ns) / REST_PART_MAX && !wait->untimed) continue;
        if (shown == PLACES_MAX) {
            strbuf_puts(out, ", ...");
            break;
        }
        if (shown++) strbuf_puts(out, ", then ");
        if (wait->untimed) {
            bool steady = facts_steady(&timeline->facts, wait->from_ns, wait->to_ns);
            strbuf_puts(out, steady ? "not known" : "across a step of the clock");
            continue;
        }
        draw_place(out, view, &timeline->facts, wait, true, wait->unwitnessed && !was_seen_alone(path, i));
        text_duration(out, wait->to_ns - wait->from_ns);
    }
    strbuf_puts(out, "\n");
}

void render_path(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    draw_within(out, view, timeline);
    draw_afterwards(out, view, timeline);
}

void path_mostly(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    const struct spent *most = path->spent;
    uint64_t unknown_ns = path->hidden_ns + path->vain_ns;
    struct view plain = *view;
    plain.color = false;
    if (!path->spent_count || unknown_ns >= most->ns || !facts_steady(&timeline->facts, path->start_ns, path->end_ns)) return;
    const struct wait *longest = &path->waits[most->longest];
    draw_place(out, &plain, &timeline->facts, longest, most->ns >= BLAMED_NS_MIN, longest->unwitnessed);
    strbuf_printf(out, "%.0f %%", percent(most->ns, critical_path_whole_ns(path)));
}

void path_ended(struct strbuf *out, bool crashed, uint64_t times) {
    if (!crashed) strbuf_puts(out, " closed its log and");
    strbuf_puts(out, " ended");
    if (times > 1) strbuf_printf(out, " %" PRIu64 " times", times);
    /* Its ring does not tell these apart. */
    if (crashed) strbuf_puts(out, " without closing its log: it crashed, was killed, or called _exit or exec");
}

/* Of a message, or a packet that keeps its number. */
static void sent_again(struct strbuf *out, const struct view *view, const struct facts *facts, const struct loss_wait *loss) {
    if (loss->space >= SPACE_MESSAGES)
        strbuf_puts(out, "message ");
    else
        strbuf_printf(out, "%s packet ", trace_space_name(loss->space));
    strbuf_printf(out, "%" PRIu64 " ", loss->first_number);
    names_node(out, view->names, facts_node(facts, loss->from));
    strbuf_puts(out, " -> ");
    names_node(out, view->names, facts_node(facts, loss->to));
    strbuf_puts(out, " arrived only after it was sent ");
    if (loss->lost_count == 1)
        strbuf_puts(out, "again");
    else
        strbuf_printf(out, "%u times", loss->lost_count + 1);
    if (loss->repeat_number != loss->first_number) strbuf_printf(out, ", as %" PRIu64, loss->repeat_number);
}

void path_loss(struct strbuf *out, const struct view *view, const struct facts *facts, const struct loss_wait *loss) {
    strbuf_puts(out, "waited ");
    text_duration(out, loss->ns);
    strbuf_puts(out, ": ");
    if (loss->again) {
        sent_again(out, view, facts, loss);
        return;
    }
    if (loss->space < TRACE_SPACE_1RTT) strbuf_printf(out, "%s ", trace_space_name(loss->space));
    strbuf_printf(out, "packet %" PRIu64 " ", loss->first_number);
    names_node(out, view->names, facts_node(facts, loss->from));
    strbuf_puts(out, " -> ");
    names_node(out, view->names, facts_node(facts, loss->to));
    if (loss->gone)
        strbuf_printf(out, " was lost %u times, finally as %" PRIu64 ", and never arrived", loss->lost_count,
                      loss->repeat_number);
    else if (loss->lost_count == 1)
        strbuf_printf(out, " was lost, sent again as %" PRIu64, loss->repeat_number);
    else
        strbuf_printf(out, " was lost %u times, finally sent again as %" PRIu64, loss->lost_count, loss->repeat_number);
}

/* How long a node stood still, and since when: perhaps for much longer than the request waited. */
static void draw_stop(struct strbuf *out, const struct timeline *timeline, const struct wait *wait) {
    uint64_t waited_ns = wait->to_ns - wait->from_ns;
    bool longer = wait->read_ns > wait->to_ns + waited_ns / REST_PART_MAX;
    strbuf_puts(out, " for ");
    text_duration(out, longer ? wait->read_ns - wait->from_ns : waited_ns);
    if (longer) {
        strbuf_puts(out, ", ");
        text_duration(out, waited_ns);
        strbuf_puts(out, " of it while the request waited");
    }
    strbuf_puts(out, ", from ");
    timeline_since(out, timeline, wait->node, wait->from_ns);
    strbuf_puts(out, " on");
}

void path_stop(struct strbuf *out, const struct view *view, const struct timeline *timeline, const struct wait *wait) {
    const struct facts *facts = &timeline->facts;
    bool held = wait_is_held(wait);
    const char *node = facts_node(facts, held ? wait->peer : wait->node);
    if (wait->unwitnessed)
        strbuf_puts(out, "nobody did anything");
    else
        names_node(out, view->names, node);
    if (!wait->unwitnessed) strbuf_puts(out, held ? " did nothing" : " did not read its socket");
    draw_stop(out, timeline, wait);
    if (!wait->unwitnessed && !held) return;
    strbuf_puts(out, ": ");
    if (wait->unwitnessed)
        names_node(out, view->names, node);
    else
        strbuf_puts(out, "it");
    strbuf_puts(out, " did not read its socket");
    if (held) {
        strbuf_puts(out, ", or the link ");
        names_node(out, view->names, facts_node(facts, wait->node));
        strbuf_puts(out, " -> ");
        names_node(out, view->names, node);
        strbuf_puts(out, " held up what was sent to it");
    }
    if (wait->unwitnessed) strbuf_puts(out, ", or the whole machine stood still");
}
