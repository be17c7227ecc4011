/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the configuration file (inspector/options/config.h), and a filter that names its saved ones.  The input is the
 * file; after a NUL, if there is one, comes the filter.  A refused file or filter must have a reason. */
#include "config.h"
#include "fuzz.h"

#include <sys/stat.h>

static bool is_command(const char *name) { return !strcmp(name, "follow") || !strcmp(name, "nodes"); }

static void use(const struct config *config, const char *filter) {
    struct options options = {0};
    struct failure failure = {0};
    struct strbuf out = {0};
    if (config_apply(config, &options, "follow", UINT64_MAX, &failure)) REQUIRE(failure.code != EXIT_OK && failure.text[0]);
    failure = (struct failure){0};
    if (config_expand(config, filter, &out, &failure)) REQUIRE(failure.code != EXIT_OK && failure.text[0]);
    strbuf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct config config;
    struct failure failure = {0};
    const uint8_t *nul = memchr(data, 0, bytes);
    size_t file_bytes = nul ? (size_t)(nul - data) : bytes;
    char path[32], *filter = strndup(nul ? (const char *)nul + 1 : "@own", nul ? bytes - file_bytes - 1 : 4);
    int fd = fuzz_file(data, file_bytes, path);
    REQUIRE(filter && fchmod(fd, 0600) == 0 && setenv("P2PTRACE_CONFIG", path, 1) == 0);
    if (config_read(&config, is_command, &failure) == 0) {
        REQUIRE(config.count <= CONFIG_ENTRIES_MAX);
        use(&config, filter);
    } else {
        REQUIRE(failure.code != EXIT_OK && failure.text[0]);
    }
    config_fini(&config);
    free(filter);
    close(fd);
    return 0;
}
