/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PLUGIN_MODULE_H
#define TESTS_PLUGIN_MODULE_H

/* What a plugin exports to its host, under the name "plugin". */
struct plugin {
    int (*open)(unsigned number);
    void (*emit)(unsigned code);
    const char *(*name)(void);
    void (*close)(void);
};

#endif
