/* SPDX-License-Identifier: MIT
 *
 * A traced program controlled by commands: the node in tests with a real traced.
 *
 *     test_node NAME NODE_ID_HEX [POLICY [CONTROL [LANE_EVENTS]]]
 *
 * POLICY is "overwrite_oldest" or "discard_newest", CONTROL the initial control word in hexadecimal (0: everything).  Then
 * it reads commands on stdin, and answers each with "ok" on stdout when it is done:
 *
 *     packets COUNT [TRACE [PEER]]    COUNT packet_sent events, continuing the numbers; ids are 32 and 64 digits, "-" for none
 *     metrics RTT MIN_RTT PEER        a sample
 *     app                             registers DMAP
 *     app NAME CMD COMMAND FIELD TYPE BYTES
 *                                     as above, for another application: one command, one field at offset 0 (enum trace_app_type)
 *     start TRACE SPAN PARENT CMD     app_start of DMAP
 *     command TRACE SPAN CMD TEXT     app_command of DMAP
 *     end TRACE SPAN CMD OK           app_end of DMAP
 *     custom TEXT                     a custom event with these bytes
 *     message sent|received PEER ID [TRACE]
 *     alias PEER ALIAS [LABEL]        ALIAS is another id of PEER, or of this node for "-"
 *     address PEER ADDRESS            the same with an address, over UDP
 *     threads COUNT EVENTS            COUNT threads at once, each emits EVENTS metrics
 *     stream MICROSECONDS             one packet_sent per MICROSECONDS, until the next command arrives
 *     close                           closes the log and ends
 *
 * PEER and ALIAS: 64 digits, or "@" and an address.
 *
 * At the end of stdin it ends without closing the log, like a crash. */
#define TRACE_FULL
#include <p2ptrace/trace.h>

#include <poll.h>
#include <proto/hex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct trace_log *trace_log;
static uint64_t packet_num;

static struct trace_context read_context(const char *trace, uint64_t span) {
    struct trace_context context = {.span_id = span, .flags = TRACE_FLAG_SAMPLED};
    if (trace_hex_decode(context.trace_id.bytes, trace, TRACE_ID_BYTES)) exit(3);
    return context;
}

static struct trace_node_id read_node_id(const char *text) {
    struct trace_node_id id;
    if (*text == '@') return trace_node_id_of_address(text + 1);
    if (strlen(text) != 64 || trace_hex_decode(id.bytes, text, sizeof id.bytes)) exit(3);
    return id;
}

static void emit_packets(unsigned long count, const char *trace, const char *peer) {
    struct trace_context context = {0};
    struct trace_node_id peer_id = {{0}};
    bool has_trace = trace && *trace && *trace != '-', has_peer = peer && *peer && *peer != '-';
    if (has_trace) context = read_context(trace, 1);
    if (has_peer) peer_id = read_node_id(peer);
    for (unsigned long i = 0; i < count; i++)
        TRACE_PACKET_SENT(trace_log, has_trace ? &context : NULL, has_peer ? &peer_id : NULL, packet_num++, 1200,
                          TRACE_SPACE_1RTT);
}

static void register_app(void) {
    static const struct trace_app app = {
        .app_id = "DMAP",
        .name = "DataMap",
        .command_count = 2,
        .field_count = 1,
        .commands = {{1, "STORE_CHUNK"}, {2, "GET_CHUNK"}},
        .fields = {{.name = "key", .type = TRACE_APP_TEXT, .offset = 0, .bytes = 8}},
    };
    if (trace_log_register_app(trace_log, &app)) exit(4);
}

/* NAME CMD COMMAND FIELD TYPE BYTES */
static void register_app_of(char *const *word) {
    struct trace_app app = {.app_id = {'D', 'M', 'A', 'P'}};
    memcpy(app.name, word[0], strnlen(word[0], sizeof app.name));
    app.commands[0].cmd = (uint16_t)atoi(word[1]);
    memcpy(app.commands[0].name, word[2], strnlen(word[2], sizeof app.commands[0].name));
    memcpy(app.fields[0].name, word[3], strnlen(word[3], sizeof app.fields[0].name));
    app.fields[0].type = (uint8_t)atoi(word[4]);
    app.fields[0].bytes = (uint8_t)atoi(word[5]);
    if (trace_log_register_app(trace_log, &app)) exit(4);
}

/* sent|received PEER ID [TRACE] */
static void emit_message(char *const *word) {
    struct trace_node_id peer = read_node_id(word[1]);
    struct trace_context context = {0}, *of = word[3] ? &context : NULL;
    uint64_t id = strtoull(word[2], NULL, 10);
    if (word[3]) context = read_context(word[3], 1);
    if (!strcmp(word[0], "sent"))
        TRACE_MESSAGE_SENT(trace_log, of, &peer, id, 100, TRACE_TRANSPORT_UDP, "HELLO");
    else
        TRACE_MESSAGE_RECEIVED(trace_log, of, &peer, id, 100, TRACE_TRANSPORT_UDP, "HELLO");
}

/* PEER ALIAS [LABEL] */
static void emit_alias(char *const *word) {
    struct trace_node_id alias = read_node_id(word[1]), peer = {{0}};
    bool has_peer = *word[0] != '-';
    if (has_peer) peer = read_node_id(word[0]);
    TRACE_ALIAS(trace_log, NULL, has_peer ? &peer : NULL, &alias, TRACE_TRANSPORT_OTHER, word[2]);
}

/* PEER ADDRESS */
static void emit_address(char *const *word) {
    struct trace_node_id peer = {{0}};
    bool has_peer = *word[0] != '-';
    if (has_peer) peer = read_node_id(word[0]);
    TRACE_ADDRESS(trace_log, NULL, has_peer ? &peer : NULL, TRACE_TRANSPORT_UDP, word[1]);
}

/* Emits at a steady pace until there is input. */
static void stream(unsigned long microseconds) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec pause = {.tv_nsec = (long)microseconds * 1000};
    while (poll(&input, 1, 0) == 0) {
        emit_packets(1, NULL, NULL);
        nanosleep(&pause, NULL);
    }
}

static pthread_barrier_t together;

static void *emit_metrics(void *events) {
    pthread_barrier_wait(&together);
    for (uintptr_t i = 0; i < (uintptr_t)events; i++) TRACE_METRICS(trace_log, NULL, NULL, i, 1, 12000, 3000);
    pthread_barrier_wait(&together); /* each keeps its lane until here */
    return NULL;
}

static void run_threads(unsigned count, unsigned long events) {
    pthread_t *threads = calloc(count, sizeof *threads);
    if (!threads || pthread_barrier_init(&together, NULL, count)) exit(4);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, emit_metrics, (void *)events)) exit(4);
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
    free(threads);
}

static bool obey(char *line) {
    char *word[7] = {0}, *rest = NULL;
    unsigned count = 0;
    for (char *p = strtok_r(line, " \n", &rest); p && count < 7; p = strtok_r(NULL, " \n", &rest)) word[count++] = p;
    if (!count) return true;
    if (!strcmp(word[0], "packets") && count >= 2) {
        emit_packets(strtoul(word[1], NULL, 10), word[2], word[3]);
    } else if (!strcmp(word[0], "metrics") && count == 4) {
        struct trace_node_id peer = read_node_id(word[3]);
        TRACE_METRICS(trace_log, NULL, &peer, strtoull(word[1], NULL, 10), strtoull(word[2], NULL, 10), 12000, 3000);
    } else if (!strcmp(word[0], "app") && count == 7) {
        register_app_of(word + 1);
    } else if (!strcmp(word[0], "app") && count == 1) {
        register_app();
    } else if (!strcmp(word[0], "start") && count == 5) {
        struct trace_context context = read_context(word[1], strtoull(word[2], NULL, 16));
        TRACE_APP_START(trace_log, &context, NULL, strtoull(word[3], NULL, 16), "DMAP", (uint16_t)atoi(word[4]));
    } else if (!strcmp(word[0], "command") && count == 5) {
        struct trace_context context = read_context(word[1], strtoull(word[2], NULL, 16));
        TRACE_APP_COMMAND(trace_log, &context, NULL, "DMAP", (uint16_t)atoi(word[3]), word[4], strlen(word[4]));
    } else if (!strcmp(word[0], "end") && count == 5) {
        struct trace_context context = read_context(word[1], strtoull(word[2], NULL, 16));
        TRACE_APP_END(trace_log, &context, NULL, "DMAP", (uint16_t)atoi(word[3]), atoi(word[4]) != 0);
    } else if (!strcmp(word[0], "custom") && count == 2) {
        TRACE_CUSTOM(trace_log, NULL, NULL, 1, 2, word[1], strlen(word[1]));
    } else if (!strcmp(word[0], "message") && count >= 4) {
        emit_message(word + 1);
    } else if (!strcmp(word[0], "alias") && count >= 3) {
        emit_alias(word + 1);
    } else if (!strcmp(word[0], "address") && count == 3) {
        emit_address(word + 1);
    } else if (!strcmp(word[0], "threads") && count == 3) {
        run_threads((unsigned)atoi(word[1]), strtoul(word[2], NULL, 10));
    } else if (!strcmp(word[0], "stream") && count == 2) {
        puts("ok"); /* it has begun */
        fflush(stdout);
        stream(strtoul(word[1], NULL, 10));
        return true;
    } else if (!strcmp(word[0], "close")) {
        return false;
    } else {
        exit(2);
    }
    puts("ok");
    fflush(stdout);
    return true;
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 6) return 2;
    struct trace_log_options options = {.node_id = read_node_id(argv[2]), .node_name = argv[1]};
    if (argc > 3 && !strcmp(argv[3], "discard_newest")) options.policy = TRACE_DISCARD_NEWEST;
    if (argc > 4) options.control = strtoull(argv[4], NULL, 16);
    uint32_t lane_events = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : TRACE_LANE_EVENTS;
    int error = trace__log_open(&trace_log, &options, lane_events);
    if (error) {
        fprintf(stderr, "test_node: %s\n", strerror(-error));
        return 1;
    }
    puts("ok");
    fflush(stdout);
    setvbuf(stdin, NULL, _IONBF, 0); /* stream() polls, so the next command must not be in a buffer already */
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        if (obey(line)) continue;
        trace_log_close(trace_log);
        puts("ok");
        return 0;
    }
    return 0;
}
