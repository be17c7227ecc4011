/* SPDX-License-Identifier: MIT
 *
 * Which rings there are: watches the directory of shared-memory objects for names that begin with TRACE_SHM_PREFIX.
 *
 * inotify tells at once, a scan of the directory now and then tells what inotify did not (queue overflow, a kernel or sandbox
 * without it, a directory that was replaced).  Nothing is opened, so that nothing here can block on a FIFO or follow
 * a link.  Each name is told once when it comes and once when it goes, whatever told it.
 *
 * Anyone can make names in the directory.  Only those of files of one user are told and take room here, so that no other user
 * can use it up.
 *
 * No threads, no clock: the caller says when and what time it is.  Tests give it a directory of their own. */
#ifndef TRACED_DISCOVER_H
#define TRACED_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>

/* More names of the user's than this at once are not looked at until others have gone. */
#define DISCOVER_NAMES_MAX 8192

/* Between two scans: while inotify tells the news, and without it. */
#define DISCOVER_SCAN_WATCHED_NS UINT64_C(5000000000)
#define DISCOVER_SCAN_UNWATCHED_NS UINT64_C(100000000)

struct discover;

struct discover_handler {
    /* A name came.  *slot is the handler's own, NULL at first; it is given back when the name goes. */
    void (*appeared)(void *arg, const char *name, void **slot);
    void (*vanished)(void *arg, const char *name, void *slot);
    /* Someone who could write to the object has closed it for good: its node may have died.  Only a hint, from inotify alone;
     * it may come a moment before the node's lock is gone. */
    void (*closed)(void *arg, const char *name, void *slot);
    void *arg;
    uint32_t uid; /* whose files are told */
};

/* Names that were there at the last scan, or came since, and are not told. */
struct discover_refused {
    uint32_t left_out;  /* too many */
    uint32_t strangers; /* files of other users under names that are not theirs: a node's name has its user's id in it */
};

/* watch: false does without inotify.  Tells nothing yet: the first discover_run does the first scan.
 * Returns 0 or a negative errno when there is no such directory. */
int discover_create(struct discover **ret_discover, const char *dir, const struct discover_handler *handler, bool watch);

/* The names that are still there are not told as gone. */
void discover_destroy(struct discover *discover);

/* What to poll for reading, or -1 without inotify. */
int discover_fd(const struct discover *discover);

/* The directory, for opening what is in it. */
int discover_dir_fd(const struct discover *discover);

/* Tells the news.  Reads what inotify has (does not block), and scans the directory when that is due.  now_ns: CLOCK_MONOTONIC.
 */
void discover_run(struct discover *discover, bool readable, uint64_t now_ns);

/* Calls `each` for every name that is known, with the slot that appeared has set. */
void discover_each(struct discover *discover, void (*each)(void *arg, const char *name, void *slot));

/* How many names are known now, and how many are not told. */
uint32_t discover_count(const struct discover *discover);
struct discover_refused discover_refused(const struct discover *discover);

#endif
