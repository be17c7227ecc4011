/* SPDX-License-Identifier: MIT
 *
 * play_scene FILE [NOW_NS]: plays a scene (scene.h) through real rings, one process per life of a node, with the scene's times
 * and without sleeping.  When all is written it prints "ok" and how many events, logs, and live nodes there are; those stay
 * alive until its stdin ends.
 *
 * Run it with P2PTRACE_CLOCK=monotonic: then a ring's time comes from clock_gettime, which we replace here.  The scene ends
 * when this program began, so traced finds nothing in the future. */
#define TRACE_FULL
#include "scene.h"

#include <p2ptrace/trace.h>

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The CLOCK_MONOTONIC to show; 0: the true one. */
static uint64_t made_up_ns;

/* Replaces that of the C library; the emit path calls it for every event. */
int clock_gettime(clockid_t clock, struct timespec *ret_time) {
    if (clock != CLOCK_MONOTONIC || !made_up_ns) return (int)syscall(SYS_clock_gettime, clock, ret_time);
    *ret_time = (struct timespec){.tv_sec = (time_t)(made_up_ns / 1000000000), .tv_nsec = (long)(made_up_ns % 1000000000)};
    return 0;
}

static void emit(struct trace_log *log, const struct trace_event *event) {
    struct trace_context context = {.trace_id = event->trace_id, .flags = event->flags & (uint8_t)~TRACE_FLAG_HAS_PEER};
    const struct trace_node_id *peer = event->flags & TRACE_FLAG_HAS_PEER ? &event->peer_id : NULL;
    made_up_ns = event->timestamp;
    struct trace__slot slot = trace__begin(log, trace__control(log), &context, peer, event->kind);
    if (!slot.event) exit(4);
    slot.event->data = event->data;
    trace__commit(slot);
}

/* One life, in its own process.  Reports when it has written everything, and stays alive until `live` ends. */
static void live(const struct scene *scene, unsigned life, int written, int until) {
    const struct scene_node *node = &scene->nodes[scene->lives[life].node];
    struct trace_log_options options = {.node_id = node->id, .node_name = node->name};
    struct trace_log *log = NULL;
    char byte;
    made_up_ns = scene->lives[life].start_ns;
    if (trace_log_open(&log, &options)) exit(3);
    for (size_t i = 0; i < scene->count; i++)
        if (scene->events[i].life == life && scene->events[i].event.kind != TRACE_KIND_EVENTS_LOST)
            emit(log, &scene->events[i].event);
    made_up_ns = scene->lives[life].by_ns;
    if (scene->lives[life].end == SCENE_CLOSED) trace_log_close(log);
    made_up_ns = 0;
    if (write(written, "", 1) != 1 || scene->lives[life].end != SCENE_LIVES) _exit(0); /* a crash: nobody closes the log */
    while (read(until, &byte, 1) > 0) {}
    trace_log_close(log);
    _exit(0);
}

int main(int argc, char **argv) {
    struct timespec now;
    struct scene scene;
    int written[2], until[2], failed = 0;
    unsigned alive = 0;
    char byte;
    if (argc != 2 || scene_read(&scene, argv[1], 1) || pipe(written) || pipe(until)) return 2;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t shift = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - scene.now_ns;
    for (size_t i = 0; i < scene.count; i++) scene.events[i].event.timestamp += shift;
    for (unsigned i = 0; i < scene.life_count; i++) {
        scene.lives[i].start_ns += shift;
        scene.lives[i].by_ns += shift;
        alive += scene.lives[i].end == SCENE_LIVES;
        pid_t pid = fork();
        if (pid < 0) return 3;
        if (pid == 0) {
            close(until[1]);
            close(written[0]);
            live(&scene, i, written[1], until[0]);
        }
        if (read(written[0], &byte, 1) != 1) return 4; /* one after the other, so that the logs have the scene's order */
    }
    printf("ok %zu %u %u\n", scene.count, scene.life_count, alive);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    close(until[1]);
    for (unsigned i = 0; i < scene.life_count; i++) {
        int status;
        failed |= wait(&status) < 0 || status != 0;
    }
    scene_fini(&scene);
    return failed;
}
