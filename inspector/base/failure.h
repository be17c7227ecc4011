/* SPDX-License-Identifier: MIT
 *
 * Why something did not work: one line for the user, and the program's exit code. */
#ifndef INSPECTOR_FAILURE_H
#define INSPECTOR_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,    /* refused by traced, not found, connection lost, output failed */
    EXIT_USAGE = 2,     /* the command line is wrong, whoever finds it so: we, or the source that gets a value of it */
    EXIT_NOT_THERE = 3, /* no traced answers: none is running, or it is stopped */
    EXIT_OTHERWISE = 4, /* --exit-code: analyze found something, or another command found nothing */
    EXIT_UNJUDGED = 5,  /* --exit-code, and doctor: it could not be judged */
    EXIT_CODES
};

struct failure {
    enum exit_code code;
    bool disconnected; /* traced went away: reconnecting may help */
    bool reader_gone;  /* the reader of our output went away: nothing is said */
    int64_t rpc_code;  /* of an error answer; otherwise 0 */
    char param[16];    /* the param that an error answer is about; empty: none */
    char value[64];    /* what was asked with it, if that is a text or a number */
    struct {
        bool is_wrong;           /* the filter is wrong; where, in bytes of its text */
        size_t position, length; /* as traced reported */
        const char *text;        /* its text; NULL: that of --where */
    } filter;
    char text[768];
};

/* Fills in a failure.  Always returns -1. */
int failure_set(struct failure *failure, enum exit_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A filter is wrong, at these bytes of the text that the user gave.  suggestion: what to write instead; NULL or empty: nothing
 * is known.  Always returns -1. */
int failure_set_filter(struct failure *failure, size_t position, size_t length, const char *reason, const char *suggestion);

/* Fills in the failure of a write to `what`.  error: its errno; EPIPE: the reader has gone, which ends the program with EXIT_OK.
 * Always returns -1. */
int failure_of_write(struct failure *failure, const char *what, int error);

/* Checks that what a user wrote into a file has no NUL byte: what follows one would be ignored.  bytes: of text.  Returns 0, or
 * -1 with the failure NAME:LINE. */
int failure_check_text(struct failure *failure, enum exit_code code, const char *name, const char *text, size_t bytes);

/* Appends "; did you mean WORD?"; nothing for NULL.  Always returns -1. */
int failure_suggest(struct failure *failure, const char *word);

/* As a time to wait in milliseconds, or a deadline. */
#define WAIT_FOREVER UINT64_MAX

/* "out of memory".  Always returns -1. */
int failure_out_of_memory(struct failure *failure);

#endif
