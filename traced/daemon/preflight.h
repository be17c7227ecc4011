/* SPDX-License-Identifier: MIT
 *
 * traced --check: what traced would do with these options, and what is wrong, one line each with its remedy.  Changes
 * nothing. */
#ifndef TRACED_PREFLIGHT_H
#define TRACED_PREFLIGHT_H

#include "credentials.h"
#include "options.h"

/* Writes the lines to `out`: "ok", "note" (it works, but you may want to know) or "wrong" (it would not), the subject, and the
 * sentence.  Returns the number of "wrong" lines.  Allocates and frees the memory of the history. */
unsigned preflight_run(const struct options *options, gid_t group, FILE *out);

#endif
