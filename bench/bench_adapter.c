/* SPDX-License-Identifier: MIT
 *
 * What the ngtcp2 adapter adds to the cost of a packet.
 *
 * A client sends a server 4 MiB on one stream; both run in this process and on this thread, and their datagrams are passed
 * over in memory.  Both are traced, each into its own log, so that a packet is two events: sent, and received; now and then
 * stream_data and metrics.  Handshakes are not measured.  Values are processor time of both ends per packet, with all that
 * ngtcp2 and GnuTLS do for it; each alternates with the same transfer untraced, and `added_ns_per_event` is half of
 * the difference of the medians. */
#include "bench.h"
#include "quic_pair.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define TRANSFER_BYTES ((size_t)4 << 20)
#define REPETITIONS 41

static struct trace_log *log_open(unsigned number) {
    struct trace_log_options options = {.node_id = {{0xad, (uint8_t)number}}, .node_name = "bench"};
    struct trace_log *log;
    int result = trace_log_open(&log, &options);
    if (result != 0) bench_die("a log could not be opened: %s", strerror(-result));
    shm_unlink(trace_log_name(log)); /* hidden from any traced on this machine */
    return log;
}

/* Nanoseconds for one packet. */
static double transfer(const struct quic_pair_options *options) {
    struct quic_pair pair;
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    uint64_t start, ns, packets;

    quic_pair_open(&pair, options);
    packets = pair.datagrams;
    quic_pair_send(&pair.ends[0], TRANSFER_BYTES, &context);
    start = bench_cpu_ns();
    quic_pair_run(&pair);
    ns = bench_cpu_ns() - start;
    packets = pair.datagrams - packets;
    if (pair.ends[1].received != TRANSFER_BYTES) bench_die("the transfer is incomplete");
    quic_pair_close(&pair);
    return (double)ns / (double)packets;
}

static void measure(struct bench *bench, const char *name, enum trace_ngtcp2_source source) {
    static struct bench_series values, floor;
    struct trace_log *logs[2] = {log_open(1), log_open(2)};
    const struct quic_pair_options untraced = {.source = TRACE_NGTCP2_NONE};
    const struct quic_pair_options traced = {.logs = {logs[0], logs[1]}, .source = source};
    double added;

    bench_pin(1);
    bench_series_init(&values);
    bench_series_init(&floor);
    transfer(&untraced);
    transfer(&traced);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        bench_series_add(&floor, transfer(&untraced));
        bench_series_add(&values, transfer(&traced));
    }
    for (unsigned i = 0; i < 2; i++) trace_log_close(logs[i]);
    added = (bench_series_quantile(&values, 0.5) - bench_series_quantile(&floor, 0.5)) / 2;
    bench_report(bench, &(struct bench_result){.name = name,
                                               .unit = "ns/packet",
                                               .values = &values,
                                               .floor = &floor,
                                               .peer = "untraced",
                                               .extras = {{"added_ns_per_event", added}}});
}

static void run_none(struct bench *bench) {
    static struct bench_series values;
    const struct quic_pair_options untraced = {.source = TRACE_NGTCP2_NONE};

    bench_pin(1);
    bench_series_init(&values);
    transfer(&untraced);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) bench_series_add(&values, transfer(&untraced));
    bench_report(bench, &(struct bench_result){.name = "none", .unit = "ns/packet", .values = &values, .note = "untraced"});
}

static void run_callbacks(struct bench *bench) { measure(bench, "callbacks", TRACE_NGTCP2_NONE); }
static void run_crypto(struct bench *bench) { measure(bench, "crypto", TRACE_NGTCP2_CRYPTO); }
static void run_crypto_lost(struct bench *bench) { measure(bench, "crypto-lost", TRACE_NGTCP2_CRYPTO_LOST); }
static void run_qlog(struct bench *bench) { measure(bench, "qlog", TRACE_NGTCP2_QLOG); }

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
        {"none", run_none}, {"callbacks", run_callbacks}, {"crypto", run_crypto}, {"crypto-lost", run_crypto_lost},
        {"qlog", run_qlog},
    };
    return bench_main(argc, argv, "adapter", cases, sizeof cases / sizeof cases[0]);
}
