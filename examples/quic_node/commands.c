/* SPDX-License-Identifier: MIT
 *
 * Commands on stdin: see commands.h. */
#include "commands.h"

#include "util.h"
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void carry_out_lines(struct commands *commands);

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

/* ---- requests ---------------------------------------------------------------------------------------------------------- */

static void on_done(void *arg, const struct datamap_result *result) {
    struct commands *commands = arg;
    char hash[2 * HASH_BYTES + 1], trace[2 * TRACE_ID_BYTES + 1] = "-";

    hex_text(hash, result->hash, HASH_BYTES);
    TRACE_ONLY(hex_text(trace, result->trace_id.bytes, TRACE_ID_BYTES);)
    if (result->status == DMAP_NOT_FOUND)
        say("not-found %s %s", hash, trace);
    else if (result->status != DMAP_OK)
        say("error refused");
    else if (result->command == DMAP_STORE_CHUNK)
        say("stored %s %u %s", hash, result->hops, trace);
    else if (result->command == DMAP_GET_CHUNK)
        say("ok %s %zu %u %s", hash, result->count, result->hops, trace);
    else
        say("deleted %s %u %s", hash, result->hops, trace);
    commands->busy = false;
    carry_out_lines(commands);
}

static void store(struct commands *commands, const void *bytes, size_t count, unsigned hops) {
    struct dmap_request request = {.command = DMAP_STORE_CHUNK, .ttl = (uint8_t)hops, .bytes = bytes, .count = count};
    identity_hash(request.hash, bytes, count);
    datamap_request(commands->datamap, &request, on_done, commands);
}

static void store_random(struct commands *commands, size_t count, unsigned hops) {
    uint8_t *bytes = malloc(count + 1);
    if (!bytes || gnutls_rnd(GNUTLS_RND_NONCE, bytes, count) != 0) {
        say("error no memory");
        commands->busy = false;
    } else {
        store(commands, bytes, count, hops);
    }
    free(bytes);
}

/* A number from 0 to max, and then the end of the text or a space.  Returns false for anything else. */
static bool number(const char **text, unsigned long max, unsigned long *ret_value) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    *ret_value = strtoul(*text, &end, 10);
    if (errno != 0 || *ret_value > max || (*end != 0 && *end != ' ')) return false;
    *text = *end == ' ' ? end + 1 : end;
    return true;
}

/* ---- commands: each returns NULL, or what is wrong ---------------------------------------------------------------------- */

static const char *do_store(struct commands *commands, const char *text) {
    store(commands, text, strlen(text), 0);
    return NULL;
}

static const char *do_store_random(struct commands *commands, const char *text) {
    unsigned long count;
    if (!number(&text, CHUNK_BYTES_MAX, &count) || *text != 0) return "store-random BYTES, at most 1048576";
    store_random(commands, count, 0);
    return NULL;
}

static const char *do_put(struct commands *commands, const char *text) {
    unsigned long hops, count;
    if (!number(&text, HOPS_MAX, &hops) || !number(&text, CHUNK_BYTES_MAX, &count) || *text != 0)
        return "put HOPS BYTES, at most 16 and 1048576";
    store_random(commands, count, (unsigned)hops);
    return NULL;
}

static const char *find(struct commands *commands, const char *text, enum dmap_command command) {
    struct dmap_request request = {.command = (uint8_t)command, .ttl = HOPS_MAX};
    if (hex_bytes(request.hash, HASH_BYTES, text) != 0) return "a HASH is 64 hex digits";
    datamap_request(commands->datamap, &request, on_done, commands);
    return NULL;
}

static const char *do_get(struct commands *commands, const char *text) { return find(commands, text, DMAP_GET_CHUNK); }
static const char *do_delete(struct commands *commands, const char *text) { return find(commands, text, DMAP_DELETE_CHUNK); }

static unsigned count_peers(struct commands *commands) {
    unsigned count = 0;
    for (struct quic_conn *conn = NULL; (conn = quic_endpoint_next_peer(commands->endpoint, conn)) != NULL;) count++;
    return count;
}

static const char *do_peers(struct commands *commands, const char *text) {
    char id[2 * TRACE_NODE_ID_BYTES + 1], address[QUIC_ADDRESS_TEXT_BYTES];
    if (*text != 0) return "peers takes no argument";
    printf("peers %u", count_peers(commands));
    for (struct quic_conn *conn = NULL; (conn = quic_endpoint_next_peer(commands->endpoint, conn)) != NULL;)
        printf(" %s@%s", hex_text(id, quic_conn_peer(conn)->bytes, TRACE_NODE_ID_BYTES),
               quic_address_text(address, quic_conn_address(conn)));
    say("%s", "");
    commands->busy = false;
    return NULL;
}

static void on_peers(void *arg) {
    struct commands *commands = arg;
    unsigned count = count_peers(commands);
    if (commands->awaited == 0 || count < commands->awaited) return;
    commands->awaited = 0;
    commands->busy = false;
    say("peers %u", count);
    carry_out_lines(commands);
}

static const char *do_wait_peers(struct commands *commands, const char *text) {
    unsigned long count;
    if (!number(&text, CONNS_MAX, &count) || *text != 0 || count == 0) return "wait-peers N, 1 to 64";
    commands->awaited = (unsigned)count;
    on_peers(commands);
    return NULL;
}

static const char *do_quit(struct commands *commands, const char *text) {
    (void)text;
    say("bye");
    commands->quit(commands->arg);
    return NULL; /* and stays busy: no command follows it */
}

static void carry_out(struct commands *commands, const char *line) {
    static const struct {
        const char *name;
        const char *(*run)(struct commands *commands, const char *rest);
    } table[] = {
        {"store", do_store}, {"store-random", do_store_random}, {"put", do_put},   {"get", do_get}, {"delete", do_delete},
        {"peers", do_peers}, {"wait-peers", do_wait_peers},     {"quit", do_quit},
    };
    size_t name_bytes = strcspn(line, " ");
    const char *rest = line[name_bytes] == 0 ? line + name_bytes : line + name_bytes + 1;
    const char *wrong = "no such command";

    if (*line == 0) return;
    commands->busy = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strlen(table[i].name) == name_bytes && memcmp(table[i].name, line, name_bytes) == 0)
            wrong = table[i].run(commands, rest);
    if (!wrong) return;
    commands->busy = false;
    say("error %s", wrong);
}

/* ---- lines ------------------------------------------------------------------------------------------------------------- */

/* Runs the commands that have been read, until one has to wait for its answer. */
static void carry_out_lines(struct commands *commands) {
    static bool inside; /* an immediate answer called us recursively: the outer loop continues */
    if (inside) return;
    inside = true;
    while (!commands->busy) {
        char line[COMMAND_BYTES_MAX];
        char *end = memchr(commands->lines, '\n', commands->count);
        size_t count;
        bool skip = commands->overlong;

        if (!end) break;
        count = (size_t)(end - commands->lines);
        memcpy(line, commands->lines, count);
        line[count] = 0;
        commands->count -= count + 1;
        memmove(commands->lines, end + 1, commands->count);
        commands->overlong = false;
        if (!skip) carry_out(commands, line);
    }
    inside = false;
    if (!commands->busy && commands->at_end) {
        commands->at_end = false;
        commands->ended(commands->arg);
    }
}

static size_t room(struct commands *commands) {
    size_t left = sizeof commands->lines - commands->count;
    if (left == 0 && !memchr(commands->lines, '\n', commands->count)) {
        if (!commands->overlong) say("error line too long");
        commands->overlong = true;
        commands->count = 0;
        left = sizeof commands->lines;
    }
    return left;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct commands *commands = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(commands->lines + commands->count, (unsigned)room(commands));
}

static void input_ended(struct commands *commands) {
    commands_stop(commands);
    commands->at_end = true;
    carry_out_lines(commands);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct commands *commands = stream->data;
    (void)buffer;
    if (count == UV_ENOBUFS) return; /* full of waiting commands: libuv calls again */
    if (count < 0) {
        input_ended(commands);
        return;
    }
    commands->count += (size_t)count;
    carry_out_lines(commands);
}

/* libuv cannot wait for a file: read it at once. */
static int read_file(struct commands *commands) {
    for (;;) {
        size_t left = room(commands);
        ssize_t count = left == 0 ? 0 : read(STDIN_FILENO, commands->lines + commands->count, left);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        if (count == 0) break;
        commands->count += (size_t)count;
    }
    input_ended(commands);
    return 0;
}

int commands_start(struct commands *commands, uv_loop_t *loop) {
    int rv;

    datamap_on_peers(commands->datamap, on_peers, commands);
    switch (uv_guess_handle(STDIN_FILENO)) {
    case UV_TTY: rv = uv_tty_init(loop, &commands->input.tty, STDIN_FILENO, 1); break;
    case UV_NAMED_PIPE:
        rv = uv_pipe_init(loop, &commands->input.pipe, 0);
        if (rv == 0) rv = uv_pipe_open(&commands->input.pipe, STDIN_FILENO);
        break;
    case UV_FILE: return read_file(commands);
    default: input_ended(commands); return 0; /* closed: there are no commands */
    }
    if (rv != 0) return rv;
    commands->input_open = true;
    commands->input.handle.data = commands;
    return uv_read_start(&commands->input.stream, on_room, on_read);
}

void commands_stop(struct commands *commands) {
    if (commands->input_open) uv_close(&commands->input.handle, NULL);
    commands->input_open = false;
}
