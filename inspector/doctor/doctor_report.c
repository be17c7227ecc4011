/* SPDX-License-Identifier: MIT */
#include "doctor_report.h"

#include <proto/untrusted.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_COLUMNS 10U

enum verdict { FINE, WRONG, UNSURE };

static void put_line(struct doctor *doctor, enum verdict verdict, const char *check, const char *found, const char *remedy) {
    static const char *const words[] = {"ok", "wrong", "unsure"};
    static const enum style styles[] = {STYLE_GOOD, STYLE_BAD, STYLE_WARN};
    struct session *session = doctor->session;
    struct strbuf *out = &session->output.text;
    bool fine = verdict == FINE;
    doctor->fine += fine;
    doctor->wrong += verdict == WRONG;
    doctor->unsure += verdict == UNSURE;
    if (options_want_data(session->options)) {
        json_t *line = json_pack("{s:s, s:o, s:s, s:s?}", "check", check, "ok",
                                 verdict == UNSURE ? json_null() : json_boolean(fine), "found", found, "remedy", remedy);
        if (!line || output_json(&session->output, line)) out->failed = true;
        json_decref(line);
        return;
    }
    if (fine && !session->view.all) return;
    text_styled(out, session->view.color, styles[verdict], "%-6s", words[verdict]);
    strbuf_printf(out, verdict == UNSURE ? " %-*s " : "%-*s ", (int)CHECK_COLUMNS, check);
    text_untrusted(out, found, strlen(found), 1000);
    if (remedy) {
        strbuf_puts(out, "; try: ");
        text_style_on(out, session->view.color, STYLE_HEAD);
        text_untrusted(out, remedy, strlen(remedy), 1000);
        text_style_off(out, session->view.color, STYLE_HEAD);
    }
    strbuf_puts(out, "\n");
}

static void report(struct doctor *doctor, enum verdict verdict, const char *check, const char *remedy, const char *format,
                   va_list args) {
    struct strbuf found = {0};
    strbuf_vprintf(&found, format, args);
    put_line(doctor, verdict, check, strbuf_text(&found), remedy);
    strbuf_fini(&found);
}

void doctor_fine(struct doctor *doctor, const char *check, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(doctor, FINE, check, NULL, format, args);
    va_end(args);
}

void doctor_wrong(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(doctor, WRONG, check, remedy, format, args);
    va_end(args);
}

void doctor_unsure(struct doctor *doctor, const char *check, const char *remedy, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report(doctor, UNSURE, check, remedy, format, args);
    va_end(args);
}

/* A word that begins with - would look like an option: after an option's name it is joined with =. */
static void put_word(struct strbuf *out, const char *word) {
    char quoted[1024];
    if (*word == '-' && out->bytes && out->text[out->bytes - 1] == ' ') out->text[out->bytes - 1] = '=';
    strbuf_puts(out, trace_shell_word(quoted, sizeof quoted, word) ? quoted : "...");
}

const char *doctor_remedy(const char *format, ...) {
    static char text[2048];
    struct strbuf out = {0};
    va_list args;
    va_start(args, format);
    for (const char *at; (at = strchr(format, '%')); format = at + 2) {
        strbuf_add(&out, format, (size_t)(at - format));
        if (at[1] == 's')
            put_word(&out, va_arg(args, const char *));
        else if (at[1] == 'd')
            strbuf_printf(&out, "%d", va_arg(args, int));
    }
    va_end(args);
    strbuf_puts(&out, format);
    snprintf(text, sizeof text, "%s", strbuf_text(&out));
    strbuf_fini(&out);
    return text;
}

const char *doctor_restart(const struct doctor *doctor, const char *more) {
    static char text[128];
    char process[32];
    struct stat status;
    snprintf(process, sizeof process, "/proc/%d", (int)doctor->traced);
    bool own = doctor->traced > 1 && !stat(process, &status) && status.st_uid == geteuid();
    if (own)
        snprintf(text, sizeof text, "kill %d; traced%s &", (int)doctor->traced, more);
    else
        snprintf(text, sizeof text, "have the user who runs it start it again: traced%s", more);
    return text;
}
