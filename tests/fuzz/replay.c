/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target over the files of a directory, each also cut short at every length: an ordinary test, with any compiler.
 *
 *     replay [--whole] CORPUS     --whole: without cutting */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int main(int argc, char **argv) {
    static uint8_t data[65536];
    unsigned files = 0, runs = 0;
    bool whole = argc == 3 && !strcmp(argv[1], "--whole");
    DIR *dir = argc == 2 || whole ? opendir(argv[argc - 1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
        ssize_t bytes = entry->d_name[0] == '.' ? -1 : read(fd, data, sizeof data);
        close(fd);
        if (bytes < 0) continue;
        files++;
        for (ssize_t cut = whole ? bytes : 0; cut <= bytes; cut++, runs++) (void)LLVMFuzzerTestOneInput(data, (size_t)cut);
    }
    closedir(dir);
    printf("%u inputs, %u runs\n", files, runs);
    return files ? 0 : 1; /* a missing corpus tests nothing */
}
