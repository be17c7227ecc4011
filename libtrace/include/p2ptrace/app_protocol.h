/* SPDX-License-Identifier: MIT
 *
 * An application protocol in its own node: the description that readers see (p2ptrace/app.h), and two functions that turn the
 * application's own messages into trace data.  See TRACE_APP_MESSAGE in p2ptrace/trace.h. */
#ifndef P2PTRACE_APP_PROTOCOL_H
#define P2PTRACE_APP_PROTOCOL_H

#include <stdbool.h>

#include <p2ptrace/app.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Both functions are application code on the emit path.  The thread (or signal handler) that emits calls them, with the message
 * given to TRACE_APP_MESSAGE, so their cost is part of the event's cost.  No slot is taken while they run: they may emit
 * themselves, and a reader never waits for them. */
struct trace_app_protocol {
    struct trace_app description;

    /* Writes the message's data, laid out as the description's fields say.  out: TRACE_APP_DATA_BYTES bytes, all zero.
     * Returns the number of bytes to record; a larger number than there are means all.  NULL: the events have no data. */
    size_t (*to_trace_data)(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message);

    /* Should this message be traced?  Called if the kind is enabled and the trace is sampled, before anything is written.
     * The debug flag does not override it: a message may be refused because it is secret.  NULL: trace all messages. */
    bool (*should_trace)(uint16_t cmd, const void *message);
};

#ifdef __cplusplus
}
#endif

#endif
