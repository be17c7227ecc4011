/* SPDX-License-Identifier: MIT
 *
 * export --follow. */
#ifndef INSPECTOR_CMD_EXPORT_FOLLOW_H
#define INSPECTOR_CMD_EXPORT_FOLLOW_H

#include "exporting.h"

/* Exports the stream until it ends.  Returns 0, or -1 with the failure. */
int export_follow(struct exporting *exporting);

#endif
