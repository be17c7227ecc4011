/* SPDX-License-Identifier: MIT
 *
 * An application protocol as its node has it: the description that others read (p2ptrace/app.h), and two functions that only the node can
 * have, which make trace data of the application's own messages.  See TRACE_APP_MESSAGE in p2ptrace/trace.h. */
#ifndef P2PTRACE_APP_PROTOCOL_H
#define P2PTRACE_APP_PROTOCOL_H

#include <stdbool.h>

#include <p2ptrace/app.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Both functions are the application's code on the emit path: called by the thread (or signal handler) that emits, with the message that
 * was given to TRACE_APP_MESSAGE.  What they cost, the event costs.  No slot is taken while they run: they may emit themselves, and a
 * reader never waits for them. */
struct trace_app_protocol {
    struct trace_app description;

    /* Writes what is to be seen of the message, laid out as the description's fields say.  out: TRACE_APP_DATA_BYTES bytes, all zero.
     * Returns how many of them are meant; more than there are counts as all.  NULL: the events have no data. */
    size_t (*to_trace_data)(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message);

    /* Is this message to be traced?  Asked of messages whose kind is enabled and whose trace is sampled, before anything is written.
     * The debug flag does not overrule it: it may be there to keep a secret.  NULL: all are. */
    bool (*should_trace)(uint16_t cmd, const void *message);
};

#ifdef __cplusplus
}
#endif

#endif
