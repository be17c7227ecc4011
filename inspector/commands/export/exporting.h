/* SPDX-License-Identifier: MIT
 *
 * What the two ways to export share: once (cmd_export.c), and --follow (cmd_export_follow.c). */
#ifndef INSPECTOR_EXPORTING_H
#define INSPECTOR_EXPORTING_H

#include "commands.h"
#include "export.h"

struct exporting {
    struct session *session;
    const struct export_format *format;
    const char *id; /* of a trace, as written by the user; NULL: all that matches */
    struct export_settings settings;
    struct export export;
    bool began; /* the export has begun and needs export_fini */
    json_t *hello, *nodes, *apps, *who;
};

/* Asks for the nodes, and begins the export.  fd, directory: as in export_begin.  Returns 0, or -1 with the failure. */
int export_start(struct exporting *exporting, int fd, const char *directory);

/* Asks for the nodes again.  Returns 0, or -1 with the failure. */
int export_ask_nodes(struct exporting *exporting);

#endif
