/* SPDX-License-Identifier: MIT
 *
 * Finds processes that are not traced: those with a UDP port that nodes reported as the other end of a connection; and, if there
 * is no log at all, those that have the library. */
#include "doctor_checks.h"
#include "json_get.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDPOINTS_ASKED 2000
#define PORTS_MAX 1024U

/* A port that nodes reported as a peer's, and the local socket with that port. */
struct port {
    unsigned number;
    unsigned long inode; /* 0: no process of this user has it */
};

struct ports {
    struct port items[PORTS_MAX];
    unsigned count;
};

static void add_port(struct ports *ports, const char *endpoint) {
    const char *colon = endpoint ? strrchr(endpoint, ':') : NULL;
    unsigned long number = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (!number || number > UINT16_MAX || ports->count == PORTS_MAX) return;
    for (unsigned i = 0; i < ports->count; i++)
        if (ports->items[i].number == number) return;
    ports->items[ports->count++] = (struct port){.number = (unsigned)number};
}

/* Asks which ports nodes have connections with.  Returns 0, or -1 with session->failure. */
static int learn_ports(struct doctor *doctor, struct ports *ports) {
    json_t *answer, *params = json_pack("{s:s,s:i,s:s}", "kind", "conn_init", "limit", ENDPOINTS_ASKED, "order", "desc");
    size_t i;
    const json_t *event;
    if (session_ask(doctor->session, "query", params, &answer)) return -1;
    json_array_foreach(json_get_array(answer, "events"), i, event)
        add_port(ports, json_get_text(json_object_get(event, "data"), "endpoint"));
    json_decref(answer);
    return 0;
}

/* Finds the local sockets with these ports: /proc/net/udp, /proc/net/udp6. */
static void find_sockets(struct ports *ports, const char *path) {
    FILE *file = fopen(path, "re");
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        unsigned number, uid;
        unsigned long inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %u %*u %lu", &number, &uid, &inode) != 3) continue;
        for (unsigned i = 0; uid == geteuid() && i < ports->count; i++)
            if (ports->items[i].number == number) ports->items[i].inode = inode;
    }
    if (file) fclose(file);
}

/* Which of these ports a process has a socket for; 0: none. */
static unsigned port_of(pid_t pid, const struct ports *ports) {
    char path[64], target[64];
    unsigned found = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        ssize_t bytes = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        unsigned long inode;
        if (bytes <= 0) continue;
        target[bytes] = 0;
        if (sscanf(target, "socket:[%lu]", &inode) != 1) continue;
        for (unsigned i = 0; i < ports->count; i++)
            if (ports->items[i].inode == inode) found = ports->items[i].number;
    }
    if (dir) closedir(dir);
    return found;
}

/* Calls `look` for each process of this user, except us and traced, until it returns true. */
static void each_process(const struct doctor *doctor, bool (*look)(void *arg, pid_t pid), void *arg) {
    DIR *dir = opendir("/proc");
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        pid_t pid = isdigit((unsigned char)*entry->d_name) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;
        struct stat status;
        if (pid <= 0 || pid == getpid() || pid == doctor->traced) continue;
        if (fstatat(dirfd(dir), entry->d_name, &status, 0) || status.st_uid != geteuid()) continue;
        if (look(arg, pid)) break;
    }
    if (dir) closedir(dir);
}

struct search {
    struct doctor *doctor;
    const struct ports *ports;
    unsigned reported;
    pid_t found;
};

static bool look_at_sockets(void *arg, pid_t pid) {
    struct search *search = arg;
    struct process_logs logs;
    unsigned port = port_of(pid, search->ports);
    if (!port) return false;
    process_logs_find(&logs, pid);
    if (logs.state != PROCESS_OURS || logs.count || logs.removed) return false;
    search->reported++;
    bool library = doctor_has_library(pid);
    doctor_wrong(search->doctor, "untraced",
                 library ? doctor_remedy("inspector doctor %d", (int)pid)
                         : "cc -DTRACE_FULL ... $(pkg-config --cflags --libs p2ptrace)",
                 "process %d (%s) has UDP port %u, which nodes have connections with, and is not traced: %s", (int)pid, logs.comm,
                 port, library ? "it has no open log" : "it is compiled without TRACE");
    return false;
}

int doctor_look_for_untraced(struct doctor *doctor) {
    struct ports ports = {.count = 0};
    struct search search = {.doctor = doctor, .ports = &ports};
    if (!doctor->traced) return 0;
    if (learn_ports(doctor, &ports)) return -1;
    find_sockets(&ports, "/proc/net/udp");
    find_sockets(&ports, "/proc/net/udp6");
    if (ports.count) each_process(doctor, look_at_sockets, &search);
    if (ports.count && !search.reported)
        doctor_fine(doctor, "untraced", "no process here has a port that nodes have connections with, and no log");
    return 0;
}

/* ---- processes with the library ---- */

static bool is_tool(pid_t pid) {
    char path[64], name[512];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t bytes = readlink(path, name, sizeof name - 1);
    name[bytes > 0 ? bytes : 0] = 0;
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    return !strcmp(base, "traced") || !strcmp(base, "inspector");
}

static bool look_for_library(void *arg, pid_t pid) {
    struct search *search = arg;
    if (is_tool(pid) || !doctor_has_library(pid)) return false;
    search->found = pid;
    return true;
}

pid_t doctor_find_library(const struct doctor *doctor) {
    struct search search = {0};
    each_process(doctor, look_for_library, &search);
    return search.found;
}
