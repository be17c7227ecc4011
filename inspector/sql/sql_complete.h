/* SPDX-License-Identifier: MIT
 *
 * Completion of SQL in the shell: tables, columns, functions, keywords, and the shell's own words. */
#ifndef INSPECTOR_SQL_COMPLETE_H
#define INSPECTOR_SQL_COMPLETE_H

#include "strbuf.h"

#include <sqlite3.h>

/* Completes the word at the end of the line's first `bytes`.  Appends to `insert` the continuation that all candidates share, and
 * a space if there is only one candidate; if they share none, appends the candidates to `list`, on one line. */
void sql_complete(sqlite3 *db, const char *line, size_t bytes, struct strbuf *insert, struct strbuf *list);

#endif
