/* SPDX-License-Identifier: MIT
 *
 * The program that runs the commands of the table. */
#ifndef INSPECTOR_PROGRAM_H
#define INSPECTOR_PROGRAM_H

#include "source_open.h"

/* The whole program: parses, runs, reports failures on stderr.  opener: what commands ask; source_open.  Returns the exit
 * code. */
int inspector_main(int argc, char **argv, source_opener *opener);

#endif
