/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <ctype.h>
#include <proto/event_clock.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16
#define LINES_MAX 16384
#define ROUNDS_MAX 9999U /* a round has four digits */
#define STEP_MS_MAX INT64_C(100000000)

struct reader {
    struct scene *scene;
    char (*lines)[SCENE_LINE_MAX];
    size_t line_count;
    unsigned round;
};

struct words {
    char *at[WORDS_MAX];
    unsigned count;
    char text[2 * SCENE_LINE_MAX];
};

/* ---- words ---- */

/* Splits a line, "%" replaced by the round. */
static void split(struct words *words, const char *line, unsigned round) {
    size_t bytes = 0;
    *words = (struct words){0};
    for (; *line && bytes + 8 < sizeof words->text; line++) {
        if (*line == '%')
            bytes += (size_t)sprintf(words->text + bytes, "%04u", round);
        else
            words->text[bytes++] = *line;
    }
    char *rest = NULL;
    for (char *p = strtok_r(words->text, " \n", &rest); p && words->count < WORDS_MAX; p = strtok_r(NULL, " \n", &rest))
        words->at[words->count++] = p;
}

static uint64_t number(const struct words *words, unsigned i, int base, uint64_t otherwise) {
    return i < words->count ? strtoull(words->at[i], NULL, base) : otherwise;
}

/* The words from one on, joined. */
static void join(char *out, size_t room, const struct words *words, unsigned from) {
    *out = 0;
    for (unsigned i = from; i < words->count; i++) {
        if (i > from) strncat(out, " ", room - strlen(out) - 1);
        strncat(out, words->at[i], room - strlen(out) - 1);
    }
}

/* ---- events ---- */

/* The time on a machine's clock. */
static uint64_t clock_of(const struct scene *scene, unsigned machine) {
    const struct scene_machine *other = &scene->machines[machine];
    if (!machine) return scene->now_ns;
    return scene->now_ns + (uint64_t)(other->ahead_ns + (int64_t)(scene->now_ns - other->since_ns) / 1000000 * other->ppm);
}

static struct trace_event *add(struct scene *scene, unsigned node, enum trace_kind kind) {
    if (scene->count == scene->capacity) {
        scene->capacity = scene->capacity ? 2 * scene->capacity : 64;
        scene->events = realloc(scene->events, scene->capacity * sizeof *scene->events);
        if (!scene->events) abort();
    }
    struct scene_event *added = &scene->events[scene->count++];
    *added = (struct scene_event){.life = scene->nodes[node].life};
    added->event.timestamp = clock_of(scene, scene->nodes[node].machine);
    scene->now_ns++; /* so that events of different nodes are ordered */
    trace_event_set_clock_steps(&added->event, scene->step_count);
    added->event.kind = (uint16_t)kind;
    for (size_t i = 0; i + 1 < scene->count; i++) added->event.sequence += scene->events[i].life == added->life;
    return &added->event;
}

static bool set_peer(const struct scene *scene, struct trace_event *event, const struct words *words, unsigned i) {
    if (i >= words->count || !strcmp(words->at[i], "-1")) return true;
    uint64_t peer = number(words, i, 10, 0);
    if (peer >= SCENE_NODES_MAX || !scene->nodes[peer].known) return false;
    event->peer_id = scene->nodes[peer].id;
    event->flags |= TRACE_FLAG_HAS_PEER;
    return true;
}

static void set_trace(struct trace_event *event, const struct words *words, unsigned i) {
    if (i >= words->count) return;
    const char *digits = words->at[i];
    for (unsigned k = 0; k < TRACE_ID_BYTES && isxdigit((unsigned char)digits[2 * k]) && digits[2 * k + 1]; k++) {
        unsigned byte = 0;
        if (sscanf(digits + (size_t)2 * k, "%2x", &byte) != 1) return;
        event->trace_id.bytes[k] = (uint8_t)byte;
    }
    event->flags |= TRACE_FLAG_SAMPLED;
}

static void set_span(struct trace_event *event, const struct words *words, bool start) {
    static const char app_id[4] = {'D', 'E', 'M', 'O'};
    uint16_t cmd = (uint16_t)number(words, 6, 10, 1);
    if (start) {
        event->data.app_start.span_id = number(words, 3, 16, 0);
        event->data.app_start.parent_id = number(words, 4, 16, 0);
        event->data.app_start.cmd = cmd;
        memcpy(event->data.app_start.app_id, app_id, sizeof app_id);
    } else {
        event->data.app_end.span_id = number(words, 3, 16, 0);
        event->data.app_end.ok = number(words, 4, 10, 0) != 0;
        event->data.app_end.cmd = cmd;
        memcpy(event->data.app_end.app_id, app_id, sizeof app_id);
    }
}

static void set_expired(struct trace_event *event, const struct words *words) {
    event->data.app_end.span_id = number(words, 3, 16, 0);
    event->data.app_end.cmd = (uint16_t)number(words, 5, 10, 1);
    memcpy(event->data.app_end.app_id, "DEMO", 4);
    event->flags |= TRACE_FLAG_EXPIRED;
}

/* Messages sent and received have the same members. */
static void set_message(struct trace_event *event, const struct words *words) {
    const char *type = words->count > 4 ? words->at[4] : "", *more = strchr(type, ':');
    size_t room = sizeof event->data.message_sent.type;
    unsigned bytes = 100, transport = TRACE_TRANSPORT_UDP;
    if (more) (void)sscanf(more, ":%u:%u", &bytes, &transport);
    event->data.message_sent.message_id = number(words, 3, 10, 0);
    event->data.message_sent.size = bytes;
    event->data.message_sent.transport = (uint8_t)transport;
    memcpy(event->data.message_sent.type, type,
           more && (size_t)(more - type) < room ? (size_t)(more - type) : strnlen(type, room));
    if (words->at[0][1] == 'a') event->flags |= TRACE_FLAG_RETRANSMISSION;
}

static void set_link(struct trace_event *event, const struct words *words) {
    struct trace_event linked = {.timestamp = 0};
    set_trace(&linked, words, 4);
    event->data.link.span_id = number(words, 3, 16, 0);
    event->data.link.linked_span_id = number(words, 5, 16, 0);
    event->data.link.linked_trace_id_bytes = TRACE_ID_BYTES;
    memcpy(event->data.link.linked_trace_id, linked.trace_id.bytes, TRACE_ID_BYTES);
}

static void set_packet(struct trace_event *event, const struct words *words) {
    uint64_t packet_num = number(words, 3, 10, 0), bytes = number(words, 4, 10, 1200), space = number(words, 5, 10, 2);
    if (event->kind == TRACE_KIND_PACKET_LOST) {
        event->data.packet_lost.packet_num = packet_num;
        event->data.packet_lost.space = (uint8_t)space;
    } else { /* packet_sent and packet_received have the same members */
        event->data.packet_sent.packet_num = packet_num;
        event->data.packet_sent.size = (uint32_t)bytes;
        event->data.packet_sent.space = (uint8_t)space;
    }
    if (words->at[0][0] == 'p') event->flags |= TRACE_FLAG_PROBE;
    if (!strcmp(words->at[0], "sagain")) event->flags |= TRACE_FLAG_RETRANSMISSION;
}

static void set_stream_data(struct trace_event *event, const struct words *words) {
    event->data.stream_data.stream_id = number(words, 3, 10, 0);
    event->data.stream_data.offset = number(words, 4, 10, 0);
    event->data.stream_data.length = (uint32_t)number(words, 5, 10, 0);
    event->data.stream_data.fin = number(words, 6, 10, 0) != 0;
    event->data.stream_data.sent = number(words, 7, 10, 0) != 0;
}

/* Words, kinds, and the positions of peer and trace in a line (0: none). */
static const struct verb {
    const char *word;
    enum trace_kind kind;
    unsigned peer, trace;
} verbs[] = {
    {"start", TRACE_KIND_APP_START, 5, 2},
    {"end", TRACE_KIND_APP_END, 5, 2},
    {"sent", TRACE_KIND_PACKET_SENT, 2, 6},
    {"recv", TRACE_KIND_PACKET_RECEIVED, 2, 6},
    {"lost", TRACE_KIND_PACKET_LOST, 2, 6},
    {"psent", TRACE_KIND_PACKET_SENT, 2, 6},
    {"plost", TRACE_KIND_PACKET_LOST, 2, 6},
    {"sopen", TRACE_KIND_STREAM_OPENED, 2, 4},
    {"sdata", TRACE_KIND_STREAM_DATA, 2, 8},
    {"sclose", TRACE_KIND_STREAM_CLOSED, 2, 5},
    {"est", TRACE_KIND_CONN_ESTABLISHED, 2, 0},
    {"met", TRACE_KIND_METRICS, 2, 5},
    {"closed", TRACE_KIND_CONN_CLOSED, 2, 0},
    {"closes", TRACE_KIND_CONN_CLOSED, 2, 0},
    {"custom", TRACE_KIND_CUSTOM, 0, 0},
    {"missing", TRACE_KIND_EVENTS_LOST, 0, 0},
    {"sagain", TRACE_KIND_PACKET_SENT, 2, 6},
    {"msent", TRACE_KIND_MESSAGE_SENT, 2, 5},
    {"magain", TRACE_KIND_MESSAGE_SENT, 2, 5},
    {"mrecv", TRACE_KIND_MESSAGE_RECEIVED, 2, 5},
    {"link", TRACE_KIND_LINK, 0, 2},
    {"expire", TRACE_KIND_APP_END, 4, 2},
};

static bool obey_event(struct scene *scene, const struct verb *verb, const struct words *words) {
    uint64_t node = number(words, 1, 10, SCENE_NODES_MAX);
    if (words->count < 3 || node >= SCENE_NODES_MAX || !scene->nodes[node].traced) return false;
    struct trace_event *event = add(scene, (unsigned)node, verb->kind);
    if (verb->trace) set_trace(event, words, verb->trace);
    /* In a start the parent precedes the peer, in an end the outcome does. */
    if (verb->peer && !set_peer(scene, event, words, verb->peer)) return false;
    switch (verb->kind) {
    case TRACE_KIND_MESSAGE_SENT:
    case TRACE_KIND_MESSAGE_RECEIVED: set_message(event, words); break;
    case TRACE_KIND_LINK: set_link(event, words); break;
    case TRACE_KIND_APP_START:
    case TRACE_KIND_APP_END:
        if (verb->word[0] == 'e' && verb->word[1] == 'x') {
            set_expired(event, words);
            break;
        }
        set_span(event, words, verb->kind == TRACE_KIND_APP_START);
        break;
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED:
    case TRACE_KIND_PACKET_LOST: set_packet(event, words); break;
    case TRACE_KIND_STREAM_OPENED: event->data.stream_opened.stream_id = number(words, 3, 10, 0); break;
    case TRACE_KIND_STREAM_DATA: set_stream_data(event, words); break;
    case TRACE_KIND_STREAM_CLOSED:
        event->data.stream_closed.stream_id = number(words, 3, 10, 0);
        event->data.stream_closed.code = number(words, 4, 10, 0);
        break;
    case TRACE_KIND_CONN_ESTABLISHED: event->data.conn_established.rtt = number(words, 3, 10, 0); break;
    case TRACE_KIND_METRICS:
        event->data.metrics.rtt = event->data.metrics.min_rtt = number(words, 3, 10, 0);
        event->data.metrics.cwnd = 14720;
        event->data.metrics.in_flight = number(words, 4, 10, 0);
        break;
    case TRACE_KIND_CONN_CLOSED: {
        char reason[SCENE_LINE_MAX];
        join(reason, sizeof reason, words, 4);
        event->data.conn_closed.code = number(words, 3, 10, 0);
        event->data.conn_closed.by_remote = verb->word[5] == 'd';
        memcpy(event->data.conn_closed.reason, reason, strnlen(reason, sizeof event->data.conn_closed.reason));
        break;
    }
    case TRACE_KIND_CUSTOM: event->data.custom.code = (uint32_t)number(words, 2, 10, 0); break;
    case TRACE_KIND_EVENTS_LOST: event->data.events_lost.count = number(words, 2, 10, 0); break;
    default: return false;
    }
    return true;
}

/* ---- nodes ---- */

static bool obey_node(struct scene *scene, const struct words *words, bool traced) {
    uint64_t index = number(words, 1, 10, SCENE_NODES_MAX);
    if (words->count < 4 || index >= SCENE_NODES_MAX) return false;
    struct scene_node *node = &scene->nodes[index];
    node->known = true;
    node->traced |= traced;
    node->id.bytes[0] = (uint8_t)number(words, 2, 16, 0);
    node->id.bytes[31] = 1;
    join(node->name, sizeof node->name, words, 3);
    if (!traced) return true;
    scene->lives = realloc(scene->lives, (scene->life_count + 1) * sizeof *scene->lives);
    if (!scene->lives) abort();
    node->life = scene->life_count;
    scene->lives[scene->life_count++] = (struct scene_life){.node = (unsigned)index, .start_ns = scene->now_ns};
    return true;
}

static bool obey_end(struct scene *scene, const struct words *words, enum scene_end end) {
    uint64_t index = number(words, 1, 10, SCENE_NODES_MAX);
    if (index >= SCENE_NODES_MAX || !scene->nodes[index].traced) return false;
    struct scene_life *life = &scene->lives[scene->nodes[index].life];
    life->end = end;
    if (end == SCENE_CRASHED && words->count < 3) return true; /* nobody was watching */
    life->after_ns = scene->now_ns - 1000000 * number(words, 2, 10, 0);
    life->by_ns = scene->now_ns;
    return true;
}

/* ---- clocks ---- */

static bool obey_step(struct scene *scene, const struct words *words, bool slept) {
    int64_t ms = words->count == 2 ? strtoll(words->at[1], NULL, 10) : 0;
    if (!ms || ms > STEP_MS_MAX || ms < -STEP_MS_MAX || (slept && ms < 0) || scene->step_count == SCENE_STEPS_MAX) return false;
    uint64_t after_ns = scene->now_ns + (uint64_t)(ms * 1000000);
    scene->steps[scene->step_count++] = (struct scene_step){scene->now_ns, after_ns, slept};
    scene->now_ns = after_ns;
    return true;
}

static bool obey_machine(struct scene *scene, const struct words *words) {
    if (words->count < 5 || scene->machine_count + 1 >= SCENE_MACHINES_MAX) return false;
    unsigned place = ++scene->machine_count;
    struct scene_machine *machine = &scene->machines[place];
    int64_t ahead_us = strtoll(words->at[2], NULL, 10), ppm = strtoll(words->at[3], NULL, 10);
    if (llabs(ahead_us) > 1000 * STEP_MS_MAX || llabs(ppm) > 1000) return false;
    *machine = (struct scene_machine){.ahead_ns = 1000 * ahead_us, .ppm = ppm, .since_ns = scene->now_ns};
    memcpy(machine->name, words->at[1], strnlen(words->at[1], sizeof machine->name - 1));
    for (unsigned i = 4; i < words->count; i++) {
        uint64_t node = number(words, i, 10, SCENE_NODES_MAX);
        if (node >= SCENE_NODES_MAX || !scene->nodes[node].known) return false;
        scene->nodes[node].machine = place;
    }
    return true;
}

/* ---- lines ---- */

static bool obey(struct scene *scene, const char *line, unsigned round) {
    struct words words;
    split(&words, line, round);
    if (!words.count || words.at[0][0] == '#') return true;
    const char *word = words.at[0];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(word, verbs[i].word)) return obey_event(scene, &verbs[i], &words);
    if (!strcmp(word, "node") || !strcmp(word, "peer")) return obey_node(scene, &words, word[0] == 'n');
    if (!strcmp(word, "close")) return obey_end(scene, &words, SCENE_CLOSED);
    if (!strcmp(word, "crash")) return obey_end(scene, &words, SCENE_CRASHED);
    if (!strcmp(word, "killed") && words.count == 3) return obey_end(scene, &words, SCENE_CRASHED);
    if (!strcmp(word, "step") || !strcmp(word, "sleep")) return obey_step(scene, &words, word[1] == 'l');
    if (!strcmp(word, "machine")) return obey_machine(scene, &words);
    if (!strcmp(word, "show") && scene->show_count < SCENE_SHOWS_MAX) {
        join(scene->shows[scene->show_count++], SCENE_LINE_MAX, &words, 1);
        return true;
    }
    if (strcmp(word, "ms") != 0 && strcmp(word, "us") != 0) return false;
    scene->now_ns += number(&words, 1, 10, 0) * (word[0] == 'm' ? 1000000 : 1000);
    return words.count == 2;
}

static size_t find_done(const struct reader *reader, size_t begin) {
    size_t i = begin;
    while (i < reader->line_count && strncmp(reader->lines[i], "done", 4) != 0) i++;
    return i;
}

static int obey_all(struct reader *reader, const char *path) {
    for (size_t i = 0; i < reader->line_count; i++) {
        bool times = !strncmp(reader->lines[i], "times ", 6);
        size_t begin = times ? i + 1 : i, end = times ? find_done(reader, i) : i + 1;
        unsigned long rounds = times ? strtoul(reader->lines[i] + 6, NULL, 10) : 1;
        if (rounds > ROUNDS_MAX) {
            fprintf(stderr, "%s:%zu: at most %u times\n", path, i + 1, ROUNDS_MAX);
            return -1;
        }
        for (unsigned round = 0; round < rounds; round++) {
            for (size_t k = begin; k < end; k++) {
                if (obey(reader->scene, reader->lines[k], round)) continue;
                fprintf(stderr, "%s:%zu: not understood: %s", path, k + 1, reader->lines[k]);
                return -1;
            }
        }
        if (times) i = end;
    }
    return 0;
}

/* In the order of traced's answers: time, then node, then sequence. */
static int compare_events(const void *left, const void *right) {
    const struct scene_event *a = left, *b = right;
    if (a->event.timestamp != b->event.timestamp) return a->event.timestamp < b->event.timestamp ? -1 : 1;
    if (a->life != b->life) return a->life < b->life ? -1 : 1;
    return a->event.sequence < b->event.sequence ? -1 : 1;
}

int scene_read(struct scene *scene, const char *path, uint64_t start_ns) {
    struct reader reader = {.scene = scene, .lines = calloc(LINES_MAX, sizeof *reader.lines)};
    FILE *file = fopen(path, "r");
    int result = -1;
    *scene = (struct scene){.now_ns = start_ns};
    if (!file || !reader.lines) {
        fprintf(stderr, "%s cannot be read\n", path);
        goto out;
    }
    while (reader.line_count < LINES_MAX && fgets(reader.lines[reader.line_count], SCENE_LINE_MAX, file)) reader.line_count++;
    if (reader.line_count == LINES_MAX) {
        fprintf(stderr, "%s has %d lines or more, which is too long\n", path, LINES_MAX);
        goto out;
    }
    result = obey_all(&reader, path);
    if (scene->count) qsort(scene->events, scene->count, sizeof *scene->events, compare_events);
out:
    if (file) fclose(file);
    free(reader.lines);
    return result;
}

void scene_fini(struct scene *scene) {
    free(scene->lives);
    free(scene->events);
    *scene = (struct scene){0};
}
