/* SPDX-License-Identifier: MIT
 *
 * Gossip and lookups over UDP, traced: each node passes a rumour on to its peers once, and answers what it has.
 *
 *     gossip NAME [DELAY_MS [ANSWER_MS]]   says "listening PORT"; holds each rumour for DELAY_MS before it passes it on;
 *                                          waits ANSWER_MS for answers, by default 400
 *
 * It reads commands, and ends at the end of its input:
 *
 *     peers PORT...    greets them; it says "knows PORT" when it has learned a peer's id
 *     have KEY         stores the key here
 *     publish TEXT     begins a rumour; every node says "got TEXT" the first time
 *     again            publishes the last rumour once more, in a new trace with a link to the one that brought it
 *     find KEY         asks all peers at once; says "found KEY" or "nobody has KEY" when all have answered or timed out
 *     give up          as if the answers had timed out
 *
 * On the wire: type (1), id (8), the sender's id (32), with tracing also the trace's context, then text.  A rumour has one id
 * on all nodes.  A question and its answer share an id, too. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <p2ptrace/trace.h>

enum { HELLO = 1, WELCOME, RUMOUR, FIND, VALUE, NONE };
enum {
    ID_BYTES = 32,
    HEADER_BYTES = 1 + 8 + ID_BYTES,
    TEXT_MAX = 64,
    MESSAGE_MAX = HEADER_BYTES + TRACE_CONTEXT_BYTES + TEXT_MAX
};
enum { PEERS_MAX = 16, RUMOURS_MAX = 64, KEYS_MAX = 16, ANSWER_MS_DEFAULT = 400 };

struct message {
    uint8_t type;
    uint64_t id;
    uint8_t sender[ID_BYTES];
    char text[TEXT_MAX + 1];
    TRACE_ONLY(struct trace_context context;)
};

struct peer {
    struct sockaddr_in address;
    bool known;
    uint8_t id[ID_BYTES];
    uint64_t asked; /* the id of its unanswered question; 0: none */
    TRACE_ONLY(struct trace_node_id node_id; struct trace_context question;)
};

struct rumour {
    uint64_t id;
    char text[TEXT_MAX + 1];
    uint8_t from[ID_BYTES];
    int64_t pass_on_ms; /* when to pass it on; 0: done */
    TRACE_ONLY(struct trace_context context;)
};

struct node {
    int fd;
    int64_t delay_ms, answer_ms;
    uint8_t id[ID_BYTES];
    struct peer peers[PEERS_MAX];
    unsigned peer_count;
    struct rumour rumours[RUMOURS_MAX];
    unsigned rumour_count;
    char keys[KEYS_MAX][TEXT_MAX + 1];
    unsigned key_count;
    char sought[TEXT_MAX + 1]; /* "": nothing */
    bool found;
    int64_t give_up_ms;
    TRACE_ONLY(struct trace_log *log; struct trace_context search;)
};

TRACE_APP_ONLY(static const struct trace_app protocol = {.app_id = {'G', 'S', 'S', 'P'},
                                                         .name = "Gossip",
                                                         .command_count = 2,
                                                         .commands = {{RUMOUR, "RUMOUR"}, {FIND, "FIND"}}};)
static const char *const type_names[] = {"", "HELLO", "WELCOME", "RUMOUR", "FIND", "VALUE", "NONE"};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t random_id(void) {
    uint64_t id = 0;
    return getrandom(&id, sizeof id, 0) == sizeof id && id != 0 ? id : 1;
}

/* ---- messages ---- */

static void send_message(const struct node *node, const struct peer *to, const struct message *message) {
    uint8_t bytes[MESSAGE_MAX] = {message->type};
    size_t text_bytes = strnlen(message->text, TEXT_MAX), count = HEADER_BYTES + TRACE_CONTEXT_BYTES + text_bytes;
    for (int i = 0; i < 8; i++) bytes[1 + i] = (uint8_t)(message->id >> (56 - 8 * i));
    memcpy(bytes + 9, node->id, ID_BYTES);
    TRACE_CONTEXT_ENCODE(bytes + HEADER_BYTES, &message->context);
    memcpy(bytes + HEADER_BYTES + TRACE_CONTEXT_BYTES, message->text, text_bytes);
    if (message->type > WELCOME)
        TRACE_MESSAGE_SENT(node->log, &message->context, &to->node_id, message->id, (uint32_t)count, TRACE_TRANSPORT_UDP,
                           type_names[message->type]);
    if (sendto(node->fd, bytes, count, 0, (const struct sockaddr *)&to->address, sizeof to->address) < 0) return; /* as if lost */
}

/* Reads one datagram; false if it is not a message of ours. */
static bool receive_message(const struct node *node, struct sockaddr_in *from, struct message *message) {
    uint8_t bytes[MESSAGE_MAX + 1];
    socklen_t from_bytes = sizeof *from;
    ssize_t count = recvfrom(node->fd, bytes, sizeof bytes, 0, (struct sockaddr *)from, &from_bytes);
    memset(message, 0, sizeof *message);
    if (count < HEADER_BYTES + TRACE_CONTEXT_BYTES || count > MESSAGE_MAX || bytes[0] < HELLO || bytes[0] > NONE) return false;
    if (TRACE_CONTEXT_DECODE(&message->context, bytes + HEADER_BYTES, (size_t)count - HEADER_BYTES) != 0) return false;
    message->type = bytes[0];
    for (int i = 0; i < 8; i++) message->id = message->id << 8 | bytes[1 + i];
    memcpy(message->sender, bytes + 9, ID_BYTES);
    memcpy(message->text, bytes + HEADER_BYTES + TRACE_CONTEXT_BYTES, (size_t)count - HEADER_BYTES - TRACE_CONTEXT_BYTES);
    return true;
}

static struct peer *peer_at(struct node *node, const struct sockaddr_in *address) {
    for (unsigned i = 0; i < node->peer_count; i++)
        if (node->peers[i].address.sin_port == address->sin_port) return &node->peers[i];
    if (node->peer_count == PEERS_MAX) return NULL;
    node->peers[node->peer_count].address = *address;
    return &node->peers[node->peer_count++];
}

static void learn_peer(struct peer *peer, const struct message *message) {
    memcpy(peer->id, message->sender, ID_BYTES);
    TRACE_ONLY(memcpy(peer->node_id.bytes, message->sender, ID_BYTES);)
    if (!peer->known) printf("knows %u\n", ntohs(peer->address.sin_port));
    peer->known = true;
}

/* ---- gossip ---- */

static void pass_on(struct node *node, struct rumour *rumour) {
    struct message message = {.type = RUMOUR, .id = rumour->id, TRACE_ONLY(.context = rumour->context, )};
    memcpy(message.text, rumour->text, sizeof message.text);
    rumour->pass_on_ms = 0;
    for (unsigned i = 0; i < node->peer_count; i++)
        if (memcmp(node->peers[i].id, rumour->from, ID_BYTES) != 0) send_message(node, &node->peers[i], &message);
    TRACE_APP_END(node->log, &rumour->context, NULL, "GSSP", RUMOUR, 1);
}

static struct rumour *add_rumour(struct node *node, uint64_t id, const char *text) {
    for (unsigned i = 0; i < node->rumour_count; i++)
        if (node->rumours[i].id == id) return NULL;
    if (node->rumour_count == RUMOURS_MAX) return NULL;
    struct rumour *rumour = &node->rumours[node->rumour_count++];
    memset(rumour, 0, sizeof *rumour);
    rumour->id = id;
    snprintf(rumour->text, sizeof rumour->text, "%s", text);
    return rumour;
}

/* brought: the received rumour that this one repeats, or NULL. */
static void publish(struct node *node, const char *text, const struct rumour *brought) {
    struct rumour *rumour = add_rumour(node, random_id(), text);
    if (!rumour) return;
    memcpy(rumour->from, node->id, ID_BYTES);
    TRACE_ONLY(rumour->context = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED);)
    TRACE_APP_START(node->log, &rumour->context, NULL, 0, "GSSP", RUMOUR);
    if (brought) TRACE_LINK(node->log, &rumour->context, NULL, &brought->context, "again");
    pass_on(node, rumour);
}

static void take_rumour(struct node *node, const struct peer *from, const struct message *message) {
    struct rumour *rumour = add_rumour(node, message->id, message->text);
    if (!rumour) return; /* a duplicate */
    memcpy(rumour->from, from->id, ID_BYTES);
    TRACE_ONLY(rumour->context = trace_context_child(&message->context);)
    TRACE_APP_START(node->log, &rumour->context, &from->node_id, message->context.span_id, "GSSP", RUMOUR);
    printf("got %s\n", rumour->text);
    rumour->pass_on_ms = now_ms() + node->delay_ms;
    if (node->delay_ms == 0) pass_on(node, rumour);
}

/* ---- lookups ---- */

static void end_search(struct node *node) {
    TRACE_APP_END(node->log, &node->search, NULL, "GSSP", FIND, node->found);
    printf(node->found ? "found %s\n" : "nobody has %s\n", node->sought);
    node->sought[0] = 0;
}

static void find(struct node *node, const char *key) {
    struct message message = {.type = FIND};
    snprintf(node->sought, sizeof node->sought, "%s", key);
    snprintf(message.text, sizeof message.text, "%s", key);
    node->found = false;
    node->give_up_ms = now_ms() + node->answer_ms;
    TRACE_ONLY(node->search = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED);)
    TRACE_APP_START(node->log, &node->search, NULL, 0, "GSSP", FIND);
    for (unsigned i = 0; i < node->peer_count; i++) {
        struct peer *peer = &node->peers[i];
        message.id = peer->asked = random_id();
        TRACE_ONLY(message.context = peer->question = trace_context_child(&node->search);)
        TRACE_APP_START(node->log, &peer->question, &peer->node_id, node->search.span_id, "GSSP", FIND);
        send_message(node, peer, &message);
    }
    if (node->peer_count == 0) end_search(node);
}

static void answer(struct node *node, const struct peer *from, const struct message *message) {
    struct message reply = {.type = NONE, .id = message->id};
    for (unsigned i = 0; i < node->key_count; i++)
        if (strcmp(node->keys[i], message->text) == 0) reply.type = VALUE;
    TRACE_ONLY(reply.context = trace_context_child(&message->context);)
    TRACE_APP_START(node->log, &reply.context, &from->node_id, message->context.span_id, "GSSP", FIND);
    send_message(node, from, &reply);
    TRACE_APP_END(node->log, &reply.context, &from->node_id, "GSSP", FIND, 1);
}

static void take_answer(struct node *node, struct peer *from, const struct message *message) {
    unsigned waiting = 0;
    if (from->asked == 0 || from->asked != message->id) return;
    from->asked = 0;
    node->found |= message->type == VALUE;
    TRACE_APP_END(node->log, &from->question, &from->node_id, "GSSP", FIND, message->type == VALUE);
    for (unsigned i = 0; i < node->peer_count; i++) waiting += node->peers[i].asked != 0;
    if (waiting == 0) end_search(node);
}

static void give_up(struct node *node) {
    for (unsigned i = 0; i < node->peer_count; i++) {
        if (node->peers[i].asked == 0) continue;
        node->peers[i].asked = 0;
        TRACE_APP_EXPIRED(node->log, &node->peers[i].question, &node->peers[i].node_id, "GSSP", FIND);
    }
    end_search(node);
}

/* ---- the node ---- */

static void take_message(struct node *node) {
    struct sockaddr_in from;
    struct message message;
    if (!receive_message(node, &from, &message)) return;
    struct peer *peer = peer_at(node, &from);
    if (!peer) return;
    if (message.type > WELCOME) {
        TRACE_ONLY(struct trace_node_id sender; memcpy(sender.bytes, message.sender, ID_BYTES);)
        TRACE_MESSAGE_RECEIVED(node->log, &message.context, &sender, message.id,
                               (uint32_t)(HEADER_BYTES + TRACE_CONTEXT_BYTES + strnlen(message.text, TEXT_MAX)),
                               TRACE_TRANSPORT_UDP, type_names[message.type]);
    }
    learn_peer(peer, &message);
    switch (message.type) {
    case HELLO: message.type = WELCOME, send_message(node, peer, &message); break;
    case RUMOUR: take_rumour(node, peer, &message); break;
    case FIND: answer(node, peer, &message); break;
    case VALUE:
    case NONE: take_answer(node, peer, &message); break;
    default: break;
    }
}

static void greet(struct node *node, char *ports) {
    struct message hello = {.type = HELLO};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *rest = NULL;
    for (const char *port = strtok_r(ports, " ", &rest); port; port = strtok_r(NULL, " ", &rest)) {
        address.sin_port = htons((uint16_t)atoi(port));
        peer_at(node, &address);
    }
    for (unsigned i = 0; i < node->peer_count; i++)
        if (!node->peers[i].known) send_message(node, &node->peers[i], &hello);
}

static void obey(struct node *node, char *line) {
    char *argument = strchr(line, ' ');
    argument = argument ? argument + 1 : line + strlen(line);
    if (strncmp(line, "peers ", 6) == 0) greet(node, argument);
    if (strncmp(line, "publish ", 8) == 0) publish(node, argument, NULL);
    if (strncmp(line, "find ", 5) == 0) find(node, argument);
    if (strcmp(line, "give up") == 0) node->give_up_ms = 0;
    if (strcmp(line, "again") == 0 && node->rumour_count != 0)
        publish(node, node->rumours[node->rumour_count - 1].text, &node->rumours[node->rumour_count - 1]);
    if (strncmp(line, "have ", 5) == 0 && node->key_count < KEYS_MAX)
        snprintf(node->keys[node->key_count++], sizeof node->keys[0], "%s", argument);
}

/* Does what is due; returns the time until something is due again. */
static int do_what_is_due(struct node *node) {
    int64_t now = now_ms(), next = INT64_MAX;
    for (unsigned i = 0; i < node->rumour_count; i++) {
        if (node->rumours[i].pass_on_ms == 0) continue;
        if (node->rumours[i].pass_on_ms <= now)
            pass_on(node, &node->rumours[i]);
        else if (node->rumours[i].pass_on_ms < next)
            next = node->rumours[i].pass_on_ms;
    }
    if (node->sought[0] != 0 && node->give_up_ms <= now) give_up(node);
    if (node->sought[0] != 0 && node->give_up_ms < next) next = node->give_up_ms;
    return next == INT64_MAX ? -1 : (int)(next - now);
}

static void run(struct node *node) {
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = node->fd, .events = POLLIN}};
    char line[256];
    while (poll(fds, 2, do_what_is_due(node)) >= 0) {
        if (fds[1].revents != 0) take_message(node);
        if (fds[0].revents != 0) {
            ssize_t count = read(STDIN_FILENO, line, sizeof line - 1);
            if (count <= 0) return;
            line[count] = 0;
            char *command = line; /* there may be several */
            for (char *end; (end = strchr(command, '\n')); command = end + 1) {
                *end = 0;
                obey(node, command);
            }
        }
    }
}

int main(int argc, char **argv) {
    static struct node node;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t own_bytes = sizeof own;
    if (argc < 2 || argc > 4) return 2;
    node.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (node.fd < 0 || bind(node.fd, (struct sockaddr *)&own, sizeof own) != 0) return 1;
    if (getsockname(node.fd, (struct sockaddr *)&own, &own_bytes) != 0) return 1;
    if (getrandom(node.id, sizeof node.id, 0) != sizeof node.id) return 1;
    node.delay_ms = argc > 2 ? atoi(argv[2]) : 0;
    node.answer_ms = argc > 3 ? atoi(argv[3]) : ANSWER_MS_DEFAULT;
    TRACE_ONLY({
        struct trace_log_options options = {.node_name = argv[1]};
        memcpy(options.node_id.bytes, node.id, sizeof node.id);
        if (trace_log_open(&node.log, &options) != 0) node.log = NULL; /* it runs untraced */
        TRACE_APP_ONLY(trace_log_register_app(node.log, &protocol);)
    })
    setlinebuf(stdout);
    printf("listening %u\n", ntohs(own.sin_port));
    run(&node);
    TRACE_ONLY(trace_log_close(node.log);)
    close(node.fd);
    return 0;
}
