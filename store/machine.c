/* SPDX-License-Identifier: MIT */
#include <store/machine.h>

#include <fcntl.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* "01234567-89ab-...", reduced to its hex digits. */
static void read_boot_id(struct machine *machine) {
    char text[64], digits[2 * MACHINE_ID_BYTES + 1];
    size_t count = 0;
    int fd = open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) close(fd);
    for (ssize_t i = 0; i < bytes && count < sizeof digits - 1; i++)
        if (text[i] != '-' && text[i] != '\n') digits[count++] = text[i];
    digits[count] = 0;
    if (count != sizeof digits - 1 || trace_hex_decode(machine->id, digits, sizeof machine->id))
        memset(machine->id, 0, sizeof machine->id);
}

/* FNV-1a, once for each half. */
static void mix_name(struct machine *machine, const char *name) {
    for (unsigned half = 0; half < 2; half++) {
        uint64_t hash;
        memcpy(&hash, machine->id + 8 * half, sizeof hash);
        hash ^= UINT64_C(0xcbf29ce484222325) + half;
        for (const char *at = name; *at; at++) hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
        memcpy(machine->id + 8 * half, &hash, sizeof hash);
    }
}

void machine_here(struct machine *ret_machine) {
    struct machine machine = {.name = ""};
    char host[256] = "";
    const char *other = secure_getenv("P2PTRACE_MACHINE");
    read_boot_id(&machine);
    if (gethostname(host, sizeof host - 1)) host[0] = 0;
    if (other && *other) mix_name(&machine, other);
    if (other && *other) snprintf(host, sizeof host, "%s", other);
    trace_utf8_fit(machine.name, sizeof machine.name, host, strlen(host));
    *ret_machine = machine;
}

bool machine_known(const struct machine *machine) {
    static const uint8_t none[MACHINE_ID_BYTES];
    return memcmp(machine->id, none, sizeof none) != 0;
}
