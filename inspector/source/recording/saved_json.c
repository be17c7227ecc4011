/* SPDX-License-Identifier: MIT
 *
 * Each file is read twice: first for its nodes, applications and aliases, which an export has after its events. */
#include "saved_json.h"

#include "event_writer.h"
#include "json_get.h"
#include "json_pieces.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <proto/json_memory.h>
#include <proto/untrusted.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define REPORTS_MAX 16 /* of one file; the rest is only counted */

/* Events that were read, by a hash of what tells one from another. */
struct seen {
    XXH128_hash_t *slots; /* zeros: free */
    size_t count, capacity;
};

struct loading {
    struct event_writer *writer;
    struct seen seen;
    json_t *who; /* the aliases of all files; NULL: none has any */
    struct failure *failure;
    const char *path;
    uint64_t useful;  /* pieces of this file that say something */
    uint64_t reports; /* problems of this file */
    uint64_t missed;  /* events that it says it has not */
};

/* ---- problems ---- */

static void print_problem(const char *path, const char *text) {
    char shown[1024];
    trace_show_text(shown, sizeof shown, path, strlen(path));
    fprintf(stderr, "inspector: %s: %s\n", shown, text);
}

static void report(struct loading *loading, uint64_t at, const char *what) {
    char text[512];
    if (++loading->reports > REPORTS_MAX) return;
    snprintf(text, sizeof text, "at byte %" PRIu64 ": %s", at, what);
    print_problem(loading->path, text);
}

static void report_rest(const struct loading *loading) {
    char text[128];
    if (loading->reports > REPORTS_MAX) {
        snprintf(text, sizeof text, "and %" PRIu64 " more values that cannot be read", loading->reports - REPORTS_MAX);
        print_problem(loading->path, text);
    }
    if (loading->missed) {
        snprintf(text, sizeof text, "%" PRIu64 " events were missed when it was saved", loading->missed);
        print_problem(loading->path, text);
    }
}

/* ---- events that are there twice ---- */

static bool is_free(const XXH128_hash_t *slot) { return !slot->low64 && !slot->high64; }

static XXH128_hash_t *find_slot(const struct seen *seen, XXH128_hash_t hash) {
    size_t i = hash.low64 & (seen->capacity - 1);
    while (!is_free(&seen->slots[i]) && !XXH128_isEqual(seen->slots[i], hash)) i = (i + 1) & (seen->capacity - 1);
    return &seen->slots[i];
}

static int grow_seen(struct seen *seen) {
    struct seen more = {.count = seen->count, .capacity = seen->capacity ? 2 * seen->capacity : 4096};
    more.slots = calloc(more.capacity, sizeof *more.slots);
    if (!more.slots) return -1;
    for (size_t i = 0; i < seen->capacity; i++)
        if (!is_free(&seen->slots[i])) *find_slot(&more, seen->slots[i]) = seen->slots[i];
    free(seen->slots);
    *seen = more;
    return 0;
}

/* Notes an event.  Returns 1 when it was noted before, 0, or -1 without memory. */
static int note_event(struct seen *seen, const struct trace_parsed_event *parsed) {
    struct {
        struct trace_node_id node_id;
        uint64_t timestamp;
        uint32_t lane, sequence, kind, zero;
    } identity = {parsed->node_id, parsed->event.timestamp, parsed->lane, parsed->event.sequence, parsed->event.kind, 0};
    if (2 * seen->count >= seen->capacity && grow_seen(seen)) return -1;
    XXH128_hash_t hash = XXH3_128bits(&identity, sizeof identity), *slot = find_slot(seen, hash);
    if (!is_free(slot)) return 1;
    *slot = hash;
    seen->count++;
    return 0;
}

/* ---- pieces ---- */

static bool is_node(const json_t *object) { return json_object_get(object, "lane_events") && json_object_get(object, "node_id"); }
static bool is_app(const json_t *object) { return json_object_get(object, "commands") && json_object_get(object, "fields"); }
static bool is_alias(const json_t *object) { return json_object_get(object, "since") && json_object_get(object, "by"); }
static bool is_event(const json_t *object) { return json_object_get(object, "kind") && json_object_get(object, "sequence"); }

/* What the streams and files of commands have beside events. */
static bool is_note(const json_t *object) {
    static const char *const names[] = {"trigger", "end", "missed", "evicted"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_object_get(object, names[i])) return true;
    return false;
}

static int take_event(struct loading *loading, const json_t *object, uint64_t at) {
    struct trace_parsed_event parsed;
    struct trace_parse_error wrong;
    char text[256];
    if (trace_event_parse(object, &parsed, &wrong)) {
        snprintf(text, sizeof text, "an event cannot be read: %s %s", *wrong.field ? wrong.field : "it", wrong.reason);
        report(loading, at, text);
        return 0;
    }
    loading->useful++;
    int known = note_event(&loading->seen, &parsed);
    if (known < 0) return failure_out_of_memory(loading->failure);
    if (known) return 0;
    if (parsed.lane <= UINT8_MAX) {
        const char *name = json_get_text(object, "node"); /* as ndjson has it */
        if (event_writer_add_parsed(loading->writer, &parsed, loading->failure)) return -1;
        if (name) event_writer_name_last(loading->writer, name);
        return 0;
    }
    report(loading, at, "an event cannot be read: lane must be an integer from 0 to 255");
    return 0;
}

/* For the first time only rows count, for the second only the rest. */
static int take_object(struct loading *loading, bool first, const json_t *object, uint64_t at) {
    bool node = is_node(object), app = is_app(object), alias = is_alias(object);
    if (first && alias) {
        loading->useful++;
        if (!loading->who) loading->who = json_array();
        return json_array_append(loading->who, (json_t *)object) ? failure_out_of_memory(loading->failure) : 0;
    }
    if (first && (node || app)) {
        json_t *list = json_pack("[O]", object);
        int result = !list ? failure_out_of_memory(loading->failure)
                           : event_writer_learn(loading->writer, node ? list : NULL, app ? list : NULL, loading->failure);
        json_decref(list);
        loading->useful++;
        return result;
    }
    if (first || node || app || alias) return 0;
    if (is_event(object)) return take_event(loading, object, at);
    if (is_note(object)) {
        loading->missed += json_get_count(object, "missed") + json_get_count(object, "evicted");
        return 0;
    }
    report(loading, at, "this is neither an event nor a node");
    return 0;
}

/* Only rows of nodes, applications and aliases have these members; parsing everything twice would take long. */
static bool may_be_row(const char *text) {
    return strstr(text, "\"lane_events\"") || strstr(text, "\"commands\"") || strstr(text, "\"since\"");
}

static int take_text(struct loading *loading, bool first, const struct json_pieces *pieces) {
    char text[JSON_ERROR_TEXT_LENGTH + 32];
    json_error_t error;
    if (first && !may_be_row(strbuf_text(&pieces->text))) return 0;
    json_t *object = trace_json_loadb(pieces->text.text, pieces->text.bytes, JSON_REJECT_DUPLICATES, &error);
    if (object) {
        int result = take_object(loading, first, object, pieces->begin);
        json_decref(object);
        return result;
    }
    snprintf(text, sizeof text, "not JSON: %s", error.text);
    if (!first) report(loading, pieces->begin, text);
    return 0;
}

static int take_pieces(struct loading *loading, bool first, FILE *file) {
    struct json_pieces pieces;
    int result = 0;
    enum json_piece piece;
    json_pieces_init(&pieces, file);
    while (!result && (piece = json_pieces_next(&pieces)) != PIECE_END) {
        if (pieces.text.failed)
            result = failure_out_of_memory(loading->failure);
        else if (piece == PIECE_OBJECT)
            result = take_text(loading, first, &pieces);
        else if (!first)
            report(loading, pieces.begin,
                   piece == PIECE_CUT        ? "the file ends within a value"
                   : piece == PIECE_TOO_LONG ? "an object of more than 1 MiB is skipped"
                                             : "not JSON: the line is skipped");
    }
    json_pieces_fini(&pieces);
    return result;
}

static int load_file(struct loading *loading, const char *path) {
    int result;
    FILE *file = fopen(path, "re");
    if (!file) return failure_set(loading->failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    loading->path = path;
    loading->useful = loading->reports = loading->missed = 0;
    result = take_pieces(loading, true, file);
    rewind(file);
    if (!result) result = take_pieces(loading, false, file);
    bool failed = ferror(file);
    fclose(file);
    if (result) return -1;
    if (failed) return failure_set(loading->failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(EIO));
    if (!loading->useful)
        return failure_set(loading->failure, EXIT_FAILED, "%s is not a recording: it has neither events nor nodes", path);
    report_rest(loading);
    return 0;
}

/* ---- the whole ---- */

bool saved_json_is(const char *path) {
    char begin[64];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t count = fd >= 0 && !fstat(fd, &status) && S_ISREG(status.st_mode) ? read(fd, begin, sizeof begin) : -1;
    ssize_t i = 0;
    if (fd >= 0) close(fd);
    while (i < count && isspace((unsigned char)begin[i])) i++;
    return i < count && (begin[i] == '{' || begin[i] == '[');
}

int saved_json_load(const char *const *paths, size_t path_count, int *ret_fd, struct failure *failure) {
    struct loading loading = {.failure = failure};
    int result = 0, fd = memfd_create("p2ptrace-saved", MFD_CLOEXEC);
    if (fd < 0) return failure_set(failure, EXIT_FAILED, "cannot create a file in memory: %s", strerror(errno));
    if (event_writer_open_fd(&loading.writer, fd, failure)) {
        close(fd);
        return -1;
    }
    for (size_t i = 0; i < path_count && !result; i++) result = load_file(&loading, paths[i]);
    if (!result) result = event_writer_learn_who(loading.writer, loading.who, failure);
    json_decref(loading.who);
    struct failure closing;
    int failed = event_writer_close(loading.writer, NULL, result ? &closing : failure);
    free(loading.seen.slots);
    if (result || failed) {
        close(fd);
        return -1;
    }
    *ret_fd = fd;
    return 0;
}
