/* SPDX-License-Identifier: MIT
 *
 * quic_node: a peer-to-peer node on ngtcp2, GnuTLS and libuv, instrumented with p2ptrace.
 *
 * Begin with README.md beside this file.  What is instrumented is in quic_conn.c (a connection's tracing, made and ended),
 * quic_stream.c (streams and their requests) and datamap.c (the application); a log is opened and closed here. */
#include "commands.h"

#include "util.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct node {
    uv_loop_t loop;
    uv_signal_t terminated, interrupted;
    struct identity identity;
    struct datamap *datamap;
    struct quic_endpoint *endpoint;
    struct commands commands;
    bool exit_on_eof;
    const char *name;
    const char *qlog_dir;
    unsigned drop_every;
    union quic_address drop_to; /* .any.sa_family 0: any */
    unsigned think_ms;
    union quic_address listen;
    union quic_address peers[TARGETS_MAX];
    unsigned peer_count;
    TRACE_ONLY(struct trace_log *log;)
    TRACE_ONLY(enum trace_ngtcp2_source trace_source;)
};

// clang-format off
static const char usage[] =
    "usage: quic_node [options]\n"
    "  --name NAME          what the node is called (default: node)\n"
    "  --listen HOST:PORT   where to listen; port 0 takes any (default: 127.0.0.1:0)\n"
    "  --peer HOST:PORT     keep a connection to that node; may be repeated\n"
    "  --drop N             drop every Nth datagram instead of sending it, N at least 2\n"
    "  --drop-to HOST:PORT  but only those to that address\n"
    "  --think MS           delay each request of a peer by MS before handling it, at most 10000\n"
    "  --qlog-dir DIR       write a qlog file for each connection\n"
    TRACE_ONLY("  --trace-source WHAT  where packets are seen: qlog (the default) or crypto\n")
    "  --exit-on-eof        stop at the end of stdin\n"
    "  --help\n"
    "Commands are read from stdin: store TEXT, store-random BYTES, put HOPS BYTES, get HASH, delete HASH,\n"
    "peers, wait-peers N, quit.\n";
// clang-format on

__attribute__((noreturn)) static void wrong_usage(const char *what, const char *value) {
    fprintf(stderr, "quic_node: %s: %s\n%s", what, value, usage);
    exit(2);
}

#ifdef TRACE
static enum trace_ngtcp2_source trace_source(const char *word) {
    if (strcmp(word, "qlog") == 0) return TRACE_NGTCP2_QLOG;
    if (strcmp(word, "crypto") == 0) return TRACE_NGTCP2_CRYPTO_LOST; /* a lost packet is in the qlog only */
    wrong_usage("not a source of packets", word);
}
#endif

static void parse_arguments(struct node *node, int argc, char **argv) {
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},     {"listen", required_argument, NULL, 'l'},
        {"peer", required_argument, NULL, 'p'},     {"drop", required_argument, NULL, 'd'},
        {"drop-to", required_argument, NULL, 'D'},  {"think", required_argument, NULL, 'T'},
        {"qlog-dir", required_argument, NULL, 'q'}, {"exit-on-eof", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},           TRACE_ONLY({"trace-source", required_argument, NULL, 't'}, ){0},
    };
    char *end;
    int option;

    node->name = "node";
    TRACE_ONLY(node->trace_source = TRACE_NGTCP2_QLOG;)
    quic_address_parse(&node->listen, "127.0.0.1:0");
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) switch (option) {
        case 'n':
            if (*optarg == 0 || strchr(optarg, '/')) wrong_usage("not a name", optarg);
            node->name = optarg;
            break;
        case 'l':
            if (quic_address_parse(&node->listen, optarg) != 0) wrong_usage("not an address", optarg);
            break;
        case 'p':
            if (node->peer_count == TARGETS_MAX) wrong_usage("too many peers", optarg);
            if (quic_address_parse(&node->peers[node->peer_count++], optarg) != 0) wrong_usage("not an address", optarg);
            break;
        case 'd':
            node->drop_every = (unsigned)strtoul(optarg, &end, 10);
            if (*end != 0 || node->drop_every < 2) wrong_usage("not a number from 2", optarg);
            break;
        case 'D':
            if (quic_address_parse(&node->drop_to, optarg) != 0) wrong_usage("not an address", optarg);
            break;
        case 'T':
            node->think_ms = (unsigned)strtoul(optarg, &end, 10);
            if (*end != 0 || *optarg == 0 || node->think_ms > THINK_MS_MAX) wrong_usage("not a number up to 10000", optarg);
            break;
        case 'q': node->qlog_dir = optarg; break;
        case 'e':
            node->exit_on_eof = true;
            break;
            TRACE_ONLY(case 't' : node->trace_source = trace_source(optarg); break;)
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (optind < argc) wrong_usage("what is this", argv[optind]);
}

/* Without room for a log (a full /dev/shm, say) the node runs on, untraced: a NULL log is fine everywhere. */
#ifdef TRACE
static void open_log(struct node *node) {
    const struct trace_log_options options = {.node_id = node->identity.id, .node_name = node->name};
    int rv = trace_log_open(&node->log, &options);
    if (rv != 0) fprintf(stderr, "tracing off: %s\n", strerror(-rv));
}
#endif

/* Leaves the loop after the caller has returned to it: a callback may not tear anything down. */
static void leave(void *arg) { uv_stop(&((struct node *)arg)->loop); }

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    leave(handle->data);
}

static void on_ended(void *arg) {
    if (((struct node *)arg)->exit_on_eof) leave(arg);
}

static void stop(struct node *node) {
    commands_stop(&node->commands);
    datamap_stop(node->datamap);
    quic_endpoint_close(node->endpoint);
    uv_close((uv_handle_t *)&node->terminated, NULL);
    uv_close((uv_handle_t *)&node->interrupted, NULL);
    uv_run(&node->loop, UV_RUN_DEFAULT); /* until the last handle is closed */
}

static int open_node(struct node *node) {
    struct quic_config config = {.loop = &node->loop,
                                 .identity = &node->identity,
                                 .name = node->name,
                                 .qlog_dir = node->qlog_dir,
                                 .drop_every = node->drop_every,
                                 .drop_to = node->drop_to,
                                 .listen = node->listen,
                                 TRACE_ONLY(.log = node->log, .trace_source = node->trace_source, )};
    int rv = datamap_create(&node->datamap, &node->loop, node->think_ms TRACE_ONLY(, node->log));
    if (rv != 0) return rv;
    config.app = datamap_app(node->datamap);
    if ((rv = quic_endpoint_open(&node->endpoint, &config)) != 0) return rv;
    datamap_attach(node->datamap, node->endpoint);
    for (unsigned i = 0; i < node->peer_count; i++) quic_endpoint_keep(node->endpoint, &node->peers[i]);
    return 0;
}

static void announce(struct node *node) {
    char address[QUIC_ADDRESS_TEXT_BYTES], id[2 * TRACE_NODE_ID_BYTES + 1];
    printf("listening %s id %s\n", quic_address_text(address, quic_endpoint_address(node->endpoint)),
           hex_text(id, node->identity.id.bytes, TRACE_NODE_ID_BYTES));
    fflush(stdout);
}

int main(int argc, char **argv) {
    static struct node node;
    int rv;

    parse_arguments(&node, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if ((rv = identity_init(&node.identity, node.name)) != 0) {
        fprintf(stderr, "quic_node: no certificate: %s\n", gnutls_strerror(rv));
        return 1;
    }
    TRACE_ONLY(open_log(&node);)
    uv_loop_init(&node.loop);
    if ((rv = open_node(&node)) != 0) {
        fprintf(stderr, "quic_node: %s\n", strerror(-rv));
        TRACE_ONLY(trace_log_close(node.log);)
        return 1;
    }
    uv_signal_init(&node.loop, &node.terminated);
    uv_signal_init(&node.loop, &node.interrupted);
    node.terminated.data = node.interrupted.data = &node;
    uv_signal_start(&node.terminated, on_signal, SIGTERM);
    uv_signal_start(&node.interrupted, on_signal, SIGINT);
    announce(&node); /* from here on others may connect, and close the connection */

    node.commands.datamap = node.datamap;
    node.commands.endpoint = node.endpoint;
    node.commands.quit = leave;
    node.commands.ended = on_ended;
    node.commands.arg = &node;
    if ((rv = commands_start(&node.commands, &node.loop)) != 0) {
        fprintf(stderr, "quic_node: stdin: %s\n", uv_strerror(rv));
        leave(&node);
    }
    uv_run(&node.loop, UV_RUN_DEFAULT);
    stop(&node);

    datamap_destroy(node.datamap);
    uv_loop_close(&node.loop);
    TRACE_ONLY(trace_log_close(node.log);)
    identity_fini(&node.identity);
    return 0;
}
