/* SPDX-License-Identifier: MIT
 *
 * LTTng as a peer: its session daemon, pinned to the first processor with all that it starts, and recording sessions in which
 * the tracepoint of lttng_provider.h is enabled.
 *
 * Only in a sandbox (sandbox.h): the daemon's sockets and shared memory have fixed names, and its processes end with the
 * sandbox. */
#ifndef BENCH_PEERS_LTTNG_H
#define BENCH_PEERS_LTTNG_H

#include "emit_load.h"

enum lttng_mode {
    LTTNG_DRAINED,   /* its consumer daemon writes the recording to files in memory; a full buffer discards new events */
    LTTNG_OVERWRITE, /* a flight recorder: nobody reads, the oldest events are overwritten (a snapshot session) */
};

struct lttng_recording;

/* Starts the daemon if necessary, and a session, which records each event of lttng_loop().  One session at a time.  A failure
 * ends the benchmark. */
struct lttng_recording *lttng_record(enum lttng_mode mode);

/* Stops and destroys the session.  Returns how many events LTTng counted as discarded. */
uint64_t lttng_finish(struct lttng_recording *recording);

/* Emits its events; the target is ignored.  Only after a recording was started. */
emit_loop *lttng_loop(void);

#endif
