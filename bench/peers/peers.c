/* SPDX-License-Identifier: MIT
 *
 * What an event costs the program that emits it, compared with LTTng-UST, the most usual choice: the same payload in the
 * same run (emit_load.h), a lap of one and a lap of the other alternately.  `./dev bench peers` installs LTTng, builds this and
 * runs it.
 *
 *     emit/lttng             LTTng with its consumer daemon, which writes to files in memory, and ours with traced, which drains
 *                            and indexes
 *     emit/lttng-overwrite   LTTng as a flight recorder that nobody reads, and ours without a reader
 *
 * The value is LTTng's and the floor is ours, so the ratio says how many times faster ours is; the goal is 5, drained.
 * `peer` says what the floor is.  `floor_ns` is the floor of emit_load.h in this run: what any tracer needs at least;
 * `line_ns` how far the processors were apart (line.h).
 *
 * To be fair, the events are emitted on the second processor, and both daemons run entirely on the first; before each turn
 * both have had time to drain and become idle, and then 4 unmeasured laps to wake up again (`emitted` counts these
 * too).  Both have 8 MiB of buffer on the emitting processor.  Nobody waits for a reader that is too slow: of the `emitted`
 * events of each, `lost` of ours were overwritten before traced read them, and LTTng dropped `discarded` of its own, which
 * saves it the store. LTTng's buffers are per user, not per process, its clock is its default,
 * CLOCK_MONOTONIC, and its consumer only writes, while traced checks and indexes.  Ours reads the processor's counter where
 * that is invariant.  Times are processor times of the emitting thread, with the system calls in which LTTng wakes its
 * consumer.
 *
 * Tried by hand: with other sizes of its sub-buffers, with a read timer, and linked at build time, LTTng took as long; with one
 * field of 115 bytes instead of five it took a fifth less.  Its output had all events that it did not discard. */
#include "bench.h"
#include "daemon.h"
#include "emit_load.h"
#include "line.h"
#include "lttng.h"
#include "sandbox.h"

#include <time.h>

/* Several times as long as either daemon needs for a full buffer. */
static void settle(void) {
    const struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
}

static void run_drained(struct bench *bench) {
    static struct bench_series ours, lttng, floor;
    struct trace_node_id node_id = emit_node_id_new();
    struct lttng_recording *recording;
    struct daemon_node node;
    struct daemon *daemon;
    struct trace_log *log;
    uint64_t discarded;
    double line_ns;

    sandbox_enter();
    line_ns = bench_line_ns();
    daemon = daemon_start();
    if (!daemon) {
        bench_skip(bench, "lttng", "there is no traced in this build");
        return;
    }
    recording = lttng_record(LTTNG_DRAINED);
    if (!bench_pin(1)) bench_skip(bench, "lttng", "one processor only: the daemons and the node take turns on it");
    log = emit_log_open(&node_id, 0, false);
    daemon_attach(daemon, trace_log_name(log), &node_id);
    emit_measure(bench, (struct emit_turn[]){{emit_log_events, log, &ours}, {lttng_loop(), NULL, &lttng}}, 2, settle, &floor);
    node = daemon_wait_drained(daemon, &node_id);
    discarded = lttng_finish(recording);
    trace_log_close(log);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){.name = "lttng",
                                               .unit = "ns/event",
                                               .values = &lttng,
                                               .floor = &ours,
                                               .peer = "ours, drained",
                                               .extras = {{"emitted", (double)node.emitted},
                                                          {"lost", (double)node.lost},
                                                          {"discarded", (double)discarded},
                                                          {"floor_ns", bench_series_quantile(&floor, 0.5)},
                                                          {"line_ns", line_ns}}});
}

static void run_overwrite(struct bench *bench) {
    static struct bench_series ours, lttng, floor;
    struct trace_node_id node_id = emit_node_id_new();
    struct lttng_recording *recording;
    struct trace_log *log;

    sandbox_enter();
    recording = lttng_record(LTTNG_OVERWRITE);
    bench_pin(1);
    log = emit_log_open(&node_id, 0, true);
    emit_measure(bench, (struct emit_turn[]){{emit_log_events, log, &ours}, {lttng_loop(), NULL, &lttng}}, 2, settle, &floor);
    trace_log_close(log);
    lttng_finish(recording);
    bench_report(bench, &(struct bench_result){.name = "lttng-overwrite",
                                               .unit = "ns/event",
                                               .values = &lttng,
                                               .floor = &ours,
                                               .peer = "ours, no reader",
                                               .extras = {{"floor_ns", bench_series_quantile(&floor, 0.5)}}});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"lttng", run_drained}, {"lttng-overwrite", run_overwrite}};
    return bench_main(argc, argv, "emit", cases, sizeof cases / sizeof cases[0]);
}
