/* SPDX-License-Identifier: MIT */
#include "process_state.h"

#include <stdio.h>
#include <string.h>

bool process_is_stopped(pid_t pid) {
    char path[32], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file) return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    const char *behind_name = strrchr(text, ')');
    return behind_name && (!strncmp(behind_name, ") T", 3) || !strncmp(behind_name, ") t", 3));
}
