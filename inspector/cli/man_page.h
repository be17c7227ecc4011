/* SPDX-License-Identifier: MIT
 *
 * Manual pages, written to standard output in the macros of man(7). */
#ifndef INSPECTOR_MAN_PAGE_H
#define INSPECTOR_MAN_PAGE_H

#include "command.h"

void man_page_command(const struct command *command);
void man_page_all(void);

#endif
