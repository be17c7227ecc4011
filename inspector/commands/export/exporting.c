/* SPDX-License-Identifier: MIT */
#include "exporting.h"

#include "explanation.h"

int export_ask_nodes(struct exporting *exporting) {
    struct session *session = exporting->session;
    json_t *nodes;
    if (session_ask(session, "nodes", NULL, &nodes)) return -1;
    json_decref(exporting->nodes);
    exporting->nodes = nodes;
    exporting->settings.nodes = json_object_get(nodes, "nodes");
    return exporting->began ? export_name_nodes(&exporting->export, exporting->settings.nodes) : 0;
}

int export_start(struct exporting *exporting, int fd, const char *directory) {
    struct session *session = exporting->session;
    if (session_ask(session, "hello", NULL, &exporting->hello) || session_ask(session, "apps", NULL, &exporting->apps) ||
        export_ask_nodes(exporting) || (exporting->format->has_who && explanation_ask_who(session, &exporting->who)))
        return -1;
    exporting->settings.traced = exporting->hello;
    exporting->settings.apps = json_object_get(exporting->apps, "apps");
    exporting->settings.who = json_object_get(exporting->who, "who");
    exporting->began = true;
    if (export_begin(&exporting->export, exporting->format, &exporting->settings, fd, directory, &session->failure)) return -1;
    return export_name_nodes(&exporting->export, exporting->settings.nodes);
}
