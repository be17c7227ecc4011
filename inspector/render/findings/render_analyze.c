/* SPDX-License-Identifier: MIT */
#include "render_analyze.h"
#include "describe.h"
#include "render_clocks.h"

#include "json_get.h"
#include "list.h"
#include "render_path.h"

#include <inttypes.h>
#include <string.h>

#define NEXT_DIGITS 16 /* of an id in a command: enough to make it unique */
#define AROUND_US 1000000

/* ---- pieces ---- */

static void link(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    strbuf_puts(out, " -> ");
    finding_node(out, view, facts, finding->peer);
}

/* "the link alice -> bob"; or, if it may as well have been its receiver: "bob, which was inactive, or on the link alice ->
 * bob"; "bob or on the way from alice". */
static void place_of_link(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding,
                          const char *place) {
    if (finding->held || finding->unseen) finding_node(out, view, facts, finding->peer);
    if (finding->unseen) {
        strbuf_puts(out, " or on the way from ");
        finding_node(out, view, facts, finding->node);
        return;
    }
    if (finding->held) strbuf_puts(out, ", which was inactive, or on ");
    strbuf_puts(out, place);
    link(out, view, facts, finding);
}

static void percent(struct strbuf *out, double rate) { strbuf_printf(out, "%.1f %%", 100 * rate); }

/* " (7.4 %)": a finding's own rate. */
static void own_percent(struct strbuf *out, const struct finding *finding) {
    strbuf_puts(out, " (");
    percent(out, (double)finding->count / (double)finding->of);
    strbuf_puts(out, ")");
}

/* ---- sentences ---- */

/* Which end of several links a node is. */
static const char *ends_of(const struct finding *finding) {
    return finding->direction == DIRECTION_OUT ? "from" : finding->direction == DIRECTION_IN ? "to" : "to and from";
}

/* Which of a node's packets a finding is about. */
static void links_of(struct strbuf *out, const struct finding *finding) { strbuf_printf(out, "%s it", ends_of(finding)); }

/* What was lost or late, as the evidence shows it. */
static const char *carried(const struct facts *facts, const struct finding *finding) {
    return finding->evidence_count && fact_is_message(&facts->items[finding->evidence[0]]) ? "messages" : "packets";
}

static void share_lost(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->peer == NO_NUMBER) {
        finding_node(out, view, facts, finding->node);
        strbuf_printf(out, ": %" PRIu64 " of %" PRIu64 " %s ", finding->count, finding->of, carried(facts, finding));
        links_of(out, finding);
        strbuf_puts(out, " were lost");
    } else {
        link(out, view, facts, finding);
        strbuf_printf(out, " loses %" PRIu64 " of %" PRIu64 " %s", finding->count, finding->of, carried(facts, finding));
    }
    own_percent(out, finding);
    if (!finding->usual_known) return;
    strbuf_puts(out, "; between other nodes ");
    percent(out, finding->usual_rate);
}

/* How often requests waited for the lost packets, and how long. */
static void delays(struct strbuf *out, const struct finding *finding) {
    if (!finding->delays) return;
    strbuf_puts(out, "; the losses delayed requests ");
    text_count(out, finding->delays, "time");
    strbuf_puts(out, ", by up to ");
    text_duration(out, finding->ns);
}

static void lossy(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    share_lost(out, view, facts, finding);
    delays(out, finding);
}

/* Loss everywhere blames no node: a node at one end of all these links may be the cause, or only what they have in common. */
static void lossy_network(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    strbuf_printf(out, "%" PRIu64 " of %" PRIu64 " links lose ", finding->links, finding->links_of);
    percent(out, (double)finding->count / (double)finding->of);
    strbuf_printf(out, " of their %s (%" PRIu64 " of %" PRIu64 "); ", carried(facts, finding), finding->count, finding->of);
    if (finding->common == NO_NUMBER) {
        strbuf_puts(out, "they have no node in common");
    } else {
        strbuf_puts(out, "all of them lead to or from ");
        finding_node(out, view, facts, finding->common);
    }
    delays(out, finding);
}

static void late_packets(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->of) {
        finding_node(out, view, facts, finding->node);
        strbuf_printf(out, ": %" PRIu64 " of %" PRIu64 " %s ", finding->count, finding->of, carried(facts, finding));
        links_of(out, finding);
        strbuf_puts(out, " were late and took ");
        text_duration(out, finding->ns);
        strbuf_puts(out, " (median); between other nodes ");
        text_duration(out, finding->usual_ns);
        return;
    }
    if (finding->peer == NO_NUMBER) {
        finding_node(out, view, facts, finding->node);
        strbuf_printf(out, ": %s ", carried(facts, finding));
        links_of(out, finding);
        strbuf_puts(out, " take up to ");
        text_duration(out, finding->ns);
        strbuf_printf(out, " (median per link, %" PRIu64 " %s); between other nodes ", finding->count, carried(facts, finding));
    } else {
        strbuf_printf(out, "%s ", carried(facts, finding));
        link(out, view, facts, finding);
        strbuf_puts(out, " take ");
        text_duration(out, finding->ns);
        strbuf_printf(out, " (median of %" PRIu64 "); between other nodes ", finding->count);
    }
    text_duration(out, finding->usual_ns);
}

static void wrong_losses(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    link(out, view, facts, finding);
    strbuf_printf(out,
                  ": %" PRIu64 " of %" PRIu64 " packets declared lost did arrive: they were reordered, or acknowledged too late",
                  finding->count, finding->of);
}

static void rtt_jump(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    strbuf_puts(out, "the round-trip time ");
    link(out, view, facts, finding);
    strbuf_puts(out, finding->ns > finding->usual_ns ? " rose from " : " fell from ");
    text_duration(out, finding->usual_ns);
    strbuf_puts(out, " to ");
    text_duration(out, finding->ns);
    strbuf_puts(out, " at ");
    text_time(out, finding->time_ns, view->utc, false);
}

void finding_peers(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    uint64_t named = finding->peer_count < PEERS_MAX ? finding->peer_count : PEERS_MAX;
    if (finding->peer_count > named) named--; /* "and 1 more" is no shorter than its name */
    for (uint64_t i = 0; i < named; i++) {
        if (i) strbuf_puts(out, i + 1 == finding->peer_count ? " and " : ", ");
        finding_node(out, view, facts, finding->peers[i]);
    }
    if (finding->peer_count > named) strbuf_printf(out, " and %" PRIu64 " more", finding->peer_count - named);
}

/* "GET takes 80.0 ms (median) at bob in 27 of 80 requests; at other nodes 80 % take at most 3.02 ms" */
static void sometimes_slow(struct strbuf *out, const struct view *view, const struct facts *facts,
                           const struct finding *finding) {
    finding_command(out, facts, finding);
    strbuf_puts(out, " takes ");
    text_duration(out, finding->ns);
    strbuf_puts(out, " (median) at ");
    finding_node(out, view, facts, finding->node);
    strbuf_printf(out, " in %" PRIu64 " of %" PRIu64 " requests; at other nodes 80 %% take at most ", finding->count,
                  finding->of);
    text_duration(out, finding->usual_ns);
}

/* "dave, which is not traced, has not answered since 12:00:02.000000: 855 of 855 packets that 3 nodes sent to it since then were
 * lost" */
static void gone(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    strbuf_puts(out, ", which is not traced, has not answered");
    if (finding->time_ns) {
        strbuf_puts(out, " since ");
        text_time(out, finding->time_ns, view->utc, false);
    }
    strbuf_printf(out, ": %" PRIu64 " of %" PRIu64 " %s that ", finding->count, finding->of, carried(facts, finding));
    text_count(out, finding->links, "node");
    strbuf_puts(out, finding->time_ns ? " sent to it since then were lost" : " sent to it were lost");
}

/* ", which received the question at 12:00:00.000210 and sent no answer until 12:00:03.000210"; of several, without the times. */
static void ignored(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    bool times = finding->of == 1 && finding->evidence_count > 1;
    strbuf_puts(out, times             ? ", which received the question at "
                     : finding->of > 1 ? ", which received the questions"
                                       : ", which received the question");
    if (times) text_time(out, fact_unix(facts, &facts->items[finding->evidence[0]]), view->utc, false);
    if (finding->reaction == REACTION_UNKNOWN) return;
    strbuf_puts(out, finding->reaction == REACTION_NONE ? " and sent no answer" : " and sent nothing but small packets");
    if (!times) return;
    strbuf_puts(out, " until ");
    text_time(out, fact_unix(facts, &facts->items[finding->evidence[1]]), view->utc, false);
}

static void slow(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->sometimes) {
        sometimes_slow(out, view, facts, finding);
        return;
    }
    if (finding->gone) {
        gone(out, view, facts, finding);
        return;
    }
    if (finding->after) strbuf_puts(out, "work after ");
    finding_command(out, facts, finding);
    strbuf_puts(out, finding->divided ? " spends much of its time " : " spends most of its time ");
    bool peer = finding->kind == FINDING_UNTRACED_PEER || finding->kind == FINDING_SLOW_PEER;
    if (peer && finding->peer_count > 1) {
        strbuf_puts(out, "waiting for ");
        finding_peers(out, view, facts, finding);
        if (!finding->seen) strbuf_puts(out, ", which have no events of the request");
        if (finding->unanswered) strbuf_puts(out, finding->seen ? ", which did not answer" : " and did not answer");
    } else if (peer) {
        strbuf_puts(out, "waiting for ");
        finding_node(out, view, facts, finding->node);
        bool traced = names_knows(view->names, facts_node(facts, finding->node)) || facts_got_by_other(facts, finding->node);
        strbuf_puts(out, !node_clocks_comparable(&facts->clocks, finding->node, finding->peer, NULL) ? ", whose clock is unknown"
                         : finding->seen                                                             ? ""
                         : traced ? ", which has no events of the request"
                                  : ", which is not traced");
        if (finding->unanswered) strbuf_puts(out, finding->seen ? ", which did not answer" : " and did not answer");
    } else if (finding->missing) {
        strbuf_puts(out, "waiting for ");
        finding_node(out, view, facts, finding->node);
        strbuf_puts(out, ", whose events are missing");
    } else if (finding->kind == FINDING_SLOW_LINK && finding->peer == NO_NUMBER) {
        if (finding->held || finding->unseen)
            strbuf_printf(out, "at the ends of or on %" PRIu64 " links %s ", finding->links, ends_of(finding));
        else
            strbuf_printf(out, "%s %" PRIu64 " links %s ", finding->sending ? "sending on" : "on", finding->links,
                          ends_of(finding));
        finding_node(out, view, facts, finding->node);
    } else if (finding->node == NO_NUMBER) {
        strbuf_printf(out, "at %" PRIu64 " nodes, about equally at each", finding->links);
    } else if (finding->peer == NO_NUMBER) {
        strbuf_puts(out, "at ");
        finding_node(out, view, facts, finding->node);
        if (finding->stopped) strbuf_puts(out, ", which did not read its socket");
        if (finding->ignored) ignored(out, view, facts, finding);
    } else {
        strbuf_puts(out, finding->sending ? "sending " : finding->held || finding->unseen ? "at " : "on ");
        place_of_link(out, view, facts, finding, finding->sending ? "" : "the link ");
    }
    strbuf_puts(out, finding->links ? ": up to " : ": ");
    text_duration(out, finding->ns);
    if (finding->of > 1)
        strbuf_printf(out, " (median), and at least %s of the total in %" PRIu64 " of %" PRIu64 " cases",
                      finding->divided ? "a quarter" : "half", finding->count, finding->of);
    else if (finding->requests > 1)
        strbuf_printf(out, ", in 1 of %" PRIu64 " requests", finding->requests);
    if (finding->calm) strbuf_puts(out, "; no node had any event meanwhile: perhaps the whole machine stood still");
    if (finding->full)
        strbuf_puts(out, "; the sender's congestion window was full");
    else if (finding->sending)
        strbuf_puts(out, "; the sender may have waited for acknowledgements, or had nothing to send");
    if (!finding->usual_ns) return;
    strbuf_puts(out, finding->unseen ? "; between other nodes " : "; other links take ");
    text_duration(out, finding->usual_ns);
}

static void loss_delay(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->after) strbuf_puts(out, "work after ");
    finding_command(out, facts, finding);
    strbuf_puts(out, " ");
    if (finding->peer == NO_NUMBER) {
        strbuf_puts(out, "waited ");
        text_count(out, finding->count, "time");
        strbuf_printf(out, " in %" PRIu64 " requests for %s on %" PRIu64 " links %s ", finding->of,
                      finding->loss.again ? "messages that had to be sent again" : "packets lost", finding->links,
                      ends_of(finding));
        finding_node(out, view, facts, finding->node);
        strbuf_puts(out, "; the longest ");
    }
    path_loss(out, view, facts, &finding->loss);
    if (finding->count > 1 && finding->peer != NO_NUMBER)
        strbuf_printf(out, "; %" PRIu64 " such delays in %" PRIu64 " requests", finding->count, finding->of);
}

/* "alice, which was waiting for the link alice -> bob"; "3 nodes, which were waiting for data from dave" */
static void way_failed(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    bool to = finding->node == NO_NUMBER, several = finding->links > 1;
    if (several)
        strbuf_printf(out, "%" PRIu64 " nodes", finding->links);
    else
        finding_node(out, view, facts, facts->items[finding->evidence[0]].node);
    strbuf_printf(out, ", which %s waiting for ", several ? "were" : "was");
    if (finding->ways == 1) {
        if (finding->held) finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, finding->held ? " or the link " : "the link ");
        link(out, view, facts, finding);
        return;
    }
    strbuf_puts(out, to ? "data sent to " : "data from ");
    finding_node(out, view, facts, to ? finding->peer : finding->node);
}

static void failed_first(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->after) strbuf_puts(out, "work after ");
    finding_command(out, facts, finding);
    strbuf_printf(out, " %s in %" PRIu64 " of %" PRIu64 " requests%s",
                  finding->kind == FINDING_REQUESTS_EXPIRED ? "expired" : "failed", finding->count, finding->of,
                  finding->rootless ? " whose start is missing" : "");
    own_percent(out, finding);
    strbuf_puts(out, ", first at ");
    if (finding->on_way) {
        way_failed(out, view, facts, finding);
        return;
    }
    if (finding->peer_count)
        finding_peers(out, view, facts, finding);
    else if (finding->links > 1)
        strbuf_printf(out, "%" PRIu64 " nodes", finding->links);
    else
        finding_node(out, view, facts, finding->peer == NO_NUMBER || finding->one_asker ? finding->node : finding->peer);
    if (finding->one_asker) {
        strbuf_puts(out, ", but only for ");
        finding_node(out, view, facts, finding->peer_count ? finding->node : finding->peer);
        strbuf_puts(out, finding->peer_count ? ": they answered others" : ": it answered others");
    }
    if (finding->any) strbuf_puts(out, ", whichever node it was waiting for");
    if (!finding->links && !finding->ways) return;
    if (finding->peer_count) {
        strbuf_printf(out, ", which %s waiting for %" PRIu64 " %s", finding->peer_count > 1 ? "were" : "was",
                      finding->ways ? finding->ways : finding->links, finding->ways ? "links" : "nodes");
        return;
    }
    strbuf_puts(out, finding->links > 1 ? ", which were waiting for " : ", which was waiting for ");
    finding_node(out, view, facts, finding->node);
}

static void requests_failed(struct strbuf *out, const struct view *view, const struct facts *facts,
                            const struct finding *finding) {
    failed_first(out, view, facts, finding);
    if (finding->calm) strbuf_puts(out, "; no node had any event meanwhile: perhaps the whole machine stood still");
    if (!finding->before_count) return;
    strbuf_puts(out, "; ");
    if (finding->before == NO_NUMBER)
        strbuf_puts(out, "other nodes");
    else
        finding_node(out, view, facts, finding->before);
    strbuf_puts(out, " had failed before");
    if (finding->count > 1) strbuf_printf(out, " in %" PRIu64 " of these", finding->before_count);
}

static void requests_retried(struct strbuf *out, const struct view *view, const struct facts *facts,
                             const struct finding *finding) {
    finding_command(out, facts, finding);
    strbuf_printf(out, " succeeded in %" PRIu64 " of %" PRIu64 " requests", finding->count, finding->of);
    own_percent(out, finding);
    bool one_asker = finding->peer != NO_NUMBER && finding->peer != finding->node;
    strbuf_puts(out, " only after questions ");
    if (one_asker) {
        strbuf_puts(out, "of ");
        finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, " ");
    }
    strbuf_puts(out, "to ");
    finding_node(out, view, facts, finding->node);
    strbuf_puts(out, " had failed");
    if (one_asker && finding->links)
        strbuf_printf(out, "; it answered %" PRIu64 " other %s", finding->links, finding->links == 1 ? "node" : "nodes");
}

static void latency_outliers(struct strbuf *out, const struct view *view, const struct facts *facts,
                             const struct finding *finding) {
    finding_command(out, facts, finding);
    strbuf_puts(out, " took up to ");
    text_duration(out, finding->ns);
    strbuf_printf(out, " in %" PRIu64 " of %" PRIu64 " requests; the median", finding->count, finding->of);
    if (finding->alike < finding->of)
        strbuf_printf(out, " of %" PRIu64 " that %s", finding->alike,
                      finding->same_way  ? "went the same way"
                      : finding->as_many ? "as many nodes answered"
                                         : "other nodes answered");
    strbuf_puts(out, " is ");
    text_duration(out, finding->usual_ns);
    if (finding->calm) strbuf_puts(out, "; no node had any event while the slowest waited");
    if (finding->elsewhere) return;
    strbuf_printf(out, finding->many ? "; most of them %s most of their time %s " : "; the slowest %s most of its time %s ",
                  finding->waited ? "waited" : "spent",
                  finding->waited                                                  ? "for"
                  : finding->sending                                               ? "sending"
                  : finding->peer == NO_NUMBER || finding->held || finding->unseen ? "at"
                                                                                   : "on");
    if (finding->peer == NO_NUMBER)
        finding_node(out, view, facts, finding->node);
    else
        place_of_link(out, view, facts, finding, "");
}

/* ---- kinds of findings ---- */

enum next { NEXT_LOSSES, NEXT_TRACE, NEXT_GRAPH, NEXT_METRICS, NEXT_STREAMS, NEXT_CLOSES, NEXT_TRACES, NEXT_NODE, NEXT_NODES };

static const struct {
    describe_function *describe;
    unsigned has;
    enum next next;
} kinds[FINDING_COUNT_] = {
    [FINDING_NODE_CRASHED] = {describe_node_ended, HAS_COUNT | HAS_MOMENT, NEXT_NODE},
    [FINDING_NODE_ENDED] = {describe_node_ended, HAS_COUNT | HAS_MOMENT, NEXT_NODE},
    [FINDING_NODE_STALLED] = {describe_node_stalled, HAS_COUNT | HAS_TIME | HAS_MOMENT, NEXT_NODE},
    [FINDING_NODE_SILENT] = {describe_node_silent, HAS_COUNT | HAS_TIME | HAS_USUAL_TIME | HAS_MOMENT, NEXT_NODE},
    [FINDING_FLOOD] = {describe_flood, HAS_COUNT | HAS_OF, NEXT_TRACES},
    [FINDING_LOSSY_NODE] = {lossy, HAS_COUNT | HAS_OF | HAS_RATE, NEXT_LOSSES},
    [FINDING_LOSSY_LINK] = {lossy, HAS_COUNT | HAS_OF | HAS_RATE, NEXT_LOSSES},
    [FINDING_LOSSY_NETWORK] = {lossy_network, HAS_COUNT | HAS_OF | HAS_RATE, NEXT_LOSSES},
    [FINDING_LATE_NODE] = {late_packets, HAS_COUNT | HAS_TIME | HAS_USUAL_TIME, NEXT_GRAPH},
    [FINDING_LOSS_DELAY] = {loss_delay, HAS_COUNT | HAS_OF | HAS_TIME, NEXT_GRAPH},
    [FINDING_SLOW_NODE] = {slow, HAS_COUNT | HAS_OF | HAS_TIME, NEXT_GRAPH},
    [FINDING_UNTRACED_PEER] = {slow, HAS_COUNT | HAS_OF | HAS_TIME, NEXT_GRAPH},
    [FINDING_SLOW_PEER] = {slow, HAS_COUNT | HAS_OF | HAS_TIME, NEXT_GRAPH},
    [FINDING_LATE_PACKETS] = {late_packets, HAS_COUNT | HAS_TIME | HAS_USUAL_TIME, NEXT_GRAPH},
    [FINDING_SLOW_LINK] = {slow, HAS_COUNT | HAS_OF | HAS_TIME | HAS_USUAL_TIME, NEXT_GRAPH},
    [FINDING_REQUESTS_FAILED] = {requests_failed, HAS_COUNT | HAS_OF, NEXT_TRACE},
    [FINDING_REQUESTS_EXPIRED] = {requests_failed, HAS_COUNT | HAS_OF, NEXT_TRACE},
    [FINDING_REQUESTS_RETRIED] = {requests_retried, HAS_COUNT | HAS_OF, NEXT_TRACE},
    [FINDING_LATENCY_OUTLIERS] = {latency_outliers, HAS_COUNT | HAS_OF | HAS_TIME | HAS_USUAL_TIME, NEXT_GRAPH},
    [FINDING_REQUEST_OPEN] = {describe_request_open, HAS_COUNT | HAS_TIME | HAS_MOMENT, NEXT_TRACE},
    [FINDING_CONNECTIONS_CLOSED] = {describe_connections_closed, HAS_COUNT | HAS_MOMENT | HAS_CODE, NEXT_CLOSES},
    [FINDING_RTT_JUMP] = {rtt_jump, HAS_COUNT | HAS_TIME | HAS_USUAL_TIME | HAS_MOMENT, NEXT_METRICS},
    [FINDING_WRONG_LOSSES] = {wrong_losses, HAS_COUNT | HAS_OF, NEXT_GRAPH},
    [FINDING_STREAM_OPEN] = {describe_stream_open, HAS_COUNT | HAS_OF | HAS_TIME, NEXT_STREAMS},
    [FINDING_EVENTS_MISSING] = {describe_events_missing, HAS_COUNT | HAS_OF, NEXT_NODES},
};

unsigned finding_has(const struct finding *finding) {
    if (finding->gone) return HAS_COUNT | HAS_OF | HAS_RATE | (finding->time_ns ? HAS_MOMENT : 0);
    if (finding->kind == FINDING_NODE_SILENT && !finding->usual_known)
        return kinds[finding->kind].has & ~(unsigned)HAS_USUAL_TIME;
    if (finding->delays) return kinds[finding->kind].has | HAS_TIME;
    return kinds[finding->kind].has | (finding->of && finding->kind == FINDING_LATE_NODE ? HAS_OF : 0);
}

void finding_describe(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    kinds[finding->kind].describe(out, view, facts, finding);
}

/* ---- the next command ---- */

/* A node as an argument: its name if that is unique and needs no quoting in a shell, otherwise its id. */
static void argument(struct strbuf *out, const struct view *view, const char *id) {
    struct strbuf name = {0};
    names_node(&name, view->names, id);
    const char *text = strbuf_text(&name);
    bool plain = names_knows(view->names, id) && *text && *text != '-' &&
                 !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")];
    if (plain)
        strbuf_puts(out, text);
    else
        strbuf_add(out, id, NEXT_DIGITS);
    strbuf_fini(&name);
}

static void ends(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    if (finding->node == NO_NUMBER) return;
    strbuf_puts(out, finding->gone ? " --peer " : " --node "); /* a peer's own events do not show it */
    argument(out, view, facts_node(facts, finding->node));
    if (finding->peer == NO_NUMBER) return;
    strbuf_puts(out, " --peer ");
    argument(out, view, facts_node(facts, finding->peer));
}

/* The packets that got lost, as the evidence shows them: the sender declared them lost, or sent them, and nobody received them.
 * Of those we name the trace of one, or the time around it. */
static void next_losses(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    const struct fact *lost = finding->evidence_count ? &facts->items[finding->evidence[0]] : NULL;
    const char *trace = lost ? facts_trace(facts, lost->trace) : NULL;
    struct finding link = *finding;
    if (lost && lost->kind != FACT_PACKET_LOST) {
        uint64_t us = fact_unix(facts, lost) / 1000;
        link.node = lost->node, link.peer = lost->peer;
        if (trace)
            strbuf_printf(out, "trace %.*s", NEXT_DIGITS, trace);
        else
            strbuf_printf(out, "range %" PRIu64 " %" PRIu64, us > AROUND_US ? us - AROUND_US : 0, us + AROUND_US);
        if (!trace) ends(out, view, facts, &link);
        return;
    }
    strbuf_puts(out, "recent 20");
    if (finding->direction == DIRECTION_IN) link.gone = true; /* the senders declare them lost */
    ends(out, view, facts, &link);
    strbuf_puts(out, " --kind packet_lost");
}

/* What a node did up to the last event that shows the finding: later ones may be many. */
static void next_node(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    uint64_t until_ns = 0;
    for (unsigned i = 0; i < finding->evidence_count; i++) {
        uint64_t ns = fact_unix(facts, &facts->items[finding->evidence[i]]);
        if (ns > until_ns) until_ns = ns;
    }
    strbuf_puts(out, "recent 20");
    ends(out, view, facts, finding);
    if (until_ns) strbuf_printf(out, " --until %" PRIu64, until_ns / 1000 + 1);
}

void finding_next(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    const char *trace = facts_trace(facts, finding->trace);
    enum next next = kinds[finding->kind].next;
    strbuf_puts(out, "inspector ");
    if ((next == NEXT_TRACE || next == NEXT_GRAPH) && trace && !finding->gone) {
        strbuf_printf(out, "trace %.*s%s", NEXT_DIGITS, trace, next == NEXT_GRAPH ? " --graph" : "");
    } else if (next == NEXT_METRICS) {
        uint64_t us = finding->time_ns / 1000;
        strbuf_printf(out, "range %" PRIu64 " %" PRIu64, us > AROUND_US ? us - AROUND_US : 0, us + AROUND_US);
        ends(out, view, facts, finding);
        strbuf_puts(out, " --kind metrics");
    } else if (next == NEXT_NODES) {
        strbuf_puts(out, "nodes");
    } else if (next == NEXT_LOSSES) {
        next_losses(out, view, facts, finding);
    } else if (finding->messages) {
        strbuf_puts(out, "recent 20");
        ends(out, view, facts, finding);
        strbuf_puts(out, " --kind message_sent");
    } else if (next == NEXT_TRACES) {
        strbuf_puts(out, "traces");
        ends(out, view, facts, finding);
    } else if (next == NEXT_CLOSES) {
        strbuf_puts(out, "recent 20 --kind conn_closed");
    } else if (next == NEXT_NODE && !finding->gone) {
        next_node(out, view, facts, finding);
    } else {
        strbuf_puts(out, "recent 20");
        ends(out, view, facts, finding);
        if (finding->gone) strbuf_puts(out, " --kind packet_lost");
        if (next == NEXT_STREAMS) strbuf_puts(out, " --kind stream_opened,stream_closed");
    }
    if (view->source) strbuf_puts(out, view->source);
}

/* ---- for people ---- */

static const char *nothing_found(const struct analyze_scope *scope) {
    return scope->cut_off.requests ? "nothing found in what is complete" : "nothing found";
}

/* With --fields, findings are shown as a table. */
static void put_chosen(struct strbuf *out, const struct view *view, const struct analysis *analysis,
                       const struct analyze_scope *scope) {
    json_t *rows = json_array();
    for (size_t i = 0; i < analysis->count; i++)
        if (json_array_append_new(rows, finding_new(view, analysis->facts, &analysis->findings[i]))) out->failed = true;
    list_put(out, view, &finding_list, rows, nothing_found(scope));
    json_decref(rows);
}

static void draw_evidence(struct strbuf *out, const struct view *view, const struct facts *facts, const struct fact *fact) {
    strbuf_puts(out, "     ");
    text_time(out, fact_unix(facts, fact), view->utc, false);
    strbuf_puts(out, "  ");
    finding_node(out, view, facts, fact->node);
    strbuf_printf(out, "  %s", fact_kind_name((enum fact_kind)fact->kind));
    if (fact_has_number(fact)) strbuf_printf(out, " %" PRIu64, fact->number);
    if (fact->kind == FACT_STREAM_OPENED || fact->kind == FACT_STREAM_CLOSED) strbuf_printf(out, " %" PRIu64, fact->stream_id);
    if (fact->kind == FACT_METRICS) {
        strbuf_puts(out, " rtt ");
        text_duration(out, fact->rtt_ns);
    }
    if (fact->peer != NO_NUMBER) {
        strbuf_puts(out, fact->kind == FACT_PACKET_RECEIVED || fact->kind == FACT_MESSAGE_RECEIVED ? "  <- "
                         : fact->kind == FACT_APP_START || fact->kind == FACT_APP_END              ? "  with "
                                                                                                   : "  -> ");
        finding_node(out, view, facts, fact->peer);
    }
    const char *trace = facts_trace(facts, fact->trace);
    if (trace) text_styled(out, view->color, STYLE_ID, "  trace %.*s", NEXT_DIGITS, trace);
    strbuf_puts(out, "\n");
}

static void draw_finding(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    static const enum style styles[] = {STYLE_BAD, STYLE_WARN, STYLE_PLAIN};
    text_styled(out, view->color, styles[finding->severity], "%-7s", severity_name(finding->severity));
    text_styled(out, view->color, STYLE_HEAD, "  %s  ", finding_name(finding->kind));
    finding_describe(out, view, facts, finding);
    strbuf_puts(out, "\n");
    for (unsigned i = 0; i < finding->evidence_count; i++) draw_evidence(out, view, facts, &facts->items[finding->evidence[i]]);
    text_style_on(out, view->color, STYLE_DIM);
    strbuf_puts(out, "     next: ");
    finding_next(out, view, facts, finding);
    text_style_off(out, view->color, STYLE_DIM);
    strbuf_puts(out, "\n\n");
}

/* Two lines; on a terminal one long line, which wraps. */
static void draw_coverage(struct strbuf *out, const struct view *view, const struct coverage *coverage,
                          const struct cut_off *cut_off) {
    strbuf_puts(out, "looked at: loss on ");
    text_count(out, coverage->links, "link");
    strbuf_printf(out, " (%" PRIu64 " had enough packets to judge), one-way delay on %" PRIu64 " (%" PRIu64 "), ",
                  coverage->links_judged, coverage->paths, coverage->paths_judged);
    strbuf_printf(out, "round-trip time on %" PRIu64 " (%" PRIu64 "),%s", coverage->rtt_series, coverage->rtt_judged,
                  view->columns ? " " : "\n           ");
    text_count(out, coverage->requests, "part");
    strbuf_puts(out, " of requests (");
    text_count(out, coverage->requests_whole, "complete request");
    if (cut_off->requests) strbuf_printf(out, ", %s%" PRIu64 " cut off", cut_off->more ? "at least " : "", cut_off->requests);
    strbuf_puts(out, "), ");
    text_count(out, coverage->streams, "stream");
    strbuf_puts(out, ", silence of ");
    text_count(out, coverage->nodes, "node");
    strbuf_puts(out, ", missing events\n");
}

bool analysis_is_cut_off(const struct analysis *analysis, const struct analyze_scope *scope) {
    return scope->cut_off.requests > analysis->coverage.requests_whole;
}

/* A time as an option, for a command to paste: a person reads it, too. */
static void put_time_option(struct strbuf *out, const struct view *view, const char *option, uint64_t us) {
    strbuf_printf(out, " --%s '", option);
    text_time(out, us * 1000, view->utc, true);
    strbuf_puts(out, "'");
}

static void put_source(struct strbuf *out, const struct view *view) {
    if (view->source) strbuf_puts(out, view->source);
}

static void describe_ended(struct strbuf *out, const struct view *view, const struct cut_off *cut_off, uint64_t requests) {
    if (cut_off->more) strbuf_puts(out, "at least ");
    text_count(out, requests, "request");
    strbuf_puts(out, requests == 1 ? " was under way and is cut off: `inspector analyze"
                                   : " were under way and are cut off: `inspector analyze");
    put_time_option(out, view, "since", cut_off->from_us);
    put_time_option(out, view, "until", cut_off->until_us);
    if (view->utc) strbuf_puts(out, " --utc");
    put_source(out, view);
    strbuf_puts(out, requests == 1 ? "` has it whole" : "` has them whole");
}

static void describe_open(struct strbuf *out, const struct view *view, const struct cut_off *cut_off) {
    if (cut_off->more) strbuf_puts(out, "at least ");
    text_count(out, cut_off->open, "request");
    strbuf_puts(out, cut_off->open == 1 ? " that began before this period has not ended"
                                        : " that began before this period have not ended");
    strbuf_printf(out, cut_off->open == 1 ? ": `inspector trace %.*s" : "; the oldest: `inspector trace %.*s", NEXT_DIGITS,
                  cut_off->oldest);
    put_source(out, view);
    strbuf_puts(out, "`");
}

bool analysis_describe_cut_off(struct strbuf *out, const struct view *view, const struct analysis *analysis,
                               const struct analyze_scope *scope) {
    const struct cut_off *cut_off = &scope->cut_off;
    uint64_t ended = analysis_is_cut_off(analysis, scope) ? cut_off->requests - cut_off->open : 0;
    if (ended) describe_ended(out, view, cut_off, ended);
    if (ended && cut_off->open) strbuf_puts(out, "; ");
    if (cut_off->open) describe_open(out, view, cut_off);
    return ended || cut_off->open;
}

void render_analysis(struct strbuf *out, const struct view *view, const struct analysis *analysis,
                     const struct analyze_scope *scope) {
    const struct facts *facts = analysis->facts;
    if (view->fields) {
        put_chosen(out, view, analysis, scope);
        return;
    }
    text_count(out, facts->count, "event");
    if (facts->count) {
        strbuf_puts(out, " from ");
        text_time(out, fact_unix(facts, &facts->items[0]), view->utc, true);
        strbuf_puts(out, " to ");
        text_time(out, fact_unix(facts, &facts->items[facts->count - 1]), view->utc, true);
    }
    if (scope->about) {
        strbuf_puts(out, "; only findings about ");
        render_node(out, view, scope->about);
    }
    strbuf_puts(out, "\n");
    render_clocks(out, view, facts);
    render_clock_steps(out, view, facts, 0, 0, "times across it were not judged");
    if (scope->cut)
        text_styled(out, view->color, STYLE_WARN, "! older events of this period were not read: --limit N reads more\n");
    struct strbuf cut = {0};
    if (analysis_describe_cut_off(&cut, view, analysis, scope))
        text_styled(out, view->color, STYLE_WARN, "! %s\n", strbuf_text(&cut));
    strbuf_fini(&cut);
    strbuf_puts(out, "\n");
    for (size_t i = 0; i < analysis->count; i++) draw_finding(out, view, facts, &analysis->findings[i]);
    if (!facts->count)
        strbuf_printf(out, "there is nothing to judge: no events%s\n\n",
                      scope->period ? " in this period" : "; `inspector doctor` finds out why");
    else if (!analysis->count)
        strbuf_printf(out, "%s\n\n", nothing_found(scope));
    if (view->header && facts->count) draw_coverage(out, view, &analysis->coverage, &scope->cut_off);
}
