/* SPDX-License-Identifier: MIT */
#include "render_clocks.h"

#include "json_get.h"
#include "limits.h"

#include <inttypes.h>
#include <proto/event_clock.h>
#include <string.h>

void render_host(struct strbuf *out, const struct facts *facts, unsigned host) {
    const char *name = node_clocks_host(&facts->clocks, host);
    if (name)
        text_untrusted(out, name, strlen(name), CELL_COLUMNS_MAX);
    else
        strbuf_puts(out, "a machine without a name");
}

static uint64_t size_of(int64_t number) { return number < 0 ? -(uint64_t)number : (uint64_t)number; }

/* The first node of a machine stands for all of them. */
static bool is_first(const struct node_clocks *clocks, unsigned node) {
    for (unsigned i = 0; i < node; i++)
        if (node_clocks_at(clocks, i) && clocks->items[i].machine == clocks->items[node].machine) return false;
    return true;
}

/* "carol's clock (on hill)", "the clocks of carol, dave (on hill)". */
static void whose(struct strbuf *out, const struct view *view, const struct facts *facts, unsigned node) {
    const struct node_clocks *clocks = &facts->clocks;
    unsigned machine = clocks->items[node].machine, count = 0;
    for (unsigned i = node; i < clocks->count; i++) count += node_clocks_at(clocks, i) && clocks->items[i].machine == machine;
    if (count > 1) strbuf_puts(out, "the clock of ");
    for (unsigned i = node, shown = 0; i < clocks->count && shown < VERDICTS_MAX; i++) {
        if (!node_clocks_at(clocks, i) || clocks->items[i].machine != machine) continue;
        if (shown++) strbuf_puts(out, ", ");
        names_node(out, view->names, facts_node(facts, i));
    }
    strbuf_puts(out, count > VERDICTS_MAX ? ", ... (on " : count > 1 ? " (on " : "'s clock (on ");
    render_host(out, facts, clocks->items[node].host);
    strbuf_puts(out, ")");
}

/* "3.20 ms ahead of hill's, ± 40.0 us". */
static void corrected(struct strbuf *out, const struct view *view, const struct facts *facts, const struct node_clock *clock) {
    if (clock->lead_ns) {
        text_duration(out, size_of(clock->lead_ns));
        strbuf_puts(out, clock->lead_ns < 0 ? " behind " : " ahead of ");
    } else {
        strbuf_puts(out, "as ");
    }
    render_host(out, facts, clock->reference_host);
    strbuf_puts(out, view->utf8 ? "'s, ± " : "'s, +- ");
    text_duration(out, clock->error_ns);
    strbuf_puts(out, ": its times are corrected");
    uint64_t changed_ns = size_of(clock->last_lead_ns - clock->lead_ns);
    if (changed_ns <= clock->error_ns) return;
    strbuf_puts(out, "; at the end it was ");
    text_duration(out, size_of(clock->last_lead_ns));
    strbuf_puts(out, clock->last_lead_ns < 0 ? " behind" : " ahead");
}

/* A lead of at most -2 s means: at least 2 s behind. */
static void bound(struct strbuf *out, bool most, int64_t lead_ns) {
    strbuf_puts(out, most == (lead_ns >= 0) ? "at most " : "at least ");
    text_duration(out, size_of(lead_ns));
    strbuf_puts(out, lead_ns < 0 ? " behind" : " ahead of");
}

static void not_known(struct strbuf *out, const struct facts *facts, const struct node_clock *clock) {
    strbuf_puts(out, "not known, and its times are not corrected: ");
    if (!clock->has_most && !clock->has_least) {
        strbuf_puts(out, "no packets that were seen at both ends link it to the others");
        return;
    }
    strbuf_puts(out, "packets were seen in one direction only; it is ");
    bound(out, clock->has_most, clock->has_most ? clock->most_ns : clock->least_ns);
    strbuf_puts(out, " ");
    render_host(out, facts, clock->beside_host);
    strbuf_puts(out, "'s");
}

static void tell(struct strbuf *out, const struct view *view, const struct facts *facts, unsigned node, bool known, bool apart) {
    const struct node_clock *clock = &facts->clocks.items[node];
    enum style style = known && !apart ? STYLE_DIM : STYLE_WARN;
    text_style_on(out, view->color, style);
    if (!known) strbuf_puts(out, "! ");
    whose(out, view, facts, node);
    strbuf_puts(out, " is ");
    if (known)
        corrected(out, view, facts, clock);
    else
        not_known(out, facts, clock);
    if (known && apart) strbuf_puts(out, "; how these two relate to the others is not known");
    text_style_off(out, view->color, style);
    strbuf_puts(out, "\n");
}

/* The machine that most others are measured against; if there is none, the first. */
static unsigned main_reference(const struct node_clocks *clocks) {
    unsigned first = NO_NUMBER;
    for (unsigned i = 0; i < clocks->count; i++) {
        const struct node_clock *clock = node_clocks_at(clocks, i);
        if (!clock || clock->reference == NO_NUMBER) continue;
        if (!clock->apart) return clock->reference;
        if (first == NO_NUMBER) first = clock->reference;
    }
    return first;
}

void render_clocks(struct strbuf *out, const struct view *view, const struct facts *facts) {
    const struct node_clocks *clocks = &facts->clocks;
    if (intern_count(&clocks->machines) < 2) return;
    unsigned reference = main_reference(clocks);
    for (unsigned i = 0; i < clocks->count; i++) {
        const struct node_clock *clock = node_clocks_at(clocks, i);
        if (!clock || !is_first(clocks, i)) continue;
        bool apart = clock->reference != reference, is_reference = clock->machine == clock->reference;
        if (!is_reference || apart) tell(out, view, facts, i, clock->reference != NO_NUMBER && !is_reference, apart);
    }
}

/* ---- steps of one machine's clock ---- */

/* The sum of the listed steps after one step number, up to another.  If several runs of traced recorded a number, the nearest
 * counts. */
static bool size_of_steps(const struct view *view, uint8_t after, uint8_t until, uint64_t near_ns, int64_t *ret_ns,
                          bool *ret_slept) {
    *ret_ns = 0;
    *ret_slept = false;
    for (uint8_t number = (uint8_t)(after + 1); number != (uint8_t)(until + 1); number++) {
        uint64_t best_ns = UINT64_MAX;
        const json_t *best = NULL, *step;
        size_t i;
        json_array_foreach(json_get_array(view->names->answer, "clock_steps"), i, step) {
            uint64_t before_ns = 0, distance_ns;
            if (json_get_count(step, "number") != number || !json_get_time(json_object_get(step, "before"), &before_ns)) continue;
            distance_ns = before_ns > near_ns ? before_ns - near_ns : near_ns - before_ns;
            if (distance_ns >= best_ns) continue;
            best_ns = distance_ns;
            best = step;
        }
        const json_t *size = json_object_get(best, "step");
        const char *kind = json_get_text(best, "kind");
        if (!json_is_integer(size)) return false;
        *ret_ns += json_integer_value(size);
        *ret_slept |= kind && !strcmp(kind, "sleep");
    }
    return true;
}

static void tell_step(struct strbuf *out, const struct view *view, const struct clock_seam *seam, uint64_t at_ns) {
    int64_t ns;
    bool slept;
    if (trace_clock_steps_before(seam->after, seam->before) ||
        !size_of_steps(view, seam->before, seam->after, at_ns, &ns, &slept)) {
        strbuf_puts(out, "the clock was stepped");
        return;
    }
    strbuf_puts(out, slept ? "the machine slept, or was stopped, for " : "the clock was set ");
    text_duration(out, size_of(ns));
    if (!slept) strbuf_puts(out, ns < 0 ? " back" : " forward");
}

void render_clock_steps(struct strbuf *out, const struct view *view, const struct facts *facts, uint64_t origin_ns,
                        uint64_t whole_ns, const char *rest) {
    for (size_t i = 0; i < facts->lines.seam_count && i < VERDICTS_MAX; i++) {
        const struct clock_seam *seam = &facts->lines.seams[i];
        uint64_t at_ns = clock_lines_unix(&facts->lines, seam->machine, seam->from_ns);
        text_style_on(out, view->color, STYLE_WARN);
        strbuf_puts(out, "! ");
        tell_step(out, view, seam, at_ns);
        strbuf_puts(out, " after ");
        if (origin_ns) {
            if (!facts_steady(facts, origin_ns, seam->from_ns)) strbuf_puts(out, "~");
            text_since(out, seam->from_ns - origin_ns, whole_ns);
        } else {
            text_time(out, at_ns, view->utc, true);
        }
        strbuf_printf(out, ": %s", rest);
        text_style_off(out, view->color, STYLE_WARN);
        strbuf_puts(out, "\n");
    }
    if (facts->lines.seam_count > VERDICTS_MAX)
        text_styled(out, view->color, STYLE_WARN, "! and %zu more steps\n", facts->lines.seam_count - VERDICTS_MAX);
}
