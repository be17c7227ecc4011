/* SPDX-License-Identifier: MIT
 *
 * Commands on stdin, one per line, and the answers on stdout, one per line, in the order of the commands: the next
 * command is read when the last one is answered.
 *
 *     store TEXT            stored HASH HOPS TRACE        keeps the text here
 *     store-random BYTES    stored HASH HOPS TRACE        that many random bytes
 *     put HOPS BYTES        stored HASH HOPS TRACE        random bytes, kept that many hops away
 *     get HASH              ok HASH SIZE HOPS TRACE       or: not-found HASH TRACE
 *     delete HASH           deleted HASH HOPS TRACE       or: not-found HASH TRACE
 *     peers                 peers COUNT ID@ADDRESS ...
 *     wait-peers N          peers COUNT                   once there are that many
 *     quit                  bye
 *
 * TRACE is the request's trace id, or - with tracing off.  A wrong command is answered with: error REASON. */
#ifndef QUIC_NODE_COMMANDS_H
#define QUIC_NODE_COMMANDS_H

#include "datamap.h"
#include "limits.h"

struct commands {
    struct datamap *datamap;
    struct quic_endpoint *endpoint;
    void (*quit)(void *arg);  /* the user entered quit */
    void (*ended)(void *arg); /* stdin has ended, and all commands are answered */
    void *arg;

    /* the rest is private to this module */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } input;
    bool input_open, at_end, overlong;
    bool busy;        /* a command is not answered yet */
    unsigned awaited; /* wait-peers; 0: not waiting */
    size_t count;
    char lines[COMMAND_BYTES_MAX]; /* read, not yet run */
};

/* Begins to read stdin.  The caller has set the members above the line and zeroed the rest.  Returns 0 or a negative errno. */
int commands_start(struct commands *commands, uv_loop_t *loop);

/* Stops reading. */
void commands_stop(struct commands *commands);

#endif
