/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <string.h>

const struct command *find_command(const char *name) {
    for (size_t i = 0; i < command_count; i++)
        if (!strcmp(command_table[i].name, name)) return &command_table[i];
    return NULL;
}

uint64_t command_options(const struct command *command) {
    return command->options | OPTIONS_COMMON | (command->offline ? 0 : OPTIONS_SOURCE);
}

const struct option_info *command_option(const struct command *command, enum option option) {
    for (size_t i = 0; command && command->meanings[i].info.spelling; i++)
        if (command->meanings[i].option == option) return &command->meanings[i].info;
    return &option_table[option];
}
