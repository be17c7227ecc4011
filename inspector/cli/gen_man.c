/* SPDX-License-Identifier: MIT
 *
 * Writes the manual pages into a directory.
 *
 *     gen_man DIRECTORY   inspector.1, and inspector-COMMAND.1 for each command
 *
 * Creates the directory if needed, and replaces its pages. */
#include "man_page.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pages of an earlier run: a command may no longer exist. */
static int remove_pages(const char *directory) {
    DIR *dir = opendir(directory);
    if (!dir) return -1;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (!strncmp(entry->d_name, "inspector", 9) && unlinkat(dirfd(dir), entry->d_name, 0)) return closedir(dir), -1;
    return closedir(dir);
}

/* Redirects standard output to the page's file.  Fails if the previous page is not complete. */
static int begin_page(const char *directory, const char *suffix) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/inspector%s%s.1", directory, *suffix ? "-" : "", suffix);
    return ferror(stdout) || length >= (int)sizeof path || !freopen(path, "w", stdout) ? -1 : 0;
}

static int write_pages(const char *directory) {
    if ((mkdir(directory, 0755) && errno != EEXIST) || remove_pages(directory) || begin_page(directory, "")) return -1;
    man_page_all();
    for (size_t i = 0; i < command_count; i++) {
        if (begin_page(directory, command_table[i].name)) return -1;
        man_page_command(&command_table[i]);
    }
    return ferror(stdout) || fflush(stdout) ? -1 : 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: gen_man DIRECTORY\n", stderr);
        return 1;
    }
    if (!write_pages(argv[1])) return 0;
    fprintf(stderr, "gen_man: %s: %s\n", argv[1], strerror(errno));
    return 1;
}
