/* SPDX-License-Identifier: MIT
 *
 * LTTng as a peer: its session daemon, pinned to the first processor with all that it starts, and recording sessions in which
 * the tracepoint of lttng_provider.h is enabled.
 *
 * In a sandbox (sandbox.h) only: the daemon's sockets and shared memory have fixed names, and its processes end with the
 * sandbox. */
#ifndef BENCH_PEERS_LTTNG_H
#define BENCH_PEERS_LTTNG_H

#include "emit_load.h"

enum lttng_mode {
    LTTNG_DRAINED,   /* its consumer daemon writes what is recorded to files in memory; a full buffer discards new events */
    LTTNG_OVERWRITE, /* a flight recorder: nobody reads, the oldest events are overwritten (a snapshot session) */
};

struct lttng_recording;

/* Starts the daemon when there is none, and a session; from then on each event of lttng_loop() is recorded.  One at a time.  Ends
 * the benchmark when any of it fails. */
struct lttng_recording *lttng_record(enum lttng_mode mode);

/* Stops and destroys the session.  Returns how many events LTTng counted as discarded. */
uint64_t lttng_finish(struct lttng_recording *recording);

/* Its events, with any target.  Once a recording has been started. */
emit_loop *lttng_loop(void);

#endif
