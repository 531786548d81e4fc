/*
 * gp_slot.c: the worker's side of the scoreboard (PROTOCOL.md, Slots). A slot's first word is changed by compare-and-swap only.
 *
 * GIL: not needed. Nothing is allocated. gp_slot_start returns -1 when the request is not ours to start; the others cannot fail.
 */
#include "gp_internal.h"

#include <time.h>

static uint64_t now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
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
    t->eager = at - t->ended_at < 50000; /* it waited already, or came within 50 us: the next one will too */
    atomic_store_explicit((_Atomic uint32_t *)field(slot, GP_SLOT_PID), (uint32_t)gp_w.pid, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint32_t *)field(slot, GP_SLOT_THREAD), t->index, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint64_t *)field(slot, GP_SLOT_STARTED), at, memory_order_release);
    return 0;
}

/* Completes the report and moves the slot from RUNNING to DONE. The CPU time runs from the end of the thread's previous request, so
 * that it costs one system call a request; it includes receiving this one. */
void gp_slot_finish(gp_thread *t)
{
    uint64_t expected = word(t->generation, GP_SLOT_STATE_RUNNING, gp_w.id);
    uint64_t cpu = now(CLOCK_THREAD_CPUTIME_ID);

    t->ended_at = now(CLOCK_MONOTONIC);
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_ENDED), t->ended_at, memory_order_relaxed);
    atomic_store_explicit((_Atomic uint64_t *)field(t->slot, GP_SLOT_CPU), cpu - t->cpu_at, memory_order_relaxed);
    t->cpu_at = cpu;
    atomic_compare_exchange_strong((_Atomic uint64_t *)field(t->slot, GP_SLOT_WORD), &expected,
                                   word(t->generation, GP_SLOT_STATE_DONE, gp_w.id));
}

/* Whether the master says that the client has left. */
bool gp_slot_abandoned(const gp_thread *t)
{
    return atomic_load_explicit((_Atomic uint32_t *)field(t->slot, GP_SLOT_ABANDONED), memory_order_acquire) != 0;
}

/* Begins the account of the calling thread's CPU time. */
void gp_slot_thread(gp_thread *t)
{
    t->cpu_at = now(CLOCK_THREAD_CPUTIME_ID);
    t->ended_at = 0;
}
