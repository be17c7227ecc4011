/* SPDX-License-Identifier: MIT
 *
 * Copies the rings of nodes into a recording. */
#ifndef INSPECTOR_SALVAGE_H
#define INSPECTOR_SALVAGE_H

#include "session.h"

/* Creates the file and prints a line for each ring; removes the file if there was no event.  Returns 0, or -1 with
 * session->failure. */
int salvage_rings(struct session *session, const char *path);

#endif
