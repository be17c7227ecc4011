/* SPDX-License-Identifier: MIT */
#include "top_terminal.h"

#include "top.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ESCAPE_MS 25 /* after an escape, wait this long for the rest of a key's sequence */

struct terminal {
    SCREEN *screen;
    int signal_fd;
    sigset_t mask_before;
    int ended_by; /* 0: no signal */
    bool utf8;
    bool color;
};

/* ---- opening and closing ---- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};

/* From now on they wait in the descriptor. */
static int take_signals(struct terminal *terminal) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, &terminal->mask_before)) return -1;
    terminal->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (terminal->signal_fd < 0) sigprocmask(SIG_SETMASK, &terminal->mask_before, NULL);
    return terminal->signal_fd < 0 ? -1 : 0;
}

static void start_colors(struct terminal *terminal) {
    if (!terminal->color || !has_colors() || start_color() == ERR) {
        terminal->color = false;
        return;
    }
    int background = use_default_colors() == OK ? -1 : COLOR_BLACK;
    for (short i = 1; i < 8; i++) init_pair(i, i, (short)background);
}

int terminal_open(struct terminal **ret_terminal, bool color, struct failure *failure) {
    const char *name = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return failure_set(failure, EXIT_USAGE, "top needs a terminal; in scripts use nodes, peers and traces with --json");
    struct terminal *terminal = calloc(1, sizeof *terminal);
    if (!terminal) return failure_set(failure, EXIT_FAILED, "out of memory");
    setlocale(LC_CTYPE, "");
    terminal->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    terminal->color = color;
    if (take_signals(terminal)) {
        free(terminal);
        return failure_set(failure, EXIT_FAILED, "cannot handle signals: %s", strerror(errno));
    }
    terminal->screen = newterm(NULL, stdout, stdin);
    if (!terminal->screen) {
        terminal_close(terminal);
        return failure_set(failure, EXIT_FAILED, "unknown terminal type %s: set TERM", name ? name : "\"\"");
    }
    set_escdelay(ESCAPE_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    start_colors(terminal);
    *ret_terminal = terminal;
    return 0;
}

void terminal_close(struct terminal *terminal) {
    if (terminal->screen) {
        endwin();
        delscreen(terminal->screen);
    }
    close(terminal->signal_fd);
    int ended_by = terminal->ended_by;
    sigset_t mask = terminal->mask_before;
    free(terminal);
    if (ended_by) {
        signal(ended_by, SIG_DFL); /* ncurses installed its own handlers */
        raise(ended_by);
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

bool terminal_utf8(const struct terminal *terminal) { return terminal->utf8; }

/* ---- signals and size ---- */

int terminal_signal_fd(const struct terminal *terminal) { return terminal->signal_fd; }

bool terminal_signals(struct terminal *terminal) {
    struct signalfd_siginfo info;
    while (read(terminal->signal_fd, &info, sizeof info) == sizeof info) {
        struct winsize size;
        if (info.ssi_signo != SIGWINCH)
            terminal->ended_by = (int)info.ssi_signo;
        else if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
            resizeterm(size.ws_row, size.ws_col);
    }
    return terminal->ended_by == 0;
}

void terminal_size(const struct terminal *terminal, unsigned *ret_lines, unsigned *ret_columns) {
    (void)terminal;
    *ret_lines = (unsigned)LINES;
    *ret_columns = (unsigned)COLS;
}

/* ---- keys ---- */

static uint32_t key_of(int kind, wint_t key) {
    static const struct {
        int curses;
        uint32_t key;
    } keys[] = {{KEY_UP, TOP_KEY_UP},
                {KEY_DOWN, TOP_KEY_DOWN},
                {KEY_LEFT, TOP_KEY_LEFT},
                {KEY_RIGHT, TOP_KEY_RIGHT},
                {KEY_PPAGE, TOP_KEY_PAGE_UP},
                {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
                {KEY_HOME, TOP_KEY_HOME},
                {KEY_END, TOP_KEY_END},
                {KEY_ENTER, TOP_KEY_ENTER},
                {KEY_BTAB, TOP_KEY_BACK_TAB},
                {KEY_BACKSPACE, TOP_KEY_BACKSPACE}};
    if (kind != KEY_CODE_YES) {
        if (key == '\r' || key == '\n') return TOP_KEY_ENTER;
        if (key == 0x7f || key == '\b') return TOP_KEY_BACKSPACE;
        return key == 0x1b ? TOP_KEY_ESCAPE : (uint32_t)key;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if ((wint_t)keys[i].curses == key) return keys[i].key;
    return 0; /* a key without a meaning */
}

bool terminal_key(struct terminal *terminal, uint32_t *ret_key) {
    wint_t key;
    int kind = get_wch(&key);
    (void)terminal;
    if (kind == ERR) return false;
    *ret_key = key_of(kind, key);
    return true;
}

bool terminal_gone(const struct terminal *terminal) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int bytes = 1;
    (void)terminal;
    if (poll(&input, 1, 0) <= 0) return false;
    if (input.revents & (POLLHUP | POLLERR | POLLNVAL)) return true;
    return !ioctl(STDIN_FILENO, FIONREAD, &bytes) && bytes == 0;
}

/* ---- showing ---- */

/* The attributes that a number of a colour sequence (text.c) adds. */
static attr_t attribute(const struct terminal *terminal, unsigned number) {
    switch (number) {
    case 1: return A_BOLD;
    case 2: return A_DIM;
    case 7: return A_REVERSE;
    default: break;
    }
    if (!terminal->color) return 0;
    if (number > 30 && number < 38) return (attr_t)COLOR_PAIR(number - 30);
    if (number > 90 && number < 98) return (attr_t)COLOR_PAIR(number - 90) | A_BOLD;
    return 0;
}

/* Reads "1;31m" and sets the attributes.  Returns the text after it. */
static const char *set_attributes(const struct terminal *terminal, const char *text, const char *end) {
    attr_t attributes = 0;
    while (text < end) {
        char *behind;
        attributes |= attribute(terminal, (unsigned)strtoul(text, &behind, 10));
        text = behind + 1;
        if (*behind != ';') break;
    }
    attrset((int)attributes);
    return text;
}

static void add_text(const struct terminal *terminal, const char *text, size_t bytes) {
    if (terminal->utf8) {
        addnstr(text, (int)bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) addch((chtype)(text[i] & 0x80 ? '?' : text[i])); /* one sign per character */
    }
}

static void show_line(const struct terminal *terminal, int line, const char *text, const char *end) {
    attrset(0);
    move(line, 0);
    clrtoeol();
    while (text < end) {
        const char *escape = memchr(text, '\x1b', (size_t)(end - text));
        add_text(terminal, text, (size_t)((escape ? escape : end) - text));
        if (!escape) return;
        text = set_attributes(terminal, escape + 2, end);
    }
}

void terminal_show(struct terminal *terminal, const struct strbuf *screen, bool anew) {
    const char *text = strbuf_text(screen), *end = text + screen->bytes;
    for (int line = 0; line < LINES; line++) {
        const char *newline = text < end ? memchr(text, '\n', (size_t)(end - text)) : NULL;
        const char *line_end = newline ? newline : end;
        show_line(terminal, line, text, line_end);
        text = newline ? newline + 1 : end;
    }
    if (anew) clearok(stdscr, TRUE);
    refresh();
}
