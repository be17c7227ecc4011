/* SPDX-License-Identifier: MIT
 *
 * A user's name and password in a file: one line, "user:password".  Neither command lines nor environments are secret. */
#ifndef INSPECTOR_LOGIN_FILE_H
#define INSPECTOR_LOGIN_FILE_H

#include "failure.h"

struct login {
    char user[128], password[256];
};

/* Reads the file.  It must be a plain file of this user or of root, which nobody else may read or write.  Returns 0, or -1 with
 * the failure.  The caller wipes what it no longer needs. */
int login_file_read(struct login *ret_login, const char *path, struct failure *failure);

#endif
