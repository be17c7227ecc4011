/* SPDX-License-Identifier: MIT
 *
 * See recording/salvage.h. */
#include <recording/salvage.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libtrace/clock.h>
#include <libtrace/guard.h>
#include <stdlib.h>
#include <store/ring_node.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_EVENTS 512U
#define CLOCK_SETTLE_NS 5000000

struct salvage {
    struct recording_writer *writer;
    struct trace_clock clock;
    struct trace_event batch[BATCH_EVENTS];
    /* the current ring */
    struct trace_reader *reader;
    struct trace_ring_clock ring_clock;
    uint32_t node;
    struct recording_salvaged result;
};

static uint64_t unix_now_ns(const struct salvage *salvage) {
    static const struct trace_ring_clock monotonic = {.source = TRACE_CLOCK_MONOTONIC};
    return trace_clock_unix_ns(&salvage->clock, &monotonic, trace__monotonic_ns());
}

static void append(struct salvage *salvage, unsigned lane, const struct trace_event *events, uint32_t count) {
    int error = recording_writer_append(salvage->writer, salvage->node, lane, events, count);
    if (error < 0 && salvage->result.error == 0) salvage->result.error = error;
}

static void append_loss(struct salvage *salvage, unsigned lane, uint64_t unix_ns, uint64_t first, uint64_t count,
                        enum trace_loss cause) {
    struct trace_event loss = {.timestamp = unix_ns, .sequence = (uint32_t)first, .kind = TRACE_KIND_EVENTS_LOST};
    if (count == 0) return;
    loss.data.events_lost.count = count;
    loss.data.events_lost.first = first;
    loss.data.events_lost.cause = (uint8_t)cause;
    append(salvage, lane, &loss, 1);
    salvage->result.lost += count;
}

/* Reads one lane up to position `end`; a live node could emit faster than we read. */
static void read_lane(struct salvage *salvage, unsigned lane, uint64_t end) {
    bool dead = salvage->result.state != TRACE_NODE_LIVE;
    uint64_t told = 0, waiting = 0, waiting_first = 0;
    enum trace_loss waiting_cause = TRACE_LOSS_OVERWRITTEN;
    struct trace_read read;

    do {
        trace_reader_read(salvage->reader, lane, salvage->batch, BATCH_EVENTS, dead, trace__monotonic_ns(), &read);
        if (read.lost > 0 && waiting > 0 && read.cause != waiting_cause) {
            append_loss(salvage, lane, unix_now_ns(salvage), waiting_first, waiting, waiting_cause);
            waiting = 0;
        }
        if (read.lost > 0) {
            if (waiting == 0) waiting_first = read.first - read.lost;
            waiting += read.lost;
            waiting_cause = read.cause;
        }
        if (read.count == 0) continue;
        for (uint32_t i = 0; i < read.count; i++)
            salvage->batch[i].timestamp = trace_clock_unix_ns(&salvage->clock, &salvage->ring_clock, salvage->batch[i].timestamp);
        append_loss(salvage, lane, salvage->batch[0].timestamp, waiting_first, waiting, waiting_cause);
        waiting = 0;
        append(salvage, lane, salvage->batch, read.count);
        told += read.count;
    } while (read.more && trace_reader_position(salvage->reader, lane) < end);
    append_loss(salvage, lane, unix_now_ns(salvage), waiting_first, waiting, waiting_cause);
    salvage->result.events += told;
}

static void add_node(struct salvage *salvage) {
    const struct trace_reader_info *info = trace_reader_info(salvage->reader);
    struct store *store = recording_writer_store(salvage->writer);
    struct machine machine;
    struct trace_app app;

    machine_here(&machine);
    struct node_info node = node_info_of_ring(salvage->reader, &machine,
                                              trace_clock_unix_ns(&salvage->clock, &salvage->ring_clock, info->open_ticks));
    salvage->result.error = store_add_node(store, &node, NODE_LIVE, &salvage->node);
    for (unsigned i = 0; i < TRACE_APPS_MAX && salvage->result.error == 0; i++) {
        int result = trace_reader_app(salvage->reader, i, &app);
        if (result == 0) store_add_app(store, salvage->node, &app);
        if (result == -ENOENT) break;
    }
}

/* Losses that a read does not report: events that a full ring discarded, and threads without a lane. */
static void append_counted(struct salvage *salvage) {
    uint64_t now_ns = unix_now_ns(salvage);
    for (unsigned lane = 0; lane < trace_reader_info(salvage->reader)->lane_count; lane++) {
        struct trace_lane_count count;
        trace_reader_count(salvage->reader, lane, &count);
        append_loss(salvage, lane, now_ns, trace_reader_position(salvage->reader, lane), count.lost[TRACE_LOSS_DISCARDED],
                    TRACE_LOSS_DISCARDED);
    }
    append_loss(salvage, 0, now_ns, trace_reader_position(salvage->reader, 0), trace_reader_no_lane(salvage->reader),
                TRACE_LOSS_NO_LANE);
}

/* When the log was closed, Unix ns; 0: not known. */
static uint64_t closed_ns(const struct salvage *salvage) {
    uint64_t closed = trace_reader_closed(salvage->reader);
    return closed ? trace_clock_unix_ns(&salvage->clock, &salvage->ring_clock, closed) : 0;
}

static void read_ring(struct salvage *salvage) {
    const struct trace_reader_info *info = trace_reader_info(salvage->reader);

    salvage->ring_clock = (struct trace_ring_clock){info->clock_source, info->open_ticks, info->open_monotonic_ns};
    salvage->result.node_name = info->node_name;
    salvage->result.state = trace_reader_state(salvage->reader);
    add_node(salvage);
    if (salvage->result.error < 0) return;
    for (unsigned lane = 0; lane < info->lane_count; lane++) {
        struct trace_lane_count count;
        if (!trace_reader_lane_used(salvage->reader, lane)) continue;
        trace_reader_count(salvage->reader, lane, &count);
        read_lane(salvage, lane, trace_reader_position(salvage->reader, lane) + count.behind);
    }
    append_counted(salvage);
    salvage->result.broken = trace_reader_broken(salvage->reader);
    if (salvage->result.state == TRACE_NODE_EXITED)
        nodes_set_closed(nodes_at(recording_writer_store(salvage->writer)->nodes, salvage->node), closed_ns(salvage),
                         unix_now_ns(salvage));
    if (salvage->result.state != TRACE_NODE_LIVE)
        store_end_node(recording_writer_store(salvage->writer), salvage->node,
                       salvage->result.state == TRACE_NODE_EXITED ? NODE_EXITED : NODE_CRASHED);
}

static bool is_ring_name(const struct dirent *entry) {
    return strncmp(entry->d_name, TRACE_SHM_PREFIX, strlen(TRACE_SHM_PREFIX)) == 0;
}

/* Returns 1 when the ring was read. */
static int salvage_object(struct salvage *salvage, int dir_fd, const char *name, uint32_t uid) {
    int result;

    salvage->result = (struct recording_salvaged){.name = name};
    result = trace_reader_attach(&salvage->reader, dir_fd, name, uid, 0, &salvage->result.fault);
    salvage->result.error = result;
    if (result < 0) return 0;
    salvage->result.fault = TRACE_ATTACH_OK;
    read_ring(salvage);
    return 1;
}

static void start_clock(struct salvage *salvage) {
    struct trace_clock_sample first = trace_clock_read();
    struct timespec pause = {.tv_nsec = CLOCK_SETTLE_NS};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {} /* the clock's rate needs two samples some time apart */
    trace_clock_init(&salvage->clock, first, trace_clock_read());
}

int recording_salvage(struct recording_writer *writer, const char *shm_dir, uint32_t uid,
                      void (*each)(void *arg, const struct recording_salvaged *salvaged), void *arg) {
    DIR *dir = opendir(shm_dir);
    struct salvage *salvage = malloc(sizeof *salvage);
    int count = !dir ? -errno : !salvage ? -ENOMEM : 0;

    if (count == 0) count = trace_guard_install();
    if (count == 0) {
        salvage->writer = writer;
        start_clock(salvage);
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            int read;
            if (!is_ring_name(entry)) continue;
            read = salvage_object(salvage, dirfd(dir), entry->d_name, uid);
            if (salvage->result.fault != TRACE_ATTACH_BAD_OWNER) each(arg, &salvage->result); /* do not report another user's */
            if (read != 0) trace_reader_detach(salvage->reader);
            count += read;
        }
    }
    free(salvage);
    if (dir) closedir(dir);
    return count;
}
