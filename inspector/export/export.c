/* SPDX-License-Identifier: MIT */
#include "export.h"

#include "event_scan.h"
#include "export_map.h"
#include "json_get.h"
#include "json_put.h"
#include "timely_write.h"

#include <errno.h>
#include <fcntl.h>
#include <proto/event_json.h>
#include <proto/hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BUFFER ((size_t)256 << 10)
#define FILES_OPEN_MAX 48 /* open at once in a directory */

struct open_file {
    char name[256];
    struct writer writer;
    uint64_t used; /* time of last use, counted in calls */
};

struct export_internal {
    struct writer file;
    struct map nodes; /* by id */
    struct export_node *last_node;
    const char *directory;
    int directory_fd; /* -1: none */
    struct open_file *files;
    size_t file_count;
    uint64_t clock;
    char text[TRACE_EVENT_JSON_MAX]; /* of a binary event */
};

int export_out_of_memory(struct export *export) { return failure_out_of_memory(export->failure); }

/* ---- files -------------------------------------------------------------------------------------------------------------- */

static int fail_write(struct export *export, int error) { return failure_of_write(export->failure, "the export", error); }

static int close_file(struct export *export, struct open_file *file) {
    int error = -writer_flush(&file->writer);
    writer_fini(&file->writer);
    if (close(file->writer.fd) && !error) error = errno;
    return error ? fail_write(export, error) : 0;
}

/* Makes room for one more file by closing the least recently used one. */
static struct open_file *free_file(struct export *export) {
    struct export_internal *internal = export->internal;
    if (!internal->files) internal->files = calloc(FILES_OPEN_MAX, sizeof *internal->files);
    if (!internal->files) return export_out_of_memory(export), NULL;
    if (internal->file_count < FILES_OPEN_MAX) return &internal->files[internal->file_count];
    struct open_file *oldest = &internal->files[0];
    for (size_t i = 1; i < internal->file_count; i++)
        if (internal->files[i].used < oldest->used) oldest = &internal->files[i];
    int result = close_file(export, oldest);
    *oldest = internal->files[--internal->file_count];
    return result ? NULL : &internal->files[internal->file_count];
}

struct writer *export_open(struct export *export, const char *name) {
    struct export_internal *internal = export->internal;
    for (size_t i = 0; i < internal->file_count; i++) {
        if (strcmp(internal->files[i].name, name) != 0) continue;
        internal->files[i].used = ++internal->clock;
        return &internal->files[i].writer;
    }
    struct open_file *file = free_file(export);
    if (!file) return NULL;
    snprintf(file->name, sizeof file->name, "%s", name);
    int fd = openat(internal->directory_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return fail_write(export, errno), NULL;
    if (writer_init(&file->writer, fd, FILE_BUFFER)) {
        close(fd);
        return export_out_of_memory(export), NULL;
    }
    file->used = ++internal->clock;
    internal->file_count++;
    return &file->writer;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------- */

static void name_node(struct export_node *node, const char *name) {
    snprintf(node->name, sizeof node->name, "%s", name);
    *trace_json_string(node->json_name, node->name, strlen(node->name)) = 0;
}

/* Has no number before its first event. */
static struct export_node *find_node(struct export *export, const struct trace_node_id *id) {
    struct export_internal *internal = export->internal;
    struct map_key key = map_key(0, 0, id->bytes, sizeof id->bytes);
    void **at = map_at(&internal->nodes, &key);
    struct export_node *node = at ? *at : NULL;
    if (node || !at) return node;
    *at = node = calloc(1, sizeof *node);
    if (!node) return NULL;
    node->id = *id;
    put_hex(node->hex, id->bytes, sizeof id->bytes);
    char digits[9];
    snprintf(digits, sizeof digits, "%.8s", node->hex);
    name_node(node, digits);
    return node;
}

const struct export_node *export_node_of(const struct export *export, const struct trace_node_id *id) {
    struct map_key key = map_key(0, 0, id->bytes, sizeof id->bytes);
    return map_get(&export->internal->nodes, &key);
}

bool export_node_is_named(const struct export_node *node) { return strncmp(node->hex, node->name, strlen(node->name)) != 0; }

const char *export_node_name(const struct export *export, const struct trace_node_id *id) {
    const struct export_node *node = export_node_of(export, id);
    return node ? node->name : NULL;
}

static int begin_node(struct export *export, struct export_node *node) {
    struct export_node **nodes = realloc(export->nodes, (export->node_count + 1) * sizeof *nodes);
    if (!nodes) return export_out_of_memory(export);
    export->nodes = nodes;
    nodes[export->node_count++] = node;
    node->number = (uint32_t) export->node_count;
    return export->format->node ? export->format->node(export, node) : 0;
}

int export_name_nodes(struct export *export, const json_t *rows) {
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        const char *id = json_get_hex(row, "node_id", 2 * TRACE_NODE_ID_BYTES), *name = json_get_text(row, "name");
        struct trace_node_id bytes;
        if (!id || trace_hex_decode(bytes.bytes, id, sizeof bytes.bytes)) continue; /* of a rejected log */
        struct export_node *node = find_node(export, &bytes);
        if (!node) return export_out_of_memory(export);
        if (name && *name) name_node(node, name);
        node->pid = (uint32_t)json_get_count(row, "pid");
    }
    return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

/* Fills in the derived members.  Returns 0 or -1. */
static int complete(struct export *export, struct export_event *event, const struct trace_node_id *node_id) {
    struct export_node *node = export->internal->last_node;
    if (!node || memcmp(&node->id, node_id, sizeof *node_id) != 0) node = find_node(export, node_id);
    if (!node) return export_out_of_memory(export);
    export->internal->last_node = event->node = node;
    uint64_t now_ns = event->event->timestamp;
    if (!export->last_ns || now_ns < export->first_ns) export->first_ns = now_ns;
    if (now_ns > export->last_ns) export->last_ns = now_ns;
    event->kind = trace_kind_info(event->event->kind);
    event->kind_name = event->kind ? event->kind->name : TRACE_KIND_UNKNOWN_NAME;
    return node->number ? 0 : begin_node(export, node);
}

static int check_output(struct export *export, int result) {
    return !result && export->out && export->out->error ? fail_write(export, export->out->error) : result;
}

static int give_gap(struct export *export, const struct export_event *event, bool among_events) {
    struct export_gap gap = {.count = event->event->data.events_lost.count, .lost = event, .among_events = among_events};
    export->lost += gap.count;
    event->node->lost += gap.count;
    return check_output(export, export->format->gap ? export->format->gap(export, &gap) : 0);
}

static int give(struct export *export, const struct export_event *event) {
    export->events++;
    if (event->event->kind == TRACE_KIND_EVENTS_LOST) return give_gap(export, event, true);
    if (export->format->carries && !export->format->carries(event))
        export->omitted++;
    else
        export->carried++;
    return check_output(export, export->format->event(export, event));
}

static int scan(struct export *export, struct json_span text, struct scanned_event *ret_scanned) {
    struct trace_parse_error error;
    int result = event_scan(text, ret_scanned, &error);
    if (result == -ENOMEM) return export_out_of_memory(export);
    if (!result) return 0;
    return failure_set(export->failure, EXIT_FAILED, "cannot read an event: %s%s%s", error.field, *error.field ? " " : "",
                       error.reason);
}

/* Makes an event from its parsed text. */
static int complete_scanned(struct export *export, const struct scanned_event *scanned, struct json_span text,
                            struct export_event *ret_event) {
    *ret_event = (struct export_event){.event = &scanned->event,
                                       .lane = scanned->lane,
                                       .text = text,
                                       .app = scanned->app,
                                       .command = scanned->command,
                                       .fields = scanned->fields};
    return complete(export, ret_event, &scanned->node_id);
}

int export_text(struct export *export, struct json_span text) {
    struct scanned_event scanned;
    struct export_event event;
    return scan(export, text, &scanned) || complete_scanned(export, &scanned, text, &event) ? -1 : give(export, &event);
}

/* ---- pages -------------------------------------------------------------------------------------------------------------- */

/* An element of `gaps`. */
struct page_gap {
    char *text;
    struct scanned_event scanned;
    bool among_events; /* it is also one of the events */
};

static void free_gaps(struct page_gap *gaps, size_t count) {
    for (size_t i = 0; i < count; i++) free(gaps[i].text);
    free(gaps);
}

static int by_time(const void *a, const void *b) {
    const struct page_gap *first = a, *second = b;
    uint64_t x = first->scanned.event.timestamp, y = second->scanned.event.timestamp;
    return (x > y) - (x < y);
}

static bool same_gap(const struct scanned_event *a, const struct scanned_event *b) {
    return a->lane == b->lane && !memcmp(&a->node_id, &b->node_id, sizeof a->node_id) &&
           !memcmp(&a->event, &b->event, sizeof a->event); /* NOLINT: byte by byte */
}

/* Reads `gaps`, in time order.  The caller owns *ret_gaps, also after a failure. */
static int read_gaps(struct export *export, const json_t *list, struct page_gap **ret_gaps, size_t *ret_count) {
    struct page_gap *gaps = calloc(json_array_size(list) + 1, sizeof *gaps);
    size_t i;
    const json_t *element;
    *ret_gaps = gaps;
    *ret_count = json_array_size(list);
    if (!gaps) return *ret_count = 0, export_out_of_memory(export);
    json_array_foreach(list, i, element) {
        gaps[i].text = json_text_new(element, JSON_COMPACT);
        if (!gaps[i].text) return export_out_of_memory(export);
        if (scan(export, (struct json_span){gaps[i].text, strlen(gaps[i].text)}, &gaps[i].scanned)) return -1;
        if (gaps[i].scanned.event.kind != TRACE_KIND_EVENTS_LOST)
            return failure_set(export->failure, EXIT_FAILED, "an event among the gaps is not an events_lost");
    }
    if (*ret_count > 1) qsort(gaps, *ret_count, sizeof *gaps, by_time);
    return 0;
}

/* Marks the gaps that are among the events.  Only a page that has events_lost at all is read twice. */
static int mark_gaps(struct export *export, struct json_span events, struct page_gap *gaps, size_t count) {
    struct json_span element;
    size_t at = 0;
    if (!count || !memmem(events.text, events.bytes, "\"events_lost\"", strlen("\"events_lost\""))) return 0;
    while (json_scan_element(events, &at, &element)) {
        struct scanned_event scanned;
        if (scan(export, element, &scanned)) return -1;
        for (size_t i = 0; scanned.event.kind == TRACE_KIND_EVENTS_LOST && i < count; i++)
            if (same_gap(&gaps[i].scanned, &scanned)) gaps[i].among_events = true;
    }
    return 0;
}

static int give_page_gap(struct export *export, const struct page_gap *gap) {
    struct export_event event;
    if (gap->among_events) return 0;
    return complete_scanned(export, &gap->scanned, (struct json_span){gap->text, strlen(gap->text)}, &event)
               ? -1
               : give_gap(export, &event, false);
}

static int give_page(struct export *export, struct json_span events, const struct page_gap *gaps, size_t count) {
    struct json_span element;
    size_t at = 0, next = 0;
    while (json_scan_element(events, &at, &element)) {
        struct scanned_event scanned;
        struct export_event event;
        if (scan(export, element, &scanned)) return -1;
        if (export_is_full(export)) return 0;
        /* A gap has the time of the first event after it. */
        for (; next < count && gaps[next].scanned.event.timestamp <= scanned.event.timestamp; next++)
            if (give_page_gap(export, &gaps[next])) return -1;
        if (complete_scanned(export, &scanned, element, &event) || give(export, &event)) return -1;
    }
    for (; next < count; next++)
        if (give_page_gap(export, &gaps[next])) return -1;
    return 0;
}

int export_page(struct export *export, struct json_span events, const json_t *list) {
    struct page_gap *gaps;
    size_t count;
    int result = read_gaps(export, list, &gaps, &count);
    if (!result) result = mark_gaps(export, events, gaps, count);
    if (!result) result = give_page(export, events, gaps, count);
    free_gaps(gaps, count);
    return result;
}

/* ---- binary events ------------------------------------------------------------------------------------------------------ */

static void find_member(struct json_span text, const char *name, struct json_span *ret_value) {
    if (!json_scan_find(text, name, ret_value)) *ret_value = (struct json_span){NULL, 0};
}

int export_binary(struct export *export, const struct trace_node_id *node_id, uint32_t lane, const struct trace_event *binary,
                  const struct trace_app *app) {
    struct trace_event_origin origin = {.node_id = node_id, .lane = lane, .app = app};
    char *text = export->internal->text, *end = trace_event_json(text, binary, &origin);
    struct export_event event = {.event = binary, .lane = lane, .text = {text, (size_t)(end - text)}};
    if (app) {
        find_member(event.text, "app", &event.app);
        find_member(event.text, "command", &event.command);
        find_member(event.text, "fields", &event.fields);
    }
    return complete(export, &event, node_id) ? -1 : give(export, &event);
}

int export_missed(struct export *export, uint64_t count, const char *why) {
    struct export_gap gap = {.count = count, .why = why};
    export->evicted += count;
    return check_output(export, count && export->format->gap ? export->format->gap(export, &gap) : 0);
}

bool export_is_full(const struct export *export) {
    return export->settings->events_max && export->events >= export->settings->events_max;
}

/* ---- begin and end ------------------------------------------------------------------------------------------------------ */

int export_begin(struct export *export, const struct export_format *format, const struct export_settings *settings, int fd,
                 const char *directory, struct failure *failure) {
    *export = (struct export){.format = format, .settings = settings, .failure = failure};
    export->internal = calloc(1, sizeof *export->internal);
    export->state = calloc(1, format->state_bytes + 1);
    if (!export->internal || !export->state) return export_out_of_memory(export);
    struct export_internal *internal = export->internal;
    internal->directory_fd = -1;
    if (directory) {
        internal->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (internal->directory_fd < 0) return fail_write(export, errno);
    } else {
        if (writer_init(&internal->file, fd, FILE_BUFFER)) return export_out_of_memory(export);
        internal->file.terminal = settings->terminal;
        export->out = &internal->file;
    }
    return check_output(export, format->begin ? format->begin(export) : 0);
}

int export_flush(struct export *export) {
    int result = export->format->flush ? export->format->flush(export) : 0;
    if (!result && export->out && writer_flush(export->out)) result = fail_write(export, export->out->error);
    return result;
}

int export_end(struct export *export) {
    struct export_internal *internal = export->internal;
    int result = export->format->end ? export->format->end(export) : 0;
    if (!result && export->out && writer_flush(export->out)) result = fail_write(export, export->out->error);
    while (internal->file_count) {
        int failed = close_file(export, &internal->files[--internal->file_count]);
        if (!result) result = failed;
    }
    return result;
}

static void free_node(void *value) {
    struct export_node *node = value;
    free(node->own);
    free(node);
}

void export_fini(struct export *export) {
    struct export_internal *internal = export->internal;
    if (export->state && export->format->fini) export->format->fini(export);
    free(export->state);
    if (internal) {
        while (internal->file_count) {
            struct open_file *file = &internal->files[--internal->file_count];
            writer_fini(&file->writer);
            close(file->writer.fd);
        }
        free(internal->files);
        if (internal->directory_fd >= 0) close(internal->directory_fd);
        writer_fini(&internal->file);
        map_fini(&internal->nodes, free_node);
    }
    free(internal);
    free(export->nodes);
    *export = (struct export){0};
}
