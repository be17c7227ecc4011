/* SPDX-License-Identifier: MIT
 *
 * Copies what nodes left in their rings into a recording. */
#ifndef INSPECTOR_SALVAGE_H
#define INSPECTOR_SALVAGE_H

#include "session.h"

/* Makes the file, and shows a line for each ring.  Without any event no file is left.  Returns 0, or -1 with session->failure. */
int salvage_rings(struct session *session, const char *path);

#endif
