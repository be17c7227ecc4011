/* SPDX-License-Identifier: MIT
 *
 * What both ways to export have: one that ends, and --follow. */
#ifndef INSPECTOR_CMD_EXPORT_H
#define INSPECTOR_CMD_EXPORT_H

#include "commands.h"
#include "export.h"

struct exporting {
    struct session *session;
    const struct export_format *format;
    const char *id; /* of a trace, as the user wrote it; NULL: whatever matches */
    struct export_settings settings;
    struct export export;
    bool began; /* the export; export_fini ends it */
    json_t *hello, *nodes, *apps;
};

/* Asks who the nodes are, and begins the export.  fd, directory: as in export_begin.  Returns 0, or -1 with the failure. */
int export_start(struct exporting *exporting, int fd, const char *directory);

/* Asks again who the nodes are.  Returns 0, or -1 with the failure. */
int export_ask_nodes(struct exporting *exporting);

/* The stream, until it ends.  Returns 0, or -1 with the failure. */
int export_follow(struct exporting *exporting);

#endif
