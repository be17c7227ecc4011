/* SPDX-License-Identifier: MIT
 *
 * Completion of SQL in the shell: tables, columns, functions, keywords, and the shell's own words. */
#ifndef INSPECTOR_SQL_COMPLETE_H
#define INSPECTOR_SQL_COMPLETE_H

#include "strbuf.h"

#include <sqlite3.h>

/* Completes the word that the first `bytes` of the line end in.  Appends to `insert` what all that fit go on with, and a space
 * when there is only one; when that is nothing, to `list` those that fit, on one line. */
void sql_complete(sqlite3 *db, const char *line, size_t bytes, struct strbuf *insert, struct strbuf *list);

#endif
