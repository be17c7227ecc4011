/* SPDX-License-Identifier: MIT
 *
 * The estimate of clocks, on simulated worlds: we know what each clock really shows.
 *
 * A world has machines, each with a clock: an offset, a drift, steps.  Packets go between them with a different delay for
 * each direction, and queues.  Then two things must hold.  Events of one moment on two machines are shown no further apart
 * than the stated errors.  And no packet is shown as received before it was sent. */
#include "clocks.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000.0
#define BEGIN_NS UINT64_C(1790000000000000000)
#define MACHINES_MAX 6
#define STEPS_MAX 3
#define PACKETS_MAX 40000
#define CASES 100

/* ---- chance, the same every time ---- */

static uint64_t chance_state;

static double chance(void) { /* in [0, 1) */
    chance_state = chance_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t mixed = chance_state ^ chance_state >> 33;
    mixed *= UINT64_C(0xff51afd7ed558ccd);
    mixed ^= mixed >> 33;
    return (double)(mixed >> 11) / 9007199254740992.0;
}

static double between(double low, double high) { return low + chance() * (high - low); }
static double queue(double mean) { return -mean * log(1 - chance()); }

/* ---- a world ---- */

struct machine {
    double offset_ns, drift; /* 1e-6: 1 us a second */
    unsigned step_count;
    double step_at[STEPS_MAX], step_by[STEPS_MAX]; /* ns since the beginning, in order; ns */
};

struct path {
    double delay_ns, queue_ns; /* the minimum of each packet; the average is higher */
    double share;              /* of all packets */
    unsigned from, to;
};

struct world {
    struct machine machines[MACHINES_MAX];
    unsigned machine_count, path_count;
    struct path paths[MACHINES_MAX * MACHINES_MAX];
    double length_ns;
    size_t packet_count;
    double late_share, late_ns; /* sends recorded late, by up to this much */
};

static struct clocks_packet packets[PACKETS_MAX];
static bool is_late[PACKETS_MAX];

static uint64_t raw_of(const struct machine *machine, double true_ns) {
    double ahead = machine->offset_ns + machine->drift * true_ns;
    for (unsigned i = 0; i < machine->step_count; i++)
        if (true_ns >= machine->step_at[i]) ahead += machine->step_by[i];
    return BEGIN_NS + (uint64_t)(int64_t)llround(true_ns) + (uint64_t)(int64_t)llround(ahead);
}

static void add_both(struct world *world, unsigned a, unsigned b, double delay_ns, double queue_ns) {
    double other_ns = delay_ns * between(0.7, 1.4);
    world->paths[world->path_count++] = (struct path){delay_ns, queue_ns * between(0.1, 3), between(0.2, 1), a, b};
    world->paths[world->path_count++] = (struct path){other_ns, queue_ns * between(0.1, 3), between(0.2, 1), b, a};
}

static unsigned choose_path(const struct world *world) {
    double sum = 0;
    for (unsigned i = 0; i < world->path_count; i++) sum += world->paths[i].share;
    double at = chance() * sum;
    unsigned path = 0;
    while (path + 1 < world->path_count && (at -= world->paths[path].share) >= 0) path++;
    return path;
}

/* Orders are true time: what a traced sees. */
static struct clocks *estimate(const struct world *world) {
    struct clocks *clocks;
    for (size_t i = 0; i < world->packet_count; i++) {
        const struct path *path = &world->paths[choose_path(world)];
        double sent = between(0, world->length_ns), received = sent + path->delay_ns + queue(path->queue_ns);
        is_late[i] = chance() < world->late_share;
        double noted = sent + (is_late[i] ? between(0, world->late_ns) : 0);
        packets[i] = (struct clocks_packet){.from = path->from,
                                            .to = path->to,
                                            .sent_ns = raw_of(&world->machines[path->from], noted),
                                            .received_ns = raw_of(&world->machines[path->to], received),
                                            .sent_order = (uint64_t)noted + 1,
                                            .received_order = (uint64_t)received + 1};
    }
    ck_assert_int_eq(clocks_create(&clocks, world->machine_count, packets, world->packet_count), 0);
    return clocks;
}

static uint64_t shown(const struct world *world, const struct clocks *clocks, unsigned machine, double true_ns) {
    return clocks_time(clocks, machine, (uint64_t)true_ns + 1, raw_of(&world->machines[machine], true_ns));
}

static bool is_near_step(const struct world *world, double true_ns) {
    for (unsigned i = 0; i < world->machine_count; i++)
        for (unsigned k = 0; k < world->machines[i].step_count; k++)
            if (fabs(true_ns - world->machines[i].step_at[k]) < world->length_ns / 20) return true;
    return false;
}

/* Are a moment's events on all machines shown within the stated errors?  *ret_widest: of the errors. */
static bool is_right_at(const struct world *world, const struct clocks *clocks, double true_ns, double *ret_widest) {
    bool right = true;
    for (unsigned a = 0; a < world->machine_count; a++)
        for (unsigned b = a + 1; b < world->machine_count; b++) {
            struct clocks_lead lead_a, lead_b;
            uint64_t at_a = shown(world, clocks, a, true_ns), at_b = shown(world, clocks, b, true_ns);
            clocks_lead(clocks, a, at_a, &lead_a);
            clocks_lead(clocks, b, at_b, &lead_b);
            double error = (double)(lead_a.error_ns + lead_b.error_ns), off = fabs((double)(int64_t)(at_a - at_b));
            right &= off <= error && (lead_a.known || lead_a.is_reference) && (lead_b.known || lead_b.is_reference);
            if (error > *ret_widest) *ret_widest = error;
            if (getenv("CLOCKS_TALK") && off > error)
                printf("# at %.3f s: %u and %u are %.0f ns apart, stated %.0f\n", true_ns / SECOND, a, b, off, error);
        }
    return right;
}

/* One in a thousand packets, and none recorded late, may be shown as received before it was sent. */
static bool keeps_causes(const struct world *world, const struct clocks *clocks) {
    size_t wrong = 0;
    for (size_t i = 0; i < world->packet_count; i++) {
        const struct clocks_packet *packet = &packets[i];
        uint64_t sent = clocks_time(clocks, packet->from, packet->sent_order, packet->sent_ns);
        uint64_t received = clocks_time(clocks, packet->to, packet->received_order, packet->received_ns);
        wrong += !is_late[i] && received < sent;
    }
    return wrong <= world->packet_count / 1000;
}

static bool is_right(const struct world *world, const struct clocks *clocks, double *ret_widest) {
    bool right = keeps_causes(world, clocks);
    for (unsigned i = 0; i < 40; i++) {
        double true_ns = between(0, world->length_ns);
        if (!is_near_step(world, true_ns)) right &= is_right_at(world, clocks, true_ns, ret_widest);
    }
    return right;
}

/* ---- kinds of worlds ---- */

static void begin_world(struct world *world, unsigned machine_count) {
    *world = (struct world){.machine_count = machine_count,
                            .length_ns = pow(10, between(0, 4)) * SECOND,
                            .packet_count = (size_t)pow(10, between(2.3, 4))};
    for (unsigned i = 0; i < machine_count; i++) {
        world->machines[i].offset_ns = between(-1, 1) * pow(10, between(3, 13.5)); /* up to nine hours */
        world->machines[i].drift = between(-1, 1) * 1e-4;
    }
}

static void two_machines(struct world *world) {
    begin_world(world, 2);
    add_both(world, 0, 1, pow(10, between(4, 8)), pow(10, between(3, 8)));
}

static void late_sends(struct world *world) {
    two_machines(world);
    world->late_share = 0.004;
    world->late_ns = pow(10, between(5, 8));
}

static void chain(struct world *world) {
    begin_world(world, 3);
    add_both(world, 0, 1, pow(10, between(4, 7)), pow(10, between(3, 7)));
    add_both(world, 1, 2, pow(10, between(4, 7)), pow(10, between(3, 7)));
}

static void everybody(struct world *world) {
    begin_world(world, 5);
    world->packet_count = 4 * world->packet_count < PACKETS_MAX ? 4 * world->packet_count : PACKETS_MAX;
    for (unsigned a = 0; a < 5; a++)
        for (unsigned b = a + 1; b < 5; b++) add_both(world, a, b, pow(10, between(4, 7)), pow(10, between(3, 7)));
}

/* Far more than the uncertainty that the packets leave. */
static void step_midway(struct world *world) {
    two_machines(world);
    struct machine *machine = &world->machines[chance() < 0.5];
    machine->step_count = 1;
    machine->step_at[0] = between(0.3, 0.7) * world->length_ns;
    machine->step_by[0] =
        (chance() < 0.5 ? -1 : 1) * (20 * (world->paths[0].delay_ns + 3 * world->paths[0].queue_ns) + pow(10, between(6, 12.5)));
}

static void steps_of_many(struct world *world) {
    everybody(world);
    world->packet_count = world->packet_count < 4000 ? 4000 : world->packet_count;
    for (unsigned i = 0; i < 3; i++) {
        struct machine *machine = &world->machines[i + 1];
        machine->step_count = 1;
        machine->step_at[0] = (0.2 + 0.25 * i) * world->length_ns;
        machine->step_by[0] = (i % 2 ? -1 : 1) * pow(10, between(9.7, 12.5));
    }
}

static const struct {
    const char *name;
    void (*make)(struct world *world);
    unsigned right_min;
} kinds[] = {
    {"two machines", two_machines, 99}, {"late sends", late_sends, 99},   {"chain", chain, 99},
    {"everybody", everybody, 99},       {"step midway", step_midway, 99}, {"steps of many", steps_of_many, 99},
};

START_TEST(stated_errors_hold_and_causes_come_first) {
    unsigned right = 0;
    chance_state = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(_i + 1);
    for (unsigned i = 0; i < CASES; i++) {
        struct world world;
        double widest = 0;
        kinds[_i].make(&world);
        struct clocks *clocks = estimate(&world);
        bool is = is_right(&world, clocks, &widest);
        right += is;
        if (!is && getenv("CLOCKS_TALK"))
            printf("# %s, case %u: %zu packets in %.1f s, widest error %.0f\n", kinds[_i].name, i, world.packet_count,
                   world.length_ns / SECOND, widest);
        clocks_destroy(clocks);
    }
    ck_assert_msg(right >= kinds[_i].right_min, "%s: %u of %u", kinds[_i].name, right, CASES);
}
END_TEST

/* ---- what is known, and what is not ---- */

static void send(unsigned from, unsigned to, double at_ns, double delay_ns, const struct world *world, size_t *count) {
    packets[(*count)++] = (struct clocks_packet){.from = from,
                                                 .to = to,
                                                 .sent_ns = raw_of(&world->machines[from], at_ns),
                                                 .received_ns = raw_of(&world->machines[to], at_ns + delay_ns),
                                                 .sent_order = (uint64_t)at_ns + 1,
                                                 .received_order = (uint64_t)(at_ns + delay_ns) + 1};
}

static struct clocks_lead lead_of(const struct clocks *clocks, unsigned machine) {
    struct clocks_lead lead;
    clocks_lead(clocks, machine, BEGIN_NS + (uint64_t)(5 * SECOND), &lead);
    return lead;
}

/* Machine 1 is two hours ahead. */
static struct clocks *two_hours(bool there, bool back, size_t each) {
    struct world world = {.machines = {{.offset_ns = 0}, {.offset_ns = 7200 * SECOND}}};
    struct clocks *clocks;
    size_t count = 0;
    for (size_t i = 0; i < each; i++) {
        double at_ns = 10 * SECOND * (double)i / (double)each;
        if (there) send(0, 1, at_ns, 2e6, &world, &count);
        if (back) send(1, 0, at_ns + 1e6, 4e6, &world, &count);
    }
    ck_assert_int_eq(clocks_create(&clocks, 2, packets, count), 0);
    return clocks;
}

START_TEST(two_directions_give_a_lead_with_half_the_round_trip_as_error) {
    struct clocks *clocks = two_hours(true, true, 1000);
    struct clocks_lead lead = lead_of(clocks, 1), reference = lead_of(clocks, 0);
    ck_assert(lead.known && !lead.is_reference && lead.reference == 0 && !lead.apart);
    ck_assert_int_le(llabs(lead.lead_ns - (int64_t)(7200 * SECOND - 1e6)), 1000); /* the longer way back looks like a lag */
    ck_assert_uint_ge(lead.error_ns, 3000000);
    ck_assert_uint_le(lead.error_ns, 3010000);
    ck_assert_uint_eq(lead.packets, 2000);
    ck_assert(reference.is_reference && !reference.known && reference.lead_ns == 0 && reference.error_ns == 0);
    clocks_destroy(clocks);
}
END_TEST

START_TEST(one_direction_gives_a_bound_and_corrects_nothing) {
    for (int there = 0; there < 2; there++) {
        struct clocks *clocks = two_hours(there, !there, 100);
        struct clocks_lead lead = lead_of(clocks, 1);
        ck_assert(!lead.known && !lead.is_reference && lead.reference == CLOCKS_NOBODY);
        ck_assert(lead.beside == 0 && lead.has_most == there && lead.has_least == !there);
        ck_assert_int_eq(there ? lead.most_ns : lead.least_ns, (int64_t)(7200 * SECOND + (there ? 2e6 : -4e6)));
        struct clocks_lead other = lead_of(clocks, 0);
        ck_assert(other.beside == 1 && other.has_least == there && other.has_most == !there);
        ck_assert_uint_eq(clocks_time(clocks, 1, 1, BEGIN_NS + 12345), BEGIN_NS + 12345);
        clocks_destroy(clocks);
    }
}
END_TEST

START_TEST(without_packets_nothing_is_known) {
    struct clocks *clocks = two_hours(false, false, 1);
    struct clocks_lead lead = lead_of(clocks, 1);
    ck_assert(!lead.known && !lead.is_reference && lead.beside == CLOCKS_NOBODY && lead.reference == CLOCKS_NOBODY);
    ck_assert_uint_eq(clocks_time(clocks, 1, 1, BEGIN_NS), BEGIN_NS);
    clocks_destroy(clocks);
    ck_assert_int_eq(clocks_create(&clocks, 0, NULL, 0), 0);
    clocks_destroy(clocks);
}
END_TEST

START_TEST(one_packet_each_way_is_enough) {
    struct clocks *clocks = two_hours(true, true, 1);
    struct clocks_lead lead = lead_of(clocks, 1);
    ck_assert(lead.known);
    ck_assert_uint_ge(lead.error_ns, 3000000);
    ck_assert_int_le(llabs(lead.lead_ns - (int64_t)(7200 * SECOND)), (int64_t)lead.error_ns);
    clocks_destroy(clocks);
}
END_TEST

START_TEST(groups_that_never_talk_have_a_reference_each) {
    struct world world = {.machines = {{0}, {.offset_ns = SECOND}, {.offset_ns = 5 * SECOND}, {.offset_ns = 9 * SECOND}, {0}}};
    struct clocks *clocks;
    size_t count = 0;
    for (unsigned i = 0; i < 600; i++) {
        double at_ns = 10 * SECOND * i / 600;
        send(1, 0, at_ns, 1e6, &world, &count);
        send(0, 1, at_ns, 1e6, &world, &count);
        if (i % 2) continue;
        send(2, 3, at_ns, 1e6, &world, &count);
        send(3, 2, at_ns, 1e6, &world, &count);
    }
    ck_assert_int_eq(clocks_create(&clocks, 5, packets, count), 0);
    ck_assert(lead_of(clocks, 0).is_reference && !lead_of(clocks, 0).apart && !lead_of(clocks, 1).apart);
    ck_assert(lead_of(clocks, 2).is_reference && lead_of(clocks, 2).apart && lead_of(clocks, 3).apart);
    ck_assert(lead_of(clocks, 1).reference == 0 && lead_of(clocks, 3).reference == 2);
    ck_assert_int_le(llabs(lead_of(clocks, 3).lead_ns - (int64_t)(4 * SECOND)), 1000000);
    ck_assert(!lead_of(clocks, 4).known && lead_of(clocks, 4).reference == CLOCKS_NOBODY);
    clocks_destroy(clocks);
}
END_TEST

START_TEST(a_step_is_reported_with_its_size) {
    struct world world = {.machine_count = 2, .length_ns = 100 * SECOND, .packet_count = 4000};
    chance_state = 5;
    add_both(&world, 0, 1, 1e6, 1e6);
    world.machines[1] = (struct machine){.drift = 5e-5, .step_count = 1, .step_at = {60 * SECOND}, .step_by = {-40 * SECOND}};
    struct clocks *clocks = estimate(&world);
    struct clocks_step step;
    ck_assert(clocks_step(clocks, 1, 0, &step) && !clocks_step(clocks, 1, 1, &step) && !clocks_step(clocks, 0, 0, &step));
    ck_assert(clocks_step(clocks, 1, 0, &step));
    ck_assert_int_le(llabs(step.by_ns + (int64_t)(40 * SECOND)), 1000000);
    ck_assert_int_le(llabs((int64_t)(step.before_ns - BEGIN_NS) - (int64_t)(60 * SECOND)), (int64_t)(SECOND / 2));
    ck_assert_uint_le(step.before_ns, step.after_ns);
    ck_assert(clocks_is_one(clocks, 1, 1, (uint64_t)(50 * SECOND)) && !clocks_is_one(clocks, 1, 1, (uint64_t)(90 * SECOND)));
    struct clocks_lead lead;
    clocks_lead(clocks, 1, BEGIN_NS + (uint64_t)(10 * SECOND), &lead);
    ck_assert(fabs(lead.drift - 5e-5) < 1e-5 && lead.steps == 1);
    clocks_destroy(clocks);
}
END_TEST

/* ---- as formulas ---- */

static uint64_t shown_by(const struct clocks_formula *formulas, size_t count, uint64_t own_ns) {
    size_t i = 0;
    while (i + 1 < count && own_ns >= formulas[i].before_ns) i++;
    const struct clocks_formula *formula = &formulas[i];
    if (formula->same) return own_ns;
    double behind = ((double)(int64_t)(own_ns - formula->minus_ns) - formula->at) / formula->pace;
    return formula->plus_ns + (uint64_t)(int64_t)((behind < 0 ? -1 : 1) * floor(fabs(behind) + 0.5));
}

static void check_formulas(const struct clocks *clocks, unsigned machine, uint64_t later_ns, uint64_t from_ns, uint64_t to_ns) {
    struct clocks_formula *formulas;
    size_t count;
    ck_assert_int_eq(clocks_formulas(clocks, machine, later_ns, &formulas, &count), 0);
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_eq(formulas[count - 1].before_ns, UINT64_MAX);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t own_ns = from_ns + (uint64_t)(chance() * (double)(to_ns - from_ns));
        bool within = false; /* the bounds of one of the clocks */
        if (i < 5 * (count - 1)) own_ns = formulas[i / 5].before_ns + i % 5 - 2;
        uint64_t shown_ns = clocks_time(clocks, machine, own_ns + later_ns, own_ns);
        ck_assert_uint_eq(shown_by(formulas, count, own_ns), shown_ns);
        for (uint32_t clock = 0; clock < clocks_count(clocks); clock++) {
            uint64_t least = shown_ns, greatest = shown_ns;
            clocks_unwiden(clocks, clock, &least, &greatest);
            within |= least <= own_ns && own_ns <= greatest;
        }
        ck_assert(within);
    }
    free(formulas);
}

START_TEST(formulas_show_the_same_times_where_orders_are_times_plus_a_constant) {
    unsigned parts = 0;
    chance_state = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(_i + 1);
    for (unsigned i = 0; i < CASES / 20; i++) {
        struct world world;
        struct clocks *clocks;
        kinds[_i].make(&world);
        clocks_destroy(estimate(&world));
        uint64_t least = UINT64_MAX, greatest = 0;
        for (size_t k = 0; k < world.packet_count; k++) {
            struct clocks_packet *packet = &packets[k];
            packet->sent_order = packet->sent_ns;
            packet->received_order = packet->received_ns;
            if (packet->sent_ns < least) least = packet->sent_ns;
            if (packet->received_ns > greatest) greatest = packet->received_ns;
        }
        ck_assert_int_eq(clocks_create(&clocks, world.machine_count, packets, world.packet_count), 0);
        for (unsigned m = 0; m < world.machine_count; m++) {
            check_formulas(clocks, m, 0, least, greatest);
            check_formulas(clocks, m, (uint64_t)(chance() * (double)(greatest - least)), least, greatest);
            check_formulas(clocks, m, UINT64_C(1) << 62, least, greatest);
            struct clocks_step step;
            parts += clocks_step(clocks, m, 0, &step);
        }
        clocks_destroy(clocks);
    }
    if (kinds[_i].make == step_midway || kinds[_i].make == steps_of_many) ck_assert_uint_gt(parts, 0);
}
END_TEST

/* Machine 1 is two hours ahead; some of the sends of machine 0 are recorded late: every `of`th, beginning with the first.
 * The steps are of both. */
static struct clocks_lead lead_with_late(size_t each, size_t of, double late_ns) {
    struct world world = {.machines = {{.offset_ns = 0}, {.offset_ns = 7200 * SECOND}}};
    struct clocks *clocks;
    size_t count = 0;
    for (size_t i = 0; i < each; i++) {
        double at_ns = 10 * SECOND * (double)i / (double)each;
        send(0, 1, at_ns, 2e6, &world, &count);
        if (i % of == 0) packets[count - 1].sent_ns += (uint64_t)late_ns;
        send(1, 0, at_ns + 1e6, 2e6, &world, &count);
    }
    ck_assert_int_eq(clocks_create(&clocks, 2, packets, count), 0);
    struct clocks_lead lead = lead_of(clocks, 1);
    lead.steps += lead_of(clocks, 0).steps;
    clocks_destroy(clocks);
    return lead;
}

START_TEST(one_wrong_packet_moves_nothing_even_if_it_is_the_first) {
    struct clocks_lead lead = lead_with_late(100, 100, SECOND / 2);
    ck_assert(lead.known && lead.steps == 0);
    ck_assert_int_le(llabs(lead.lead_ns - (int64_t)(7200 * SECOND)), 10000);
    ck_assert_uint_le(lead.error_ns, 2100000); /* half of the round trip is 2 ms, the wrong packet is off by 500 */
}
END_TEST

/* All bounds of one direction meet in one corner of the region of possible lines. */
START_TEST(packets_with_equal_delays_leave_half_the_round_trip_as_error) {
    for (size_t each = 10; each <= 10000; each *= 10) {
        struct clocks_lead lead = lead_with_late(each, each, 0);
        ck_assert(lead.known && lead.steps == 0);
        ck_assert_int_le(llabs(lead.lead_ns - (int64_t)(7200 * SECOND)), 1000);
        ck_assert_uint_ge(lead.error_ns, 2000000);
        ck_assert_uint_le(lead.error_ns, 2003000);
    }
}
END_TEST

START_TEST(many_wrong_packets_are_a_doubt) {
    struct clocks_lead lead = lead_with_late(1000, 10, 9e6);
    ck_assert(lead.known && lead.steps == 0);
    ck_assert_int_le(llabs(lead.lead_ns - (int64_t)(7200 * SECOND)), 1000000);
    ck_assert_uint_ge(lead.error_ns, 6000000); /* by which they contradict the others, in addition to half of the round trip */
}
END_TEST

/* A bound on the error, so that it is not correct merely by being wide. */
START_TEST(the_error_is_at_most_a_round_trip) {
    chance_state = 77;
    for (unsigned i = 0; i < CASES; i++) {
        struct world world;
        double widest = 0;
        two_machines(&world);
        world.packet_count = 4000;
        struct clocks *clocks = estimate(&world);
        double ways_ns = 0;
        for (unsigned k = 0; k < 2; k++) ways_ns += world.paths[k].delay_ns + 0.1 * world.paths[k].queue_ns;
        (void)is_right_at(&world, clocks, world.length_ns / 2, &widest);
        ck_assert_msg(widest < ways_ns + 2000, "case %u: %.0f of %.0f", i, widest, ways_ns);
        clocks_destroy(clocks);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clocks");
    TCase *tests = tcase_create("clocks");
    tcase_add_loop_test(tests, stated_errors_hold_and_causes_come_first, 0, sizeof kinds / sizeof *kinds);
    tcase_add_test(tests, two_directions_give_a_lead_with_half_the_round_trip_as_error);
    tcase_add_test(tests, one_direction_gives_a_bound_and_corrects_nothing);
    tcase_add_test(tests, without_packets_nothing_is_known);
    tcase_add_test(tests, one_packet_each_way_is_enough);
    tcase_add_test(tests, groups_that_never_talk_have_a_reference_each);
    tcase_add_test(tests, a_step_is_reported_with_its_size);
    tcase_add_loop_test(tests, formulas_show_the_same_times_where_orders_are_times_plus_a_constant, 0,
                        sizeof kinds / sizeof *kinds);
    tcase_add_test(tests, one_wrong_packet_moves_nothing_even_if_it_is_the_first);
    tcase_add_test(tests, packets_with_equal_delays_leave_half_the_round_trip_as_error);
    tcase_add_test(tests, many_wrong_packets_are_a_doubt);
    tcase_add_test(tests, the_error_is_at_most_a_round_trip);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
