/* SPDX-License-Identifier: MIT
 *
 * Sentences about nodes that ended, stood still, fell silent or flood others, whose events are missing, or that left something
 * open or closed it. */
#include "describe.h"
#include "render_clocks.h"
#include "render_path.h"

#include <inttypes.h>

/* " for 3.00 s from 12:00:00.000000" */
static void put_pause(struct strbuf *out, const struct view *view, const struct finding *finding) {
    strbuf_puts(out, " for ");
    text_duration(out, finding->ns);
    strbuf_puts(out, " from ");
    text_time(out, finding->time_ns, view->utc, false);
}

/* Only what one node had sent waited: "bob did nothing for 3.00 s ...: it stood still, or the link alice -> bob held up what was
 * sent" */
static void stalled_or_held(struct strbuf *out, const struct view *view, const struct facts *facts,
                            const struct finding *finding) {
    if (finding->calm)
        strbuf_puts(out, "no node did anything");
    else
        finding_node(out, view, facts, finding->peer);
    if (!finding->calm) strbuf_puts(out, " did nothing");
    put_pause(out, view, finding);
    strbuf_puts(out, ", although packets from ");
    finding_node(out, view, facts, finding->common);
    strbuf_puts(out, finding->calm ? " to " : " were in flight to it: it stood still, or the link ");
    if (finding->calm) {
        finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, " were in flight: ");
        finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, " or the whole machine stood still, or the link ");
    }
    finding_node(out, view, facts, finding->common);
    strbuf_puts(out, " -> ");
    finding_node(out, view, facts, finding->peer);
    strbuf_puts(out, " held them up");
}

void describe_node_stalled(struct strbuf *out, const struct view *view, const struct facts *facts,
                           const struct finding *finding) {
    bool everybody = finding->node == NO_NUMBER;
    const struct node_clock *clock = everybody ? node_clocks_at(&facts->clocks, finding->example) : NULL;
    if (finding->held) {
        stalled_or_held(out, view, facts, finding);
    } else if (everybody) {
        strbuf_puts(out, "no node");
        if (clock && finding->peer == NO_NUMBER) {
            strbuf_puts(out, " on ");
            render_host(out, facts, clock->host);
        }
        strbuf_puts(out, " did anything");
        put_pause(out, view, finding);
        strbuf_puts(out, ", although packets ");
        if (finding->peer != NO_NUMBER) {
            strbuf_puts(out, "to ");
            finding_node(out, view, facts, finding->peer);
            strbuf_puts(out, " were in flight: it or the whole machine stood still");
        } else {
            strbuf_puts(out, "were in flight: the machine stood still");
        }
    } else {
        finding_node(out, view, facts, finding->node);
        strbuf_puts(out, " did nothing");
        put_pause(out, view, finding);
        strbuf_puts(out, ", although packets to it were in flight");
    }
    if (finding->count > 1) strbuf_printf(out, "; the longest of %" PRIu64 " pauses", finding->count);
}

/* Why an open part waits for another node. */
static const char *open_because(const struct finding *finding) {
    return finding->partly       ? ", which has sent only a part of the answer"
           : finding->unanswered ? ", which has not answered"
                                 : ", which has ended";
}

/* "their questions to bob and carol were lost on the way"; of parts at several nodes, the one they asked has been named. */
static void question_lost(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    bool several = finding->count > 1;
    if (finding->told)
        strbuf_puts(out, several ? "what they sent" : "what it sent");
    else
        strbuf_puts(out, several ? "their questions" : "its question");
    if (finding->node != NO_NUMBER) {
        strbuf_puts(out, " to ");
        if (finding->peer_count)
            finding_peers(out, view, facts, finding);
        else
            finding_node(out, view, facts, finding->peer);
    }
    strbuf_puts(out, several && !finding->told ? " were " : " was ");
    strbuf_puts(out, finding->on_way ? "lost on the way" : "declared lost");
}

/* Open parts of several nodes, which all wait for another one. */
static void open_at_several(struct strbuf *out, const struct view *view, const struct facts *facts,
                            const struct finding *finding) {
    strbuf_printf(out, "%" PRIu64 " parts of ", finding->count);
    finding_command(out, facts, finding);
    strbuf_printf(out, " at %" PRIu64 " nodes %s ", finding->peer_count,
                  !finding->lost  ? "wait for"
                  : finding->told ? "sent packets to"
                                  : "asked");
    finding_node(out, view, facts, finding->peer);
    if (finding->lost) {
        strbuf_puts(out, ": ");
        question_lost(out, view, facts, finding);
    } else {
        strbuf_puts(out, open_because(finding));
    }
    strbuf_puts(out, "; the oldest began ");
    text_duration(out, finding->ns);
    strbuf_puts(out, " ago");
}

void describe_request_open(struct strbuf *out, const struct view *view, const struct facts *facts,
                           const struct finding *finding) {
    if (finding->node == NO_NUMBER) {
        open_at_several(out, view, facts, finding);
        return;
    }
    finding_command(out, facts, finding);
    strbuf_puts(out, " at ");
    finding_node(out, view, facts, finding->node);
    strbuf_puts(out, " began ");
    text_duration(out, finding->ns);
    strbuf_puts(out, " ago and has not ended");
    if (finding->count > 1)
        strbuf_printf(out, ", nor %s %" PRIu64 " other%s", finding->count == 2 ? "has" : "have", finding->count - 1,
                      finding->count == 2 ? "" : "s");
    if (finding->lost) {
        strbuf_puts(out, "; ");
        question_lost(out, view, facts, finding);
    } else if (finding->told) {
        strbuf_puts(out, finding->count > 1 ? "; they sent packets to " : "; it sent packets to ");
        finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, ", which has acknowledged none");
    } else if (finding->peer != NO_NUMBER) {
        strbuf_puts(out, finding->count > 1 ? "; they wait for " : "; it waits for ");
        finding_node(out, view, facts, finding->peer);
        strbuf_puts(out, open_because(finding));
    }
    if (finding->severity == SEVERITY_NOTE) strbuf_puts(out, "; its end may be among the missing events");
}

void describe_stream_open(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    strbuf_printf(out, " has %" PRIu64 " of %" PRIu64 " streams with ", finding->count, finding->of);
    finding_node(out, view, facts, finding->peer);
    strbuf_puts(out, " still open, the oldest for ");
    text_duration(out, finding->ns);
}

/* When it ended, if that is known better than by its last event. */
static void put_end(struct strbuf *out, const struct view *view, const struct finding *finding) {
    bool exact = finding->after_ns == finding->by_ns;
    if (!finding->by_ns) return;
    strbuf_puts(out, exact ? ", and it ended at " : ", and it ended between ");
    text_time(out, finding->after_ns, view->utc, false);
    if (exact) return;
    strbuf_puts(out, " and ");
    text_time(out, finding->by_ns, view->utc, false);
}

void describe_node_ended(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    path_ended(out, finding->kind == FINDING_NODE_CRASHED, finding->count);
    strbuf_puts(out, "; ");
    if (finding->count == 1) {
        strbuf_puts(out, "its last event was at ");
        text_time(out, finding->time_ns, view->utc, false);
        put_end(out, view, finding);
    } else {
        if (finding->count > finding->evidence_count)
            strbuf_printf(out, "the last events of the latest %u were at ", finding->evidence_count);
        else
            strbuf_puts(out, "its last events were at ");
        for (unsigned i = 0; i < finding->evidence_count; i++) {
            if (i) strbuf_puts(out, i + 1 < finding->evidence_count ? ", " : " and ");
            text_time(out, fact_unix(facts, &facts->items[finding->evidence[i]]), view->utc, false);
        }
    }
    if (finding->returned) strbuf_puts(out, "; it is running again");
    if (finding->open) {
        strbuf_puts(out, "; it left ");
        text_count(out, finding->open, "request");
        strbuf_puts(out, " open");
    }
    if (finding->tries) {
        strbuf_printf(out, "; others sent it %" PRIu64 " packet%s after that", finding->tries, finding->tries == 1 ? "" : "s");
    }
    if (!finding->delays) return;
    strbuf_puts(out, finding->tries ? ", and " : "; ");
    text_count(out, finding->delays, "request");
    strbuf_puts(out, finding->tries ? " waited for it, for up to " : " waited for it after that, for up to ");
    text_duration(out, finding->ns);
}

void describe_node_silent(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    strbuf_puts(out, finding->by_ns ? " lived on but emitted nothing for at least " : " is live but has emitted nothing for ");
    text_duration(out, finding->ns);
    if (finding->by_ns) strbuf_puts(out, " until it ended,");
    if (finding->count)
        strbuf_printf(out, " although others sent it %" PRIu64 " packets%s", finding->count,
                      !finding->all_lost ? ""
                      : finding->by_ns   ? ", all of which were lost: it hung, or nothing reached it"
                                         : ", all of which were lost: it hangs, or nothing reaches it");
    else
        strbuf_printf(out, " although %" PRIu64 " %s not ended there", finding->open,
                      finding->open == 1 ? (finding->by_ns ? "part of a request had" : "part of a request has")
                      : finding->by_ns   ? "parts of requests had"
                                         : "parts of requests have");
    if (!finding->usual_known) return;
    strbuf_puts(out, "; its longest silence before was ");
    text_duration(out, finding->usual_ns);
}

void describe_events_missing(struct strbuf *out, const struct view *view, const struct facts *facts,
                             const struct finding *finding) {
    text_count(out, finding->count, "event");
    strbuf_puts(out, " of ");
    finding_node(out, view, facts, finding->node);
    strbuf_printf(out, " %s lost before traced read %s: other findings may be incomplete", finding->count == 1 ? "was" : "were",
                  finding->count == 1 ? "it" : "them");
}

void describe_flood(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding) {
    finding_node(out, view, facts, finding->node);
    if (finding->messages) {
        const char *type = facts_command(facts, finding->command);
        strbuf_printf(out,
                      " sent %" PRIu64 " of %" PRIu64 " unsolicited %s%smessages, %" PRIu64
                      " to each neighbour (median); other nodes sent %.0f",
                      finding->count, finding->of, type ? type : "", type ? " " : "", finding->links, finding->usual_rate);
        return;
    }
    if (!names_knows(view->names, facts_node(facts, finding->node))) strbuf_puts(out, ", which is not traced,");
    if (finding->peer == NO_NUMBER) {
        strbuf_puts(out, " began");
    } else {
        strbuf_puts(out, " asked ");
        finding_node(out, view, facts, finding->peer);
    }
    strbuf_printf(out, " %" PRIu64 " of %" PRIu64 " requests; other nodes began %.0f (median)", finding->count, finding->of,
                  finding->usual_rate);
}

/* RFC 8446, section 6 and B.2; NULL: not an alert of TLS 1.3. */
static const char *alert_name(unsigned alert) {
    static const char *const names[] = {
        [0] = "close_notify",
        [10] = "unexpected_message",
        [20] = "bad_record_mac",
        [22] = "record_overflow",
        [40] = "handshake_failure",
        [42] = "bad_certificate",
        [43] = "unsupported_certificate",
        [44] = "certificate_revoked",
        [45] = "certificate_expired",
        [46] = "certificate_unknown",
        [47] = "illegal_parameter",
        [48] = "unknown_ca",
        [49] = "access_denied",
        [50] = "decode_error",
        [51] = "decrypt_error",
        [70] = "protocol_version",
        [71] = "insufficient_security",
        [80] = "internal_error",
        [86] = "inappropriate_fallback",
        [90] = "user_canceled",
        [109] = "missing_extension",
        [110] = "unsupported_extension",
        [112] = "unrecognized_name",
        [113] = "bad_certificate_status_response",
        [115] = "unknown_psk_identity",
        [116] = "certificate_required",
        [120] = "no_application_protocol",
    };
    return alert < sizeof names / sizeof *names ? names[alert] : NULL;
}

/* RFC 9000, 20.1. */
static const char *code_name(uint64_t code) {
    static const char *const names[] = {"NO_ERROR",
                                        "INTERNAL_ERROR",
                                        "CONNECTION_REFUSED",
                                        "FLOW_CONTROL_ERROR",
                                        "STREAM_LIMIT_ERROR",
                                        "STREAM_STATE_ERROR",
                                        "FINAL_SIZE_ERROR",
                                        "FRAME_ENCODING_ERROR",
                                        "TRANSPORT_PARAMETER_ERROR",
                                        "CONNECTION_ID_LIMIT_ERROR",
                                        "PROTOCOL_VIOLATION",
                                        "INVALID_TOKEN",
                                        "APPLICATION_ERROR",
                                        "CRYPTO_BUFFER_EXCEEDED",
                                        "KEY_UPDATE_ERROR",
                                        "AEAD_LIMIT_REACHED",
                                        "NO_VIABLE_PATH"};
    return code < sizeof names / sizeof *names ? names[code] : NULL;
}

void describe_connections_closed(struct strbuf *out, const struct view *view, const struct facts *facts,
                                 const struct finding *finding) {
    const char *reason = facts_command(facts, finding->command), *name = code_name(finding->code);
    bool crypto = finding->code >> 8 == 1; /* 0x100 and the TLS alert */
    const char *alert = crypto ? alert_name(finding->code & 0xff) : NULL;
    text_count(out, finding->count, "connection");
    if (finding->peer != NO_NUMBER) {
        strbuf_puts(out, " between ");
        finding_node(out, view, facts, finding->node);
        strbuf_puts(out, " and ");
        finding_node(out, view, facts, finding->peer);
    } else if (finding->node != NO_NUMBER) {
        strbuf_puts(out, " of ");
        finding_node(out, view, facts, finding->node);
    }
    strbuf_puts(out, finding->count == 1 ? " was closed" : " were closed");
    if (finding->code) {
        strbuf_printf(out, " with code 0x%" PRIx64, finding->code);
        if (crypto && alert)
            strbuf_printf(out, " (as a transport error: CRYPTO_ERROR, %s)", alert);
        else if (crypto)
            strbuf_printf(out, " (as a transport error: CRYPTO_ERROR, TLS alert %u)", (unsigned)(finding->code & 0xff));
        else if (name)
            strbuf_printf(out, " (as a transport error: %s)", name);
    }
    if (!reason || !*reason) return;
    strbuf_printf(out, ": %s", reason);
}
