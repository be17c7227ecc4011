/* SPDX-License-Identifier: MIT
 *
 * A fold in words. */
#include "render.h"

#include "fold.h"

#include <inttypes.h>
#include <string.h>

/* A group that took at least this long says how long. */
#define TELL_TIME_NS 10000

static void describe_stream(struct strbuf *out, const struct fold *fold) {
    const char *separator = " ";
    if (fold->many_streams)
        strbuf_puts(out, "streams");
    else
        strbuf_printf(out, "stream %" PRIu64, fold->stream_id);
    if (fold->opened) strbuf_puts(out, " opened"), separator = ", ";
    if (fold->stream_pieces) {
        strbuf_puts(out, fold->opened ? ", " : ": ");
        text_bytes(out, fold->stream_bytes);
        strbuf_puts(out, !strcmp(fold->arrow, "<-") ? " received" : " sent");
        if (fold->fin) strbuf_puts(out, ", the end");
        separator = ", ";
    }
    if (fold->closed) strbuf_printf(out, "%sclosed", separator);
}

void fold_describe(struct strbuf *out, const struct view *view, const struct fold *fold) {
    uint64_t took_ns = fold->last->time_ns - fold->first->time_ns;
    if (fold->metrics) {
        strbuf_printf(out, "%" PRIu64 " samples, the last: ", fold->items);
        event_describe(out, view, fold->last->event);
    }
    if (fold->has_stream) describe_stream(out, fold);
    if (fold->packets) {
        if (fold->has_stream) strbuf_puts(out, "; ");
        text_count(out, fold->packets, fold->probes ? "MTU probe" : "packet");
        if (!fold->has_stream) strbuf_puts(out, !strcmp(fold->arrow, "<-") ? " received" : " sent");
        strbuf_puts(out, ", ");
        text_bytes(out, fold->packet_bytes);
    }
    if (took_ns >= TELL_TIME_NS) {
        strbuf_puts(out, "; over ");
        text_duration(out, took_ns);
    }
}
