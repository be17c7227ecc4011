/* SPDX-License-Identifier: MIT
 *
 * How many events a second `inspector export` writes, for each format: it reads pages of JSON as traced sends them, and writes
 * to a file in memory.  This measures the inspector's work; traced writes its JSON faster (bench stream).  heap_kib is what
 * malloc has allocated at the end, without the pages; second_half_kib what the second half of the events added.
 *
 * Five nodes in a ring, each connected to two others; requests of two spans, with packets, stream bytes and a sample of the
 * path. */
#include "bench.h"
#include "export.h"
#include "formats.h"

#include <dirent.h>
#include <malloc.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODES 5
#define PAGE_EVENTS 10000
#define PAGES 20
#define REPETITIONS 7

struct page {
    char *text;
    size_t bytes;
};

static struct page pages[PAGES];

static struct trace_node_id node_id(uint32_t node) {
    struct trace_node_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) id.bytes[i] = (uint8_t)(node * 37 + i * 11 + 1);
    return id;
}

static struct trace_id trace_id(uint64_t number) {
    struct trace_id id = {{0}};
    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(id.bytes, &number, sizeof number);
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

/* The n-th event of all.  Returns its node. */
static uint32_t make_event(uint64_t n, struct trace_event *event) {
    uint64_t request = n / 50, step = n % 50;
    uint32_t node = (uint32_t)((request + step % 2) % NODES), peer = (uint32_t)((request + 1 - step % 2) % NODES);
    *event = (struct trace_event){
        .timestamp = UINT64_C(1767225600000000000) + n * 700, .sequence = (uint32_t)n, .flags = TRACE_FLAG_SAMPLED};
    if (n < 4 * NODES) { /* every connection's beginning, on both ends */
        node = (uint32_t)(n / 2 % NODES);
        event->trace_id = trace_id(1000000 + node);
        event->kind = n < 2 * NODES ? TRACE_KIND_CONN_INIT : TRACE_KIND_CONN_ESTABLISHED;
        if (n < 2 * NODES) {
            event->data.conn_init = (struct trace_conn_init){.endpoint = {{127, 0, 0, 1}, 4433, 4, 0}, .by_remote = n % 2};
        } else {
            event->data.conn_established.rtt = 100000 + n;
            event->flags |= TRACE_FLAG_HAS_PEER;
            event->peer_id = node_id(n % 2 ? node : (node + 1) % NODES);
        }
        return n % 2 ? (node + 1) % NODES : node;
    }
    event->trace_id = trace_id(request);
    event->peer_id = node_id(peer);
    event->flags |= TRACE_FLAG_HAS_PEER;
    if (step < 2) {
        event->kind = TRACE_KIND_APP_START;
        event->data.app_start = (struct trace_app_start){
            .span_id = 2 * request + step + 1, .parent_id = step ? 2 * request + 1 : 0, .app_id = "DMAP", .cmd = 2};
    } else if (step >= 48) {
        event->kind = TRACE_KIND_APP_END;
        event->data.app_end = (struct trace_app_end){.span_id = 2 * request + step % 2 + 1, .app_id = "DMAP", .cmd = 2, .ok = 1};
    } else if (step % 10 == 5) {
        event->kind = TRACE_KIND_STREAM_DATA;
        event->data.stream_data =
            (struct trace_stream_data){.stream_id = 4 * request, .offset = 1000 * step, .length = 1000, .sent = 1};
    } else if (step % 10 == 7) {
        event->kind = TRACE_KIND_METRICS;
        event->data.metrics =
            (struct trace_metrics){.rtt = 100000 + n % 1000, .min_rtt = 90000, .cwnd = 12000 + n % 100, .in_flight = n % 9000};
    } else {
        event->kind = step % 2 ? TRACE_KIND_PACKET_SENT : TRACE_KIND_PACKET_RECEIVED;
        event->data.packet_sent = (struct trace_packet_sent){.packet_num = n / 4, .size = 1200, .space = TRACE_SPACE_1RTT};
    }
    return node;
}

static void make_pages(void) {
    uint64_t n = 0;
    for (size_t i = 0; i < PAGES && !pages[i].text; i++) {
        char *at = pages[i].text = malloc(PAGE_EVENTS * 600);
        *at++ = '[';
        for (size_t j = 0; j < PAGE_EVENTS; j++, n++) {
            struct trace_event event;
            struct trace_node_id id = node_id(make_event(n, &event));
            if (j) *at++ = ',';
            at = trace_event_json(at, &event, &(struct trace_event_origin){.node_id = &id});
        }
        *at++ = ']';
        pages[i].bytes = (size_t)(at - pages[i].text);
    }
}

/* Of malloc, small and large ones. */
static size_t bytes_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static uint64_t directory_bytes(const char *path) {
    uint64_t bytes = 0;
    struct stat status;
    DIR *stream = opendir(path);
    for (const struct dirent *entry; stream && (entry = readdir(stream));)
        if (!fstatat(dirfd(stream), entry->d_name, &status, 0) && S_ISREG(status.st_mode)) bytes += (uint64_t)status.st_size;
    if (stream) closedir(stream);
    return bytes;
}

static void run_format(struct bench *bench, const struct export_format *format) {
    static struct bench_series rates;
    struct export_settings settings = {.exported_ns = 1};
    uint64_t bytes = 0;
    size_t before, half = 0, whole = 0;
    bench_series_init(&rates);
    make_pages();
    before = bytes_in_use();
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS) + 1; i++) {
        char directory[] = "/dev/shm/bench-export-XXXXXX", command[64];
        struct failure failure;
        struct export export;
        FILE *file = format->target == EXPORT_DIRECTORY ? NULL : tmpfile();
        if (!mkdtemp(directory)) bench_die("no directory for an export");
        uint64_t start_ns = bench_cpu_ns();
        int result = export_begin(&export, format, &settings, file ? fileno(file) : -1, file ? NULL : directory, &failure);
        for (size_t p = 0; p < PAGES && !result; p++) {
            if (p == PAGES / 2) half = bytes_in_use();
            result = export_page(&export, (struct json_span){pages[p].text, pages[p].bytes}, NULL);
        }
        whole = bytes_in_use();
        if (!result) result = export_end(&export);
        uint64_t end_ns = bench_cpu_ns();
        if (result) bench_die("%s: %s", format->name, failure.text);
        export_fini(&export);
        bytes = file ? (uint64_t)lseek(fileno(file), 0, SEEK_END) : directory_bytes(directory);
        if (file) fclose(file);
        snprintf(command, sizeof command, "rm -rf %s", directory);
        if (system(command)) bench_die("cannot remove %s", directory); /* NOLINT: our own words */
        if (i) bench_series_add(&rates, PAGES * PAGE_EVENTS * 1e6 / (double)(end_ns - start_ns));
    }
    bench_report(bench, &(struct bench_result){.name = format->name,
                                               .unit = "k events/s",
                                               .values = &rates,
                                               .extras = {{"bytes_per_event", (double)bytes / (PAGES * PAGE_EVENTS)},
                                                          {"heap_kib", ((double)whole - (double)before) / 1024},
                                                          {"second_half_kib", ((double)whole - (double)half) / 1024}}});
}

#define EXPORT_FORMAT(name)                                 \
    extern const struct export_format export_format_##name; \
    static void run_##name(struct bench *bench) { run_format(bench, &export_format_##name); }
#include "formats.def"

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
#define EXPORT_FORMAT(name) {#name, run_##name},
#include "formats.def"
    };
    return bench_main(argc, argv, "export", cases, sizeof cases / sizeof cases[0]);
}
