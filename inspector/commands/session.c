/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "json_get.h"
#include "limits.h"
#include "times.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <proto/socket_path.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Colours are for terminals that have them and people who want them (no-color.org). */
static bool wants_color(const struct options *options, bool terminal) {
    const char *when = options->texts[OPTION_COLOR], *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (when && strcmp(when, "auto") != 0) return !strcmp(when, "always");
    return terminal && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

/* What the environment says of the terminal's characters (setlocale(3)): a locale need not be installed for that. */
static bool speaks_utf8(void) {
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *locale = getenv(variables[i]), *codeset = locale ? strchr(locale, '.') : NULL;
        if (!locale || !*locale) continue;
        return codeset && (!strncasecmp(codeset, ".utf-8", 6) || !strncasecmp(codeset, ".utf8", 5));
    }
    return false;
}

int session_out_of_memory(struct session *session) { return failure_set(&session->failure, EXIT_FAILED, "out of memory"); }

int session_init(struct session *session, const struct options *options) {
    char reason[TRACE_SOCKET_REASON_BYTES];
    struct trace_socket_path path;
    *session = (struct session){.options = options, .fd = STDOUT_FILENO, .terminal = isatty(STDOUT_FILENO)};
    if (trace_socket_path(&path, options->texts[OPTION_SOCKET], reason))
        return failure_set(&session->failure, EXIT_USAGE, "%s", reason);
    snprintf(session->path, sizeof session->path, "%s", path.path);
    if (names_init(&session->names)) return session_out_of_memory(session);
    session->view = (struct view){.names = &session->names,
                                  .color = wants_color(options, session->terminal),
                                  .utc = option_given(options, OPTION_UTC),
                                  .header = !option_given(options, OPTION_NO_HEADER),
                                  .all = option_given(options, OPTION_ALL),
                                  .utf8 = speaks_utf8()};
    return 0;
}

void session_fini(struct session *session) {
    client_close(session->client);
    names_fini(&session->names);
    strbuf_fini(&session->text);
}

int session_connect(struct session *session) {
    return client_open(&session->client, session->path, option_number(session->options, OPTION_WAIT, 0), &session->failure);
}

int session_call(struct session *session, const char *method, json_t *params_new, json_t **ret_result) {
    return client_call(session->client, method, params_new, ret_result, &session->failure);
}

int session_learn_names(struct session *session) {
    json_t *nodes;
    if (session_call(session, "nodes", NULL, &nodes)) return -1;
    names_learn(&session->names, nodes);
    json_decref(nodes);
    return 0;
}

int session_json(struct session *session, const json_t *value) {
    /* ASCII only: what a node wrote must not reach a terminal as a control character here either. */
    char *line = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(16));
    if (!line) return session_out_of_memory(session);
    strbuf_puts(&session->text, line);
    strbuf_puts(&session->text, "\n");
    free(line);
    return 0;
}

int session_json_lines(struct session *session, const json_t *array) {
    size_t i;
    const json_t *element;
    json_array_foreach(array, i, element) {
        if (session_json(session, element)) return -1;
    }
    return 0;
}

void session_note(const char *text) {
    struct strbuf line = {0};
    text_untrusted(&line, text, strlen(text), NOTE_COLUMNS_MAX);
    fprintf(stderr, "inspector: %s\n", strbuf_text(&line));
    strbuf_fini(&line);
}

/* The index's name is a word of letters, or it goes nowhere near a terminal. */
void session_see_explanation(struct session *session, const json_t *answer) {
    const json_t *explain = json_object_get(answer, "explain");
    const char *index = json_get_text(explain, "index");
    if (!index || strlen(index) >= sizeof session->explain.index || index[strspn(index, "abcdefghijklmnopqrstuvwxyz")]) return;
    strcpy(session->explain.index, index);
    session->explain.examined += json_get_count(explain, "examined");
}

void session_explain(const struct session *session) {
    if (!*session->explain.index) return;
    fprintf(stderr, "inspector: index %s; events looked at: %" PRIu64 "\n", session->explain.index, session->explain.examined);
}

void session_tell_evicted(const struct session *session) {
    uint64_t count = session->evicted;
    if (!count) return;
    fprintf(stderr, "inspector: %" PRIu64 " event%s left the history before %s could be fetched\n", count, count == 1 ? "" : "s",
            count == 1 ? "it" : "they");
}

int session_json_evicted(struct session *session) {
    if (!session->evicted) return 0;
    json_t *line = json_pack("{s:I}", "evicted", (json_int_t)session->evicted);
    int result = line ? session_json(session, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

/* ---- output ---- */

/* What to hand to the system at once.  A pipe takes PIPE_BUF bytes whole or not at all: whole lines then, so that a program that is
 * interrupted, or writes to the same pipe as another one, leaves no half of one.  A line that is longer has no such luck. */
static size_t piece(const char *text, size_t bytes, bool pipe) {
    size_t end = bytes < PIPE_BUF ? bytes : PIPE_BUF;
    if (!pipe || end == bytes) return bytes;
    while (end && text[end - 1] != '\n') end--; /* memrchr, but for a compiler that takes text for NULL with sanitizers */
    if (end) return end;
    const char *newline = memchr(text, '\n', bytes);
    return newline ? (size_t)(newline - text) + 1 : bytes;
}

static int write_all(struct session *session, const char *text, size_t bytes) {
    struct stat status;
    bool pipe = !fstat(session->fd, &status) && S_ISFIFO(status.st_mode);
    while (bytes) {
        ssize_t written = write(session->fd, text, piece(text, bytes, pipe));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EPIPE) return failure_set(&session->failure, EXIT_OK, "%s", "");
        if (written < 0) return failure_set(&session->failure, EXIT_FAILED, "cannot write: %s", strerror(errno));
        text += written;
        bytes -= (size_t)written;
    }
    return 0;
}

unsigned session_columns(const struct session *session) {
    struct winsize size = {0};
    bool cut = session->terminal && session->fd == STDOUT_FILENO && !option_given(session->options, OPTION_JSON) &&
               !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return cut ? size.ws_col : 0;
}

int session_flush(struct session *session) {
    unsigned columns = session_columns(session);
    int result;
    if (session->text.failed) return session_out_of_memory(session);
    if (columns) {
        struct strbuf lines = {0};
        text_cut_lines(&lines, strbuf_text(&session->text), session->text.bytes, columns);
        result = lines.failed ? session_out_of_memory(session) : write_all(session, strbuf_text(&lines), lines.bytes);
        strbuf_fini(&lines);
    } else {
        result = write_all(session, strbuf_text(&session->text), session->text.bytes);
    }
    strbuf_clear(&session->text);
    return result;
}

/* ---- filters ---- */

json_t *session_list_new(const char *text) {
    json_t *list = json_array();
    while (list && *text) {
        size_t bytes = strcspn(text, ",");
        if (bytes && json_array_append_new(list, json_stringn(text, bytes))) {
            json_decref(list);
            return NULL;
        }
        text += bytes + (text[bytes] == ',');
    }
    return list;
}

json_t *session_filter_of_new(const struct session *session, const char *param, const char *value) {
    json_t *filter = session_filter_new(session);
    if (!filter || !json_object_set_new(filter, param, json_string(value))) return filter;
    json_decref(filter);
    return NULL;
}

json_t *session_filter_new(const struct session *session) {
    const struct options *options = session->options;
    const char *kind = options->texts[OPTION_KIND], *peer = options->texts[OPTION_PEER];
    const char *from = options->texts[OPTION_FROM], *to = options->texts[OPTION_TO];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    json_t *filter = json_object();
    int failed = !filter;
    if (kind) failed |= json_object_set_new(filter, "kind", session_list_new(kind));
    if (peer) failed |= json_object_set_new(filter, "peer_id", json_string(peer));
    if (options->texts[OPTION_NODE]) failed |= json_object_set_new(filter, "node_id", json_string(options->texts[OPTION_NODE]));
    if (options->texts[OPTION_TRACE])
        failed |= json_object_set_new(filter, "trace_id", json_string(options->texts[OPTION_TRACE]));
    if (from) failed |= json_object_set_new(filter, "from", time_param_new(from, session->view.utc, now_us));
    if (to) failed |= json_object_set_new(filter, "to", time_param_new(to, session->view.utc, now_us));
    if (options->texts[OPTION_WHERE]) failed |= json_object_set_new(filter, "filter", json_string(options->texts[OPTION_WHERE]));
    if (!failed) return filter;
    json_decref(filter);
    return NULL;
}
