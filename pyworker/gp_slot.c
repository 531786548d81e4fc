/*
 * gp_slot.c: the worker's side of the scoreboard (PROTOCOL.md, Slots). A slot's first word is changed by compare-and-swap only.
 *
 * GIL: held for gp_slot_finish, which looks at the environ, else not needed. Nothing is allocated. gp_slot_start returns -1 when the request is not ours to start; the others cannot fail.
 */
#define _GNU_SOURCE
#include "gp_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FRESH_NS 10000000u /* how old the reading of the run-queue wait may be when a request begins */

static uint64_t now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* How long the calling thread has waited for a processor so far, in nanoseconds; 0 when the system does not tell. */
static uint64_t run_delay(const gp_thread *t)
{
    char text[96], *end;
    ssize_t n = t->schedstat >= 0 ? pread(t->schedstat, text, sizeof text - 1, 0) : -1;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    (void)strtoull(text, &end, 10); /* time on a processor, then time waiting for one, then the number of slices */
    return *end == ' ' ? strtoull(end, NULL, 10) : 0;
}

static void *field(uint32_t slot, size_t offset)
{
    return gp_w.board + (size_t)slot * GP_SLOT_SIZE + offset;
}

static uint64_t word(uint32_t generation, unsigned state, uint32_t worker)
{
    return generation | (uint64_t)state << 32 | (uint64_t)(worker & 0xffffff) << 40;
}

/* Moves the slot from QUEUED to RUNNING and begins the report. -1: no such slot, or cancelled, or started by another. */
int gp_slot_start(gp_thread *t, uint32_t slot, uint32_t generation)
{
    uint64_t expected = word(generation, GP_SLOT_STATE_QUEUED, 0);
    uint64_t at;

    if (slot >= gp_w.slots || !atomic_compare_exchange_strong((_Atomic uint64_t *)field(slot, GP_SLOT_WORD), &expected,
                                                              word(generation, GP_SLOT_STATE_RUNNING, gp_w.id)))
        return -1;
    at = now(CLOCK_MONOTONIC);
    t->slot = slot;
    t->generation = generation;
    t->started_at = at;
    if (at - t->delay_read_at > FRESH_NS) {
        t->delay_at = run_delay(t);
        t->delay_read_at = at;
    }
    t->eager = at - t->ended_at < 50000; /* it waited already, or came within 50 us: the next one will too */
    atomic_store_explicit((_Atomic uint32_t *)field(slot, GP_SLOT_PID), (uint32_t)gp_w.pid, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint32_t *)field(slot, GP_SLOT_THREAD), t->index, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint32_t *)field(slot, GP_SLOT_TID), t->tid, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint64_t *)field(slot, GP_SLOT_STARTED), at, memory_order_release);
    return 0;
}

static uint32_t notice(const gp_thread *t)
{
    return atomic_load((_Atomic uint32_t *)field(t->slot, GP_SLOT_NOTICE));
}

/* The CPU time since the end of the thread's previous request; so it includes receiving this one. It costs a system call, so brief requests of a
 * packet do with the time on the clock, and the last one is charged what that differs. */
static uint64_t cpu_time(gp_thread *t)
{
    uint64_t cpu, ran = t->ended_at - t->started_at;

    if (t->more && ran < GP_BRIEF) {
        t->cpu_at += ran;
        return ran;
    }
    cpu = now(CLOCK_THREAD_CPUTIME_ID);
    ran = cpu > t->cpu_at ? cpu - t->cpu_at : 0;
    t->cpu_at = cpu;
    return ran;
}

/* Completes the report and moves the slot from RUNNING to DONE. The master may demote the thread up to that moment; the slot
 * stays ours until the answer, which is sent later, has been read. */
void gp_slot_finish(gp_thread *t)
{
    uint64_t expected = word(t->generation, GP_SLOT_STATE_RUNNING, gp_w.id);
    uint64_t delay = 0;

    t->ended_at = now(CLOCK_MONOTONIC);
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_ENDED), t->ended_at, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_CPU), cpu_time(t), memory_order_relaxed);
    if (t->ended_at - t->started_at > GP_DELAY_FROM) {
        uint64_t total = run_delay(t);

        delay = total > t->delay_at ? total - t->delay_at : 0;
        t->delay_at = total;
        t->delay_read_at = t->ended_at;
    }
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_DELAY), delay, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_ROUTE), gp_route(t), memory_order_relaxed);
    atomic_compare_exchange_strong((_Atomic uint64_t *)field(t->slot, GP_SLOT_WORD), &expected,
                                   word(t->generation, GP_SLOT_STATE_DONE, gp_w.id));
    if (notice(t) & GP_NOTICE_DEMOTED)
        t->lowered = true;
}

/* Whether the master says that the client has left. */
bool gp_slot_abandoned(const gp_thread *t)
{
    return notice(t) & GP_NOTICE_ABANDONED;
}

/* Begins the account of the calling thread's time. */
void gp_slot_thread(gp_thread *t)
{
    t->tid = (uint32_t)gettid();
    t->cpu_at = now(CLOCK_THREAD_CPUTIME_ID);
    t->ended_at = t->delay_read_at = 0;
    t->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

/* Ends it. */
void gp_slot_thread_end(gp_thread *t)
{
    if (t->schedstat >= 0)
        close(t->schedstat);
    t->schedstat = -1;
}
