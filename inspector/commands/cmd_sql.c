/* SPDX-License-Identifier: MIT
 *
 * `inspector sql`: a statement from the command line, statements from stdin, or a shell. */
#include "commands.h"
#include "limits.h"
#include "sql.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Reads all of stdin. */
static int read_input(struct session *session, struct strbuf *text) {
    char bytes[4096];
    for (;;) {
        ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failure_set(&session->failure, EXIT_FAILED, "cannot read the statements: %s", strerror(errno));
        if (count == 0) break;
        strbuf_add(text, bytes, (size_t)count);
        if (text->failed) return session_out_of_memory(session);
        if (text->bytes > SQL_STATEMENT_BYTES_MAX)
            return failure_set(&session->failure, EXIT_USAGE, "the statements on stdin are longer than %u bytes",
                               SQL_STATEMENT_BYTES_MAX);
    }
    return failure_check_text(&session->failure, EXIT_USAGE, "stdin", strbuf_text(text), text->bytes);
}

int run_sql(struct session *session) {
    const struct options *options = session->options;
    const char *statement = options->arg_count > 1 ? options->args[1] : NULL;
    struct sql sql;
    struct strbuf input = {0};
    bool from_stdin = statement ? !strcmp(statement, "-") : !isatty(STDIN_FILENO);
    if (!from_stdin && !statement) session->output.paged = false; /* the shell shows rows between statements */
    int result = from_stdin ? read_input(session, &input) : 0;
    if (!result && option_given(options, OPTION_FLEET) && (from_stdin || statement)) {
        result = run_fleet_sql(session, from_stdin ? strbuf_text(&input) : statement);
    } else if (!result) {
        result = sql_init(&sql, session);
        if (!result && !from_stdin && !statement)
            result = sql_shell(&sql);
        else if (!result)
            result = sql_run(&sql, from_stdin ? strbuf_text(&input) : statement);
        sql_fini(&sql);
    }
    strbuf_fini(&input);
    return result;
}
