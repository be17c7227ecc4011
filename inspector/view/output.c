/* SPDX-License-Identifier: MIT */
#include "output.h"

#include "json_put.h"
#include "limits.h"
#include "pager.h"
#include "text.h"
#include "timely_write.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void output_init(struct output *output, bool whole_lines, struct failure *failure) {
    *output =
        (struct output){.fd = STDOUT_FILENO, .terminal = isatty(STDOUT_FILENO), .whole_lines = whole_lines, .failure = failure};
}

void output_fini(struct output *output) { strbuf_fini(&output->text); }

/* ---- appending ---- */

int output_json(struct output *output, const json_t *value) {
    return records_put(&output->records, &output->text, value) ? failure_out_of_memory(output->failure) : 0;
}

int output_aside(struct output *output, const json_t *value) {
    struct strbuf line = {0};
    int failed = json_put(&line, value, JSON_COMPACT);
    if (!failed && output->records.format == RECORD_JSON)
        strbuf_printf(&output->text, "%s\n", strbuf_text(&line));
    else if (!failed)
        output_note(strbuf_text(&line));
    strbuf_fini(&line);
    return failed ? failure_out_of_memory(output->failure) : 0;
}

int output_json_lines(struct output *output, const json_t *array) {
    size_t i;
    const json_t *element;
    json_array_foreach(array, i, element) {
        if (output_json(output, element)) return -1;
    }
    return 0;
}

/* ---- writing ---- */

/* How much to write at once.  A pipe takes PIPE_BUF bytes whole or not at all: we give it whole lines, so that a program that is
 * interrupted, or that shares the pipe with another, leaves no half line.  A line that is longer than PIPE_BUF can then be torn,
 * but not by --for (timely_write_whole). */
static size_t piece_bytes(const char *text, size_t bytes, bool pipe) {
    size_t end = bytes < PIPE_BUF ? bytes : PIPE_BUF;
    if (!pipe || end == bytes) return bytes;
    while (end && text[end - 1] != '\n') end--; /* not memrchr: a compiler warns that it may return NULL under sanitizers */
    if (end) return end;
    const char *newline = memchr(text, '\n', bytes);
    return newline ? (size_t)(newline - text) + 1 : bytes;
}

static int write_all(struct output *output, const char *text, size_t bytes) {
    struct stat status;
    bool pipe = !fstat(output->fd, &status) && S_ISFIFO(status.st_mode);
    while (bytes) {
        size_t piece = piece_bytes(text, bytes, pipe);
        ssize_t written =
            pipe && piece > PIPE_BUF ? timely_write_whole(output->fd, text, piece) : timely_write(output->fd, text, piece);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failure_of_write(output->failure, "the output", errno);
        text += written;
        bytes -= (size_t)written;
    }
    return 0;
}

unsigned output_columns(const struct output *output) {
    struct winsize size = {0};
    if (output->columns) return output->whole_lines ? 0 : output->columns;
    bool broken =
        output->terminal && output->fd == STDOUT_FILENO && !output->whole_lines && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return broken ? size.ws_col : 0;
}

int output_flush(struct output *output) {
    unsigned columns = output_columns(output);
    int result;
    if (output->paged && output->terminal && output->text.bytes && output->fd == STDOUT_FILENO) {
        output->paged = false;
        if (pager_begin(output->titled)) output->columns = columns;
    }
    if (output->text.failed) return failure_out_of_memory(output->failure);
    if (columns) {
        struct strbuf lines = {0};
        text_wrap_lines(&lines, strbuf_text(&output->text), output->text.bytes, columns);
        result = lines.failed ? failure_out_of_memory(output->failure) : write_all(output, strbuf_text(&lines), lines.bytes);
        strbuf_fini(&lines);
    } else {
        result = write_all(output, strbuf_text(&output->text), output->text.bytes);
    }
    strbuf_clear(&output->text);
    return result;
}

/* ---- what the terminal can show ---- */

bool output_wants_color(const struct output *output, const char *when) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (when && strcmp(when, "auto") != 0) return !strcmp(when, "always");
    return output->terminal && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

bool output_speaks_utf8(void) {
    static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *locale = getenv(variables[i]), *codeset = locale ? strchr(locale, '.') : NULL;
        if (!locale || !*locale) continue;
        return codeset && (!strncasecmp(codeset, ".utf-8", 6) || !strncasecmp(codeset, ".utf8", 5));
    }
    return false;
}

void output_note(const char *text) {
    struct strbuf line = {0};
    strbuf_puts(&line, "inspector: ");
    text_untrusted(&line, text, strlen(text), NOTE_COLUMNS_MAX);
    strbuf_puts(&line, "\n");
    for (size_t at = 0; at < line.bytes;) {
        ssize_t written = timely_write(STDERR_FILENO, strbuf_text(&line) + at, line.bytes - at);
        if (written < 0 && errno != EINTR) break;
        if (written > 0) at += (size_t)written;
    }
    strbuf_fini(&line);
}
