/* SPDX-License-Identifier: MIT
 *
 * Frozen: what version 1.0 of the shared library promised.  Never change it; a later version gets a directory of its own. */
// clang-format off
#include <stddef.h>
#include <stdint.h>

struct V1(trace_id) {
    uint8_t bytes[16];
};

struct V1(trace_node_id) {
    uint8_t bytes[32];
};

struct V1(trace_endpoint) {
    uint8_t address[16];
    uint16_t port;
    uint8_t family;
    uint8_t reserved;
};

struct V1(trace_context) {
    struct V1(trace_id) trace_id;
    uint64_t span_id;
    uint8_t flags;
};

struct V1(trace_log_options) {
    struct V1(trace_node_id) node_id;
    const char * node_name;
    uint32_t policy;
    uint64_t control;
};

struct V1(trace_app_command_name) {
    uint16_t cmd;
    char name[22];
};

struct V1(trace_app_field) {
    char name[20];
    uint8_t type;
    uint8_t offset;
    uint8_t bytes;
    uint8_t reserved;
};

struct V1(trace_query_filter) {
    const struct trace_id * trace_id;
    const struct trace_node_id * peer_id;
    uint32_t kinds;
    uint64_t from_ns;
    uint64_t to_ns;
    size_t limit;
};

struct V1(trace_conn_init) {
    struct V1(trace_endpoint) endpoint;
    uint8_t by_remote;
};

struct V1(trace_conn_established) {
    uint64_t rtt;
};

struct V1(trace_conn_closed) {
    uint64_t code;
    uint8_t by_remote;
    char reason[55];
};

struct V1(trace_stream_opened) {
    uint64_t stream_id;
};

struct V1(trace_stream_data) {
    uint64_t stream_id;
    uint64_t offset;
    uint32_t length;
    uint8_t fin;
    uint8_t sent;
};

struct V1(trace_stream_closed) {
    uint64_t stream_id;
    uint64_t code;
};

struct V1(trace_packet_sent) {
    uint64_t packet_num;
    uint32_t size;
    uint8_t space;
};

struct V1(trace_packet_received) {
    uint64_t packet_num;
    uint32_t size;
    uint8_t space;
};

struct V1(trace_packet_lost) {
    uint64_t packet_num;
    uint8_t space;
};

struct V1(trace_metrics) {
    uint64_t rtt;
    uint64_t min_rtt;
    uint64_t cwnd;
    uint64_t in_flight;
};

struct V1(trace_app_command) {
    char app_id[4];
    uint16_t cmd;
    uint8_t data_bytes;
    uint8_t data[42];
};

struct V1(trace_app_start) {
    uint64_t span_id;
    uint64_t parent_id;
    char app_id[4];
    uint16_t cmd;
};

struct V1(trace_app_end) {
    uint64_t span_id;
    char app_id[4];
    uint16_t cmd;
    uint8_t ok;
};

struct V1(trace_custom) {
    uint32_t category;
    uint32_t code;
    uint8_t data_bytes;
    uint8_t data[44];
};

struct V1(trace_event) {
    uint64_t timestamp;
    struct V1(trace_id) trace_id;
    uint32_t sequence;
    uint16_t kind;
    uint8_t flags;
    uint8_t reserved;
    struct V1(trace_node_id) peer_id;
    uint8_t data[64];
};
