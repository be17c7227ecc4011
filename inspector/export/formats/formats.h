/* SPDX-License-Identifier: MIT
 *
 * The list of formats. */
#ifndef INSPECTOR_EXPORT_FORMATS_H
#define INSPECTOR_EXPORT_FORMATS_H

#include "export_format.h"

/* All formats, in the order of help. */
extern const struct export_format *const export_formats[];
extern const size_t export_format_count;

/* The format with that name; NULL with a failure that lists them and suggests the nearest name. */
const struct export_format *export_find(const char *name, struct failure *failure);

/* The format that the ending of a file's name stands for, in any case of letters; NULL if there is none. */
const struct export_format *export_find_suffix(const char *path);

#endif
