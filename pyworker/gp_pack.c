/*
 * gp_pack.c: packets of several requests (PROTOCOL.md, Packed requests). The answer of one that took next to no time is kept back while
 * the next ones run, so that one system call and one wake-up of the master carry several.
 *
 * Whether the request that begins will return soon nobody knows. So a thread of C, the watch, looks every 2 ms, while such packets come, and
 * never else: when a request is still the same as a look ago, it sends what is kept and tells the master what waits in the packet.
 *
 * GIL: held by the gp_pack_ functions, which give it up only to wait for a full socket. The watch has none and touches nothing of
 * Python's. Without a watch, when there cannot be another thread, nothing is kept.
 */
#include "gp_internal.h"

#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    TICK = 2000000,    /* nanoseconds between two looks of the watch */
    DOZE_AFTER = 100,  /* looks in vain after which it sleeps until it is called */
    STACK = 65536,     /* bytes of its stack */
    KEEP_FOR = 100000, /* nanoseconds for which an answer is kept, if the requests behind it are brief */
    WORTHWHILE = 4,    /* requests in a packet from which on answers are kept, and the watch is called */
    KEEP_UP_TO = 8192, /* bytes of an answer that may be kept */
};

static atomic_uint_fast64_t steps; /* requests of packets of several that were begun */
static atomic_bool awake;          /* the watch looks; who sets it wakes the watch */
static atomic_bool running;        /* there is a watch */
static sem_t call;

/* A lock that nobody waits for in the kernel: the watch holds it for two calls that do not wait, and goes on when it is taken. */
static bool try_lock(gp_thread *t)
{
    return !atomic_exchange_explicit(&t->kept_locked, true, memory_order_acquire);
}

static void lock(gp_thread *t)
{
    while (!try_lock(t))
        sched_yield();
}

static void unlock(gp_thread *t)
{
    atomic_store_explicit(&t->kept_locked, false, memory_order_release);
}

/* Sends what is kept as far as the socket takes it. What an error means is for the serving thread to find. */
static void send_some(gp_thread *t)
{
    ssize_t n = send(t->stream, t->kept, t->kept_len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n <= 0)
        return;
    t->kept_len -= (size_t)n;
    memmove(t->kept, t->kept + n, t->kept_len);
}

/* Looks whether a thread is still at the request that it was at a look ago; then nobody shall wait for that one. */
static void look(gp_thread *t, uint64_t *seen)
{
    uint64_t at = atomic_load(&t->step);

    if (at == 0 || at != *seen) {
        *seen = at;
        return;
    }
    if (!try_lock(t))
        return;
    if (atomic_load(&t->step) == at) {
        if (t->kept_len > 0)
            send_some(t);
        if (t->more && !t->told)
            t->told = gp_send_control(GP_KIND_BEHIND, 0, gp_w.id, NULL, 0) == 0;
    }
    unlock(t);
}

static void *watch(void *unused)
{
    static const struct timespec tick = {.tv_nsec = TICK};
    static uint64_t seen[GP_MAX_THREADS];
    uint64_t last = 0;

    (void)unused;
    for (unsigned vain = 0;; vain++) {
        uint64_t now = atomic_load(&steps);

        if (now != last)
            vain = 0;
        last = now;
        for (unsigned i = 0; i < atomic_load(&gp_w.used); i++)
            look(&gp_w.thread[i], &seen[i]);
        if (vain > DOZE_AFTER) {
            atomic_store(&awake, false);
            if (atomic_load(&steps) == last || atomic_exchange(&awake, true))
                while (sem_wait(&call) < 0)
                    ;
        }
        nanosleep(&tick, NULL);
    }
    return NULL;
}

/* Starts the watch, which no signal is delivered to. */
static bool start(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    bool started;

    if (sem_init(&call, 0, 0) < 0 || pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, &attributes, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

/* Wakes the watch if it sleeps. False: there is none. */
static bool watched(void)
{
    if (!atomic_load(&awake) && !atomic_exchange(&awake, true)) {
        if (!atomic_load(&running))
            atomic_store(&running, start());
        else
            sem_post(&call);
    }
    return atomic_load(&running);
}

/* Whether at least WORTHWHILE requests are in what is left of a packet, of which the first ends at p. */
static bool worthwhile(const char *p, const char *end)
{
    int n = 1;

    while (n < WORTHWHILE && end - p >= GP_WIRE_HEADER_SIZE) {
        p += GP_WIRE_HEADER_SIZE + gp_get32(p);
        n++;
    }
    return n == WORTHWHILE;
}

/* Notes that the thread begins a request, which ends at frame_end in a packet that ends there. */
void gp_pack_begin(gp_thread *t, const char *end)
{
    bool first = atomic_load_explicit(&t->step, memory_order_relaxed) == 0;

    if (first && !worthwhile(t->frame_end, end))
        return;
    lock(t);
    t->more = t->frame_end < end;
    t->told = false;
    atomic_store(&t->step, atomic_fetch_add(&steps, 1) + 1);
    unlock(t);
    t->keeps = watched();
}

/* Sends what is kept, waiting if it must; -1: the stream is broken. The lock is held, and given back first: the GIL may be given up here, and
 * nobody who has the one may wait for the other. The watch finds nothing to send meanwhile. */
static int unlock_and_send(gp_thread *t)
{
    size_t size = t->kept_len;

    t->kept_len = 0;
    unlock(t);
    if (size == 0)
        return 0;
    return t->broken ? -1 : gp_send_raw(t, t->kept, size);
}

/* Sends what is kept. -1: the stream is broken. */
int gp_pack_flush(gp_thread *t)
{
    if (atomic_load_explicit(&t->step, memory_order_relaxed) == 0)
        return 0;
    lock(t);
    return unlock_and_send(t);
}

/* Notes that the packet has been served, and sends what is kept. If that fails, the stream is broken. */
void gp_pack_end(gp_thread *t)
{
    if (atomic_load_explicit(&t->step, memory_order_relaxed) == 0)
        return;
    lock(t);
    t->more = false;
    atomic_store(&t->step, 0);
    unlock_and_send(t);
}

static void add(gp_thread *t, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) {
        memcpy(t->kept + t->kept_len, parts[i].iov_base, parts[i].iov_len);
        t->kept_len += parts[i].iov_len;
    }
}

/* Takes the last frame of an answer, to be sent with others: at once, if it is the last of its packet or there is no time to lose.
 * 1: it was taken, 0: it is the caller's to send, -1: the stream is broken. */
int gp_pack_keep(gp_thread *t, const struct iovec *parts, int count, size_t size)
{
    bool fits, stays;

    if (atomic_load_explicit(&t->step, memory_order_relaxed) == 0)
        return 0;
    lock(t);
    fits = size <= KEEP_UP_TO && t->kept_len + size <= GP_KEPT;
    if (t->kept_len == 0)
        t->kept_at = t->ended_at;
    stays = fits && t->more && t->keeps && t->ended_at - t->started_at < GP_BRIEF && t->ended_at - t->kept_at < KEEP_FOR;
    if (!fits || (!stays && t->kept_len == 0)) /* a copy would gain nothing */
        return unlock_and_send(t);
    add(t, parts, count);
    if (!stays)
        return unlock_and_send(t) == 0 ? 1 : -1;
    unlock(t);
    return 1;
}
