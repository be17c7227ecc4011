/* SPDX-License-Identifier: MIT
 *
 * A scene: a small text that describes what happened in a network, as events with invented times.  Each line is one of:
 *
 *     # a comment
 *     show COMMAND...                          what a test runs on it; see tests/inspector/test_scenes.c
 *     node N BYTE NAME                         a traced node; its id begins with that byte.  Repeated: it was restarted
 *     peer N BYTE NAME                         a node that is not traced, but mentioned by others
 *     ms COUNT, us COUNT                       time passes
 *     start N TRACE SPAN PARENT [PEER [CMD]]   app_start; TRACE in hexadecimal, padded with zeros; SPAN and PARENT hexadecimal
 *     end N TRACE SPAN OK [PEER [CMD]]         app_end
 *     sent|recv|lost N PEER NUMBER [BYTES [SPACE [TRACE]]]
 *     psent|plost N PEER NUMBER [BYTES [SPACE [TRACE]]]   the same for a probe of the MTU
 *     sagain N PEER NUMBER [BYTES [SPACE [TRACE]]]   a packet is sent again under its number, as those of some transports are
 *     msent|mrecv|magain N PEER ID TYPE[:BYTES[:TRANSPORT]] [TRACE]   message_sent, message_received; of 100 bytes, over UDP,
 *                                              if not given; magain: sent again
 *     link N TRACE SPAN TRACE SPAN             a link, from a span to another
 *     expire N TRACE SPAN [PEER [CMD]]         app_end of a span that timed out
 *     sopen N PEER STREAM [TRACE]
 *     sdata N PEER STREAM OFFSET BYTES FIN SENT [TRACE]
 *     sclose N PEER STREAM CODE [TRACE]
 *     met N PEER RTT_NS [IN_FLIGHT [TRACE]]    metrics; the congestion window has 14720 bytes
 *     est N PEER RTT_NS, custom N CODE
 *     closed|closes N PEER CODE REASON...      conn_closed: by the peer, or by the node itself
 *     missing N COUNT                          traced could not read that many events of the node
 *     close N, crash N                         the node ends, and closes its log or does not
 *     killed N MS                              the same as crash, and traced notices that now; it last saw the node live MS ago
 *     step MS                                  the system time is set, forward, or back if MS is below 0
 *     sleep MS                                 the machine is suspended
 *     machine NAME AHEAD_US PPM N...           these nodes run on another machine: its clock is that far ahead of the
 *                                              first one's, and gains that much; the first one is called "here"
 *     times COUNT ... done                     repeats the lines; "%" in them is the round: 0000, 0001, ...
 *
 * Each event takes a nanosecond.  PEER is the number of a node or peer, -1 for none.  The first event has the time given
 * to scene_read. */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SCENE_NODES_MAX 64
#define SCENE_SHOWS_MAX 16
#define SCENE_LINE_MAX 256
#define SCENE_STEPS_MAX 16
#define SCENE_MACHINES_MAX 8

enum scene_end { SCENE_LIVES, SCENE_CLOSED, SCENE_CRASHED };

/* One life of a node, from opening its log to its end. */
struct scene_life {
    unsigned node;
    enum scene_end end;
    uint64_t start_ns;
    uint64_t after_ns, by_ns; /* when it ended; 0: not known */
};

struct scene_node {
    bool known, traced;
    struct trace_node_id id;
    char name[64];
    unsigned life;    /* the newest, an index into lives */
    unsigned machine; /* 0: the first one */
};

struct scene_step {
    uint64_t before_ns, after_ns;
    bool slept;
};

struct scene_machine {
    char name[64];
    int64_t ahead_ns, ppm;
    uint64_t since_ns; /* when ppm counts from */
};

struct scene_event {
    unsigned life;
    struct trace_event event; /* timestamp: Unix ns; sequence: its place in the life */
};

struct scene {
    struct scene_node nodes[SCENE_NODES_MAX];
    struct scene_life *lives;
    unsigned life_count;
    struct scene_event *events; /* in the order of traced's answers: time, life, sequence */
    size_t count, capacity;
    char shows[SCENE_SHOWS_MAX][SCENE_LINE_MAX];
    unsigned show_count;
    struct scene_step steps[SCENE_STEPS_MAX]; /* of the first machine's clock; each event has the number of steps before it */
    unsigned step_count;
    struct scene_machine machines[SCENE_MACHINES_MAX];
    unsigned machine_count;
    uint64_t now_ns; /* after the last line */
};

/* Reads a scene.  On an error it prints the wrong line to stderr and returns -1.  scene_fini frees it in any case. */
int scene_read(struct scene *scene, const char *path, uint64_t start_ns);
void scene_fini(struct scene *scene);

#endif
