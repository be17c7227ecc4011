/* SPDX-License-Identifier: MIT
 *
 * inspector: asks traced, or what was recorded, and shows the answers. */
#include "program.h"

int main(int argc, char **argv) { return inspector_main(argc, argv, source_open); }
