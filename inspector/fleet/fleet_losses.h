/* SPDX-License-Identifier: MIT
 *
 * What never came into a fleet (table `losses`): recordings that were removed before they were shipped, or are damaged. */
#ifndef INSPECTOR_FLEET_LOSSES_H
#define INSPECTOR_FLEET_LOSSES_H

#include "clickhouse.h"

#define FLEET_LOSSES_TOLD 4 /* machines; of more, only how many */

/* Appends the statement that asks for it. */
void fleet_losses_put(struct strbuf *sql, const struct clickhouse *server);

/* Gives a line for each machine that lost some, as much as the answer knows.  Returns 0, or -1 with the failure. */
int fleet_losses_tell(const struct clickhouse_question *question, void (*note)(const char *text), struct failure *failure);

#endif
