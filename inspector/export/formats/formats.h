/* SPDX-License-Identifier: MIT
 *
 * The formats that there are. */
#ifndef INSPECTOR_EXPORT_FORMATS_H
#define INSPECTOR_EXPORT_FORMATS_H

#include "export_format.h"

/* All formats, in the order of help. */
extern const struct export_format *const export_formats[];
extern const size_t export_format_count;

/* The format of that name; NULL with a failure that lists them, and suggests one that is spelled alike. */
const struct export_format *export_find(const char *name, struct failure *failure);

#endif
