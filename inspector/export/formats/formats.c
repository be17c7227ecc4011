/* SPDX-License-Identifier: MIT */
#include "formats.h"
#include "nearest.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define EXPORT_FORMAT(name) extern const struct export_format export_format_##name;
#include "formats.def"

const struct export_format *const export_formats[] = {
#define EXPORT_FORMAT(name) &export_format_##name,
#include "formats.def"
};
const size_t export_format_count = sizeof export_formats / sizeof *export_formats;

/* Is it one of the words? */
static bool is_among(const char *word, const char *words) {
    for (size_t bytes; words && *words; words += bytes + (words[bytes] == ' ')) {
        bytes = strcspn(words, " ");
        if (strlen(word) == bytes && !strncasecmp(word, words, bytes)) return true;
    }
    return false;
}

const struct export_format *export_find_suffix(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *suffix = strrchr(name, '.');
    for (size_t i = 0; suffix && i < export_format_count; i++)
        if (is_among(suffix, export_formats[i]->suffixes)) return export_formats[i];
    return NULL;
}

const struct export_format *export_find(const char *name, struct failure *failure) {
    char all[256] = "";
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < export_format_count; i++) {
        const struct export_format *format = export_formats[i];
        if (!strcmp(format->name, name)) return format;
        nearest_look(&nearest, format->name);
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", format->name);
    }
    if (nearest.word)
        failure_set(failure, EXIT_USAGE, "there is no format %s; did you mean %s?", name, nearest.word);
    else
        failure_set(failure, EXIT_USAGE, "there is no format %s; the formats are %s", name, all);
    return NULL;
}
