/* SPDX-License-Identifier: MIT
 *
 * Whether this user's traced could serve at a default path (proto/socket_path.h). */
#ifndef INSPECTOR_SOCKET_PLACE_H
#define INSPECTOR_SOCKET_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* Does the directory of that path belong to a stranger, or is it a stranger's link?  traced refuses both, so starting one would
 * not help.  Then `reason` says what is in the way and what helps. */
bool socket_place_is_taken(const char *path, char *reason, size_t reason_bytes);

#endif
