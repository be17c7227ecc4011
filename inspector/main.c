/* SPDX-License-Identifier: MIT
 *
 * inspector: asks traced, and shows what it says. */
#include "command.h"

int main(int argc, char **argv) { return inspector_main(argc, argv, source_open); }
