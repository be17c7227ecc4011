/* SPDX-License-Identifier: MIT
 *
 * The live stream.  Ctrl-C needs no handler: nothing is held back. */
#include "commands.h"
#include "show_stream.h"

int run_follow(struct session *session) {
    struct show_stream wish = {.source = session->inquiry.source,
                               .params_new = session_filter_new(session),
                               .wait_ms = option_number(session->options, OPTION_WAIT, WAIT_FOREVER),
                               .away = "traced went away; waiting for it to come back",
                               .reports_restart = true};
    return show_stream(session, &wish);
}
