/* SPDX-License-Identifier: MIT
 *
 * The interactive shell: lines edited with libedit, with history and completion; a statement may span several lines, up to its
 * ';'.
 *
 * Ctrl-C: while a line is edited it is an ordinary key (the terminal does not turn it into a signal), which drops the statement.
 * While a statement runs it is a signal: SQLite checks for it (sql.c), and we close the connection, because we may be waiting for
 * its answer; the next statement reconnects. */
#include "limits.h"
#include "sql.h"
#include "sql_complete.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct shell {
    struct sql *sql;
    EditLine *edit;
    History *history;
    FILE *out;              /* for prompts */
    char history_path[512]; /* empty: no history file */
    struct strbuf statement;
    bool abandoned;    /* by Ctrl-C */
    bool disconnected; /* the connection is unusable */
    bool left;
};

/* ---- Ctrl-C while a statement runs ---- */

static struct sql *interruptible; /* of the running shell */

static void on_interrupt(int signal) {
    int error = errno;
    (void)signal;
    interruptible->interrupted = 1;
    source_interrupt(interruptible->session->inquiry.source);
    errno = error;
}

/* ---- history ---- */

/* Creates the directories of a path; the first exists. */
static void make_directories(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700); /* opening the file will report a failure */
        *slash = '/';
    }
}

static void history_begin(struct shell *shell) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = shell->history_path;
    int bytes = 0;
    HistEvent event;
    if (state && *state == '/')
        bytes = snprintf(path, sizeof shell->history_path, "%s/p2ptrace/sql_history", state);
    else if (home && *home == '/')
        bytes = snprintf(path, sizeof shell->history_path, "%s/.local/state/p2ptrace/sql_history", home);
    if (bytes <= 0 || (size_t)bytes >= sizeof shell->history_path) *path = 0;
    history(shell->history, &event, H_SETSIZE, SQL_HISTORY_LINES);
    history(shell->history, &event, H_SETUNIQUE, 1);
    if (*path) history(shell->history, &event, H_LOAD, path);
    el_set(shell->edit, EL_HIST, history, shell->history);
}

/* Statements may contain secrets. */
static void history_keep(struct shell *shell, const char *line) {
    HistEvent event;
    history(shell->history, &event, H_ENTER, line);
    if (!*shell->history_path) return;
    make_directories(shell->history_path);
    int fd = open(shell->history_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file) {
        fchmod(fd, 0600);
        history(shell->history, &event, H_SAVE_FP, file);
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
}

/* ---- the line editor ---- */

static struct shell *shell_of(EditLine *edit) {
    struct shell *shell = NULL;
    el_get(edit, EL_CLIENTDATA, &shell);
    return shell;
}

static char *prompt(EditLine *edit) {
    static char first[] = "p2ptrace> ", more[] = "     ...> ";
    return shell_of(edit)->statement.bytes ? more : first;
}

static unsigned char on_abandon(EditLine *edit, wint_t key) {
    struct shell *shell = shell_of(edit);
    (void)key;
    shell->abandoned = true;
    fputs("^C\n", shell->out);
    return CC_NEWLINE;
}

/* A NUL that was typed before the prompt was a Ctrl-D: in its normal mode the terminal reads that as the end of the input, and
 * leaves a NUL if the mode changes before anybody has read it. */
static unsigned char on_typed_ahead(EditLine *edit, wint_t key) {
    const LineInfo *line = el_line(edit);
    (void)key;
    return line->buffer == line->lastchar ? CC_EOF : CC_NORM;
}

/* As terminals do by default; libedit restores the terminal before, and takes it again after. */
static unsigned char on_suspend(EditLine *edit, wint_t key) {
    (void)edit, (void)key;
    raise(SIGTSTP);
    return CC_REDISPLAY;
}

static unsigned char on_complete(EditLine *edit, wint_t key) {
    struct shell *shell = shell_of(edit);
    const LineInfo *line = el_line(edit);
    struct strbuf insert = {0}, list = {0};
    (void)key;
    sql_complete(shell->sql->db, line->buffer, (size_t)(line->cursor - line->buffer), &insert, &list);
    unsigned char result = CC_REFRESH_BEEP;
    if (insert.bytes && !insert.failed && !el_insertstr(edit, strbuf_text(&insert))) {
        result = CC_REFRESH;
    } else if (list.bytes && !list.failed) {
        fprintf(shell->out, "\n%s\n", strbuf_text(&list));
        result = CC_REDISPLAY;
    }
    strbuf_fini(&insert);
    strbuf_fini(&list);
    return result;
}

static int edit_begin(struct shell *shell) {
    setlocale(LC_CTYPE, ""); /* libedit's columns */
    shell->out = isatty(STDOUT_FILENO) ? stdout : stderr;
    shell->edit = el_init("inspector", stdin, shell->out, stderr);
    shell->history = history_init();
    if (!shell->edit || !shell->history) return session_out_of_memory(shell->sql->session);
    el_set(shell->edit, EL_CLIENTDATA, shell);
    el_set(shell->edit, EL_PROMPT, prompt);
    el_set(shell->edit, EL_EDITOR, "emacs");
    el_set(shell->edit, EL_SIGNAL, 1);
    /* el_set would copy these texts, and never free them. */
    el_wset(shell->edit, EL_ADDFN, L"sql-complete", L"Complete a name", on_complete);
    el_wset(shell->edit, EL_ADDFN, L"sql-abandon", L"Drop the statement", on_abandon);
    el_wset(shell->edit, EL_ADDFN, L"sql-suspend", L"Stop the shell", on_suspend);
    el_wset(shell->edit, EL_ADDFN, L"sql-typed-ahead", L"Leave, when the line is empty", on_typed_ahead);
    el_set(shell->edit, EL_BIND, "^I", "sql-complete", NULL);
    el_set(shell->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history_begin(shell);
    el_source(shell->edit, NULL);
    el_set(shell->edit, EL_SETTY, "-d", "-isig", NULL); /* deliver keys, not signals, while a line is edited */
    el_set(shell->edit, EL_BIND, "^C", "sql-abandon", NULL);
    el_set(shell->edit, EL_BIND, "^Z", "sql-suspend", NULL);
    return 0;
}

/* ---- words with a dot ---- */

static void show_help(struct shell *shell) {
    strbuf_puts(&shell->sql->session->output.text,
                "A statement ends with ';' and may span several lines.  Ctrl-C drops it, or stops it while it runs.\n"
                "  .tables            the tables\n"
                "  .schema TABLE      a table's columns\n"
                "  .explain on|off    report how statements are answered: params, index, events examined\n"
                "  .help              this help\n"
                "  .quit              quit, like Ctrl-D\n"
                "functions: p50(x) p90(x) p95(x) p99(x) percentile(x, p) median(x)   aggregates\n"
                "           ago('5s')   a timestamp; duration(ns) bytes(n)   for people\n");
}

static int show_schema(struct shell *shell, const char *table) {
    if (!*table) {
        strbuf_puts(&shell->sql->session->output.text, ".schema TABLE; .tables lists them\n");
        return 0;
    }
    char *text = sqlite3_mprintf("SELECT name AS \"column\", type, iif(hidden, 'by name', 'yes') AS \"in select *\" "
                                 "FROM pragma_table_xinfo(%Q)",
                                 table);
    int result = text ? sql_run(shell->sql, text) : session_out_of_memory(shell->sql->session);
    sqlite3_free(text);
    return result;
}

static int set_explain(struct shell *shell, const char *how) {
    if (!strcmp(how, "on"))
        shell->sql->explain = true;
    else if (!strcmp(how, "off"))
        shell->sql->explain = false;
    else
        strbuf_printf(&shell->sql->session->output.text, ".explain on|off; it is %s\n", shell->sql->explain ? "on" : "off");
    return 0;
}

static int run_dot(struct shell *shell, char *line) {
    char *rest = NULL, *word = strtok_r(line, " \t\n", &rest), *argument = strtok_r(NULL, " \t\n", &rest);
    if (!argument) argument = line + strlen(line);
    if (!strcmp(word, ".tables")) return sql_run(shell->sql, "SELECT name AS \"table\" FROM sqlite_schema ORDER BY name");
    if (!strcmp(word, ".schema")) return show_schema(shell, argument);
    if (!strcmp(word, ".explain")) return set_explain(shell, argument);
    if (!strcmp(word, ".quit") || !strcmp(word, ".exit"))
        shell->left = true;
    else
        show_help(shell);
    return 0;
}

/* ---- statements ---- */

/* Runs what was entered; reports a failure and forgets it. */
static void run_entered(struct shell *shell, char *line) {
    struct sql *sql = shell->sql;
    struct session *session = sql->session;
    int result = 0;
    if (shell->disconnected) result = source_reopen(session->inquiry.source, 0, &session->failure);
    if (!result) result = sql_learn_apps(sql);
    if (!result) result = *line == '.' ? run_dot(shell, line) : sql_run(sql, line);
    if (!result) result = output_flush(&session->output);
    shell->disconnected = sql->interrupted || (result && session->failure.disconnected);
    if (sql->interrupted)
        output_note("interrupted");
    else if (result && *session->failure.text)
        output_note(session->failure.text);
    session->failure = (struct failure){0};
    strbuf_clear(&session->output.text);
}

static bool is_blank(const char *text) { return !text[strspn(text, " \t\r\n;")]; }

static void take_line(struct shell *shell, const char *line) {
    char *entered;
    if (!is_blank(line)) {
        size_t bytes = strcspn(line, "\r\n");
        char *kept = strndup(line, bytes);
        if (kept) history_keep(shell, kept);
        free(kept);
    }
    strbuf_puts(&shell->statement, line);
    bool dot = *strbuf_text(&shell->statement) == '.';
    if (!dot && is_blank(strbuf_text(&shell->statement))) strbuf_clear(&shell->statement);
    if (!shell->statement.bytes || (!dot && !sqlite3_complete(shell->statement.text))) return;
    entered = strdup(shell->statement.text);
    strbuf_clear(&shell->statement);
    if (entered) run_entered(shell, entered);
    free(entered);
}

/* From now on keys are read one by one.  libedit would do this only after showing the prompt, and lose a Ctrl-D that comes right
 * after the prompt. */
static void take_terminal(struct shell *shell) {
    int waiting = 0;
    el_set(shell->edit, EL_PREP_TERM, 1);
    bool typed_ahead = !ioctl(STDIN_FILENO, FIONREAD, &waiting) && waiting > 0;
    el_set(shell->edit, EL_BIND, "^@", typed_ahead ? "sql-typed-ahead" : "em-set-mark", NULL);
    if (shell->sql->interrupted) shell->disconnected = true; /* a Ctrl-C just after the statement closed the connection */
    shell->sql->interrupted = 0;
}

static void read_lines(struct shell *shell) {
    while (!shell->left) {
        int count = 0;
        shell->abandoned = false;
        take_terminal(shell);
        const char *line = el_gets(shell->edit, &count);
        if (shell->abandoned)
            strbuf_clear(&shell->statement);
        else if (line && count > 0)
            take_line(shell, line);
        else
            shell->left = true;
    }
}

int sql_shell(struct sql *sql) {
    struct shell shell = {.sql = sql};
    struct sigaction action = {.sa_handler = on_interrupt}, before;
    int result = edit_begin(&shell);
    interruptible = sql;
    sigaction(SIGINT, &action, &before);
    if (!result) {
        if (sql->session->view.header) fputs("SQL over the history; .help, .tables; Ctrl-D quits\n", shell.out);
        read_lines(&shell);
        fputs("\n", shell.out);
    }
    sigaction(SIGINT, &before, NULL);
    if (shell.history) history_end(shell.history);
    if (shell.edit) el_end(shell.edit);
    strbuf_fini(&shell.statement);
    return result;
}
