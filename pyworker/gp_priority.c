/*
 * gp_priority.c: requests that compute for long give way to others, by the nice value of the thread that runs them.
 *
 * On 2 processors with 3 threads that compute, a page of 40 ms of CPU took 45 ms when they were 10 nicer, and 102 ms when they were not;
 * alone it takes 41 ms. SCHED_BATCH and longer slices (sched_setattr), which need no privilege, made no difference, so a process that
 * may not take a nice value back does nothing here.
 *
 * GIL: not needed. Nothing fails: a priority is only a preference.
 */
#define _GNU_SOURCE
#include "gp_internal.h"

#include <errno.h>
#include <sys/resource.h>

/* On Linux a nice value belongs to a thread, and 0 is the calling one. */
static int own_nice(void)
{
    return getpriority(PRIO_PROCESS, 0);
}

/* In a thread that ends at once: become nicer and come back. Only trying tells: capabilities of a user namespace, RLIMIT_NICE, seccomp. */
static void *there_and_back(void *result)
{
    int base = own_nice();

    *(bool *)result = base < 19 && setpriority(PRIO_PROCESS, 0, base + 1) == 0 && setpriority(PRIO_PROCESS, 0, base) == 0;
    return NULL;
}

static bool may_come_back(void)
{
    static atomic_int known; /* 0: nobody tried, 1: yes, 2: no */
    bool may = false;
    pthread_t thread;

    if (atomic_load(&known) == 0) {
        if (pthread_create(&thread, NULL, there_and_back, &may) != 0)
            return false;
        pthread_join(thread, NULL);
        atomic_store(&known, may ? 1 : 2);
    }
    return atomic_load(&known) == 1;
}

/* Notes what the calling thread's nice value is between requests. */
void gp_priority_thread(gp_thread *t)
{
    t->nice = own_nice();
    t->lowered = false;
}

/* Lowers the calling thread's priority until gp_priority_restore. */
void gp_priority_lower(gp_thread *t)
{
    if (gp_w.slow_nice > 0 && may_come_back())
        t->lowered = setpriority(PRIO_PROCESS, 0, t->nice + gp_w.slow_nice) == 0;
}

/* Undoes it, or what the master did. */
void gp_priority_restore(gp_thread *t)
{
    t->lowered = false;
    setpriority(PRIO_PROCESS, 0, t->nice);
}
