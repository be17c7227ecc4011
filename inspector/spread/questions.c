/* SPDX-License-Identifier: MIT */
#include "questions.h"

#include "allocation.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

static int add_question(struct questions *questions, const struct question *question) {
    struct question *items = memory_room(questions->items, questions->count, &questions->capacity, sizeof *items);
    if (!items) return -ENOMEM;
    questions->items = items;
    questions->items[questions->count++] = *question;
    return 0;
}

/* ---- spans ---- */

/* The span on the asked node that a question caused. */
static const struct span *served_by(const struct spans *spans, const struct span *asks) {
    for (size_t i = asks->first_child; i != NO_POSITION; i = spans->items[i].next_sibling)
        if (spans->items[i].node == asks->peer) return &spans->items[i];
    return NULL;
}

static enum answer answer_of(const struct spans *spans, const struct span *span) {
    const struct span *parent = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
    if (span->end != NO_POSITION) return span->ok ? ANSWER_OK : span->expired ? ANSWER_EXPIRED : ANSWER_FAILED;
    return parent && parent->end != NO_POSITION ? ANSWER_NEVER : ANSWER_OPEN;
}

/* A parent that asks the same node is the question itself.  A parent waits until the span ends; we need both ends to know. */
static bool is_waited_for(const struct span *parent, const struct span *span) {
    if (parent->node == span->node || (parent->asks && parent->peer == span->node)) return false;
    return parent->end != NO_POSITION && span->end != NO_POSITION && span->end_ns <= parent->end_ns;
}

/* When the parent asked, and how long until it had its answer.  Includes the time there and back if the transport shows it. */
static void time_question(struct question *question, const struct transports *transports, const struct span *parent,
                          const struct span *span) {
    struct way way;
    way_find(&way, transports, parent, span, parent->start_ns, parent->end_ns);
    if (way.asked_known && way.asked_ns <= span->start_ns) question->asked_ns = way.asked_ns;
    question->took_ns = (way.gone ? span->end_ns : way.returned_ns) - question->asked_ns;
}

int questions_of_spans(struct questions *questions, const struct trace_events *events, const struct spans *spans,
                       const struct transports *transports, const bool *traced) {
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i], *parent = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
        bool direct = !span->asks && parent && is_waited_for(parent, span);
        if (span->start == NO_POSITION || (!span->asks && !direct)) continue;
        const struct span *served = direct ? span : served_by(spans, span);
        struct question question = {.asker = direct ? parent->node : span->node,
                                    .asked = direct ? span->node : span->peer,
                                    .command = trace_event_at(events, span->start)->command,
                                    .answer = answer_of(spans, span),
                                    .asked_ns = span->start_ns,
                                    .arrived = served,
                                    .sends = 1};
        question.traced = traced[question.asked];
        if (direct)
            time_question(&question, transports, parent, span);
        else if (span->end != NO_POSITION)
            question.took_ns = span->end_ns - span->start_ns;
        if (served && served->start != NO_POSITION && served->end != NO_POSITION &&
            facts_steady(events->facts, served->start_ns, served->end_ns))
            question.work_ns = served->end_ns - served->start_ns;
        question.untimed = !facts_steady(events->facts, question.asked_ns, question.asked_ns + question.took_ns);
        if (add_question(questions, &question)) return -ENOMEM;
    }
    return 0;
}

/* ---- messages ---- */

/* The ends of messages of one id over one transport, in time order. */
struct same_id {
    const struct fact **ends;
    size_t count;
};

#define SAME_ID_MAX 4096 /* an id with this many ends is not a question's */

static int compare_ends(const void *left, const void *right) {
    const struct fact *a = *(const struct fact *const *)left, *b = *(const struct fact *const *)right;
    int order = compare_numbers(a->number, b->number);
    if (!order) order = compare_numbers(a->space, b->space);
    return order ? order : compare_numbers((uint64_t)(uintptr_t)a, (uint64_t)(uintptr_t)b); /* in time order */
}

/* Not compared by trace: it may not have been sent with the message. */
static bool may_be_of_one_trace(const struct fact *a, const struct fact *b) {
    return a->trace == b->trace || a->trace == NO_NUMBER || b->trace == NO_NUMBER;
}

/* The first answer received by the asker, or NULL: from the asked node, of another type. */
static const struct fact *find_answer(const struct same_id *same, size_t sent) {
    const struct fact *asked = same->ends[sent];
    for (size_t i = sent + 1; i < same->count; i++) {
        const struct fact *fact = same->ends[i];
        if (fact->kind == FACT_MESSAGE_RECEIVED && fact->node == asked->node && fact->peer == asked->peer &&
            fact->command != asked->command && may_be_of_one_trace(fact, asked))
            return fact;
    }
    return NULL;
}

static bool is_same_send(const struct fact *a, const struct fact *b) {
    return a->kind == FACT_MESSAGE_SENT && b->kind == FACT_MESSAGE_SENT && a->node == b->node && a->peer == b->peer &&
           a->command == b->command && may_be_of_one_trace(a, b);
}

/* How often it was sent from that time on; 0 if it was sent before. */
static unsigned count_sends(const struct same_id *same, size_t sent) {
    unsigned count = 0;
    for (size_t i = 0; i < sent; i++)
        if (is_same_send(same->ends[i], same->ends[sent])) return 0;
    for (size_t i = sent; i < same->count; i++) count += is_same_send(same->ends[i], same->ends[sent]);
    return count;
}

static bool has_arrived(const struct same_id *same, size_t sent) {
    const struct fact *own = same->ends[sent];
    for (size_t i = 0; i < same->count; i++) {
        const struct fact *fact = same->ends[i];
        if (fact->kind == FACT_MESSAGE_RECEIVED && fact->node == own->peer && fact->command == own->command &&
            (fact->peer == own->node || fact->peer == NO_NUMBER))
            return true;
    }
    return false;
}

/* Does a question that a span asked have the message already? */
static bool is_known(const struct questions *questions, size_t count, const struct fact *sent) {
    for (size_t i = 0; i < count; i++)
        if (questions->items[i].asker == sent->node && questions->items[i].asked == sent->peer) return true;
    return false;
}

/* What is needed from all facts. */
struct asking {
    const bool *traced;
    uint64_t *ended_ns; /* by node: its last end of a span */
    bool *questions;    /* by type: it gets answers */
    bool *answers;      /* by type: it is an answer, never a question, even if it gets answers itself */
    size_t spans;       /* questions that spans asked */
};

static bool may_ask(const struct asking *asking, const struct fact *fact) {
    return fact->kind == FACT_MESSAGE_SENT && fact->command != NO_NUMBER && fact->peer != NO_NUMBER &&
           !asking->answers[fact->command];
}

static int learn_types(struct questions *questions, struct asking *asking, const struct same_id *same) {
    (void)questions;
    for (size_t i = 0; i < same->count; i++) {
        const struct fact *answer = may_ask(asking, same->ends[i]) ? find_answer(same, i) : NULL;
        if (!answer) continue;
        asking->questions[same->ends[i]->command] = true;
        if (answer->command != NO_NUMBER) asking->answers[answer->command] = true;
    }
    return 0;
}

static int add_messages(struct questions *questions, struct asking *asking, const struct same_id *same) {
    for (size_t i = 0; i < same->count; i++) {
        const struct fact *fact = same->ends[i];
        unsigned sends;
        if (!may_ask(asking, fact) || !asking->questions[fact->command] || is_known(questions, asking->spans, fact) ||
            !(sends = count_sends(same, i)))
            continue;
        const struct fact *answer = find_answer(same, i);
        const struct question question = {.asker = fact->node,
                                          .asked = fact->peer,
                                          .command = fact->command,
                                          .answer = answer                                          ? ANSWER_OK
                                                    : asking->ended_ns[fact->node] >= fact->time_ns ? ANSWER_NEVER
                                                                                                    : ANSWER_OPEN,
                                          .asked_ns = fact->time_ns,
                                          .took_ns = answer ? answer->time_ns - fact->time_ns : 0,
                                          .untimed = answer && answer->clock_steps != fact->clock_steps,
                                          .traced = asking->traced[fact->peer],
                                          .arrived = has_arrived(same, i),
                                          .sends = sends};
        if (add_question(questions, &question)) return -ENOMEM;
    }
    return 0;
}

static int for_each_id(struct questions *questions, struct asking *asking, const struct fact **ends, size_t count,
                       int (*take)(struct questions *questions, struct asking *asking, const struct same_id *same)) {
    size_t next;
    for (size_t i = 0; i < count; i = next) {
        for (next = i; next < count && ends[next]->number == ends[i]->number && ends[next]->space == ends[i]->space;) next++;
        const struct same_id same = {.ends = ends + i, .count = next - i};
        if (same.count <= SAME_ID_MAX && take(questions, asking, &same)) return -ENOMEM;
    }
    return 0;
}

static int compare_questions(const void *left, const void *right) {
    const struct question *a = left, *b = right;
    int order = compare_numbers(a->asked_ns, b->asked_ns);
    if (!order) order = compare_numbers(a->asker, b->asker);
    return order ? order : compare_numbers(a->asked, b->asked);
}

int questions_of_messages(struct questions *questions, const struct facts *facts, const bool *traced) {
    struct asking asking = {.traced = traced,
                            .ended_ns = calloc(intern_count(&facts->nodes) + 1, sizeof *asking.ended_ns),
                            .questions = calloc(intern_count(&facts->commands) + 1, sizeof *asking.questions),
                            .answers = calloc(intern_count(&facts->commands) + 1, sizeof *asking.answers),
                            .spans = questions->count};
    const struct fact **ends = calloc(facts->count + 1, sizeof *ends);
    size_t count = 0;
    int result = asking.ended_ns && asking.questions && asking.answers && ends ? 0 : -ENOMEM;
    for (size_t i = 0; !result && i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->kind == FACT_APP_END) asking.ended_ns[fact->node] = fact->time_ns;
        if (fact_is_message(fact)) ends[count++] = fact;
    }
    if (!result) qsort(ends, count, sizeof *ends, compare_ends);
    if (!result) result = for_each_id(questions, &asking, ends, count, learn_types);
    if (!result) result = for_each_id(questions, &asking, ends, count, add_messages);
    if (questions->count) qsort(questions->items, questions->count, sizeof *questions->items, compare_questions);
    free(asking.ended_ns);
    free(asking.questions);
    free(asking.answers);
    free(ends);
    return result;
}

void questions_fini(struct questions *questions) {
    free(questions->items);
    *questions = (struct questions){0};
}

const char *answer_name(enum answer answer) {
    static const char *const names[] = {[ANSWER_OK] = "ok",
                                        [ANSWER_FAILED] = "failed",
                                        [ANSWER_EXPIRED] = "expired",
                                        [ANSWER_NEVER] = "never",
                                        [ANSWER_OPEN] = "open"};
    return names[answer];
}
