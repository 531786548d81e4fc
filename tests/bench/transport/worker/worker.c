/*
 * worker.c: the worker's side of the transport benchmark, without Python. Takes requests from a socket or from a ring in shared
 * memory, spins, and answers on a stream or in a ring.
 *
 *   worker calibrate                                   prints how many turns of the spin take 1 ms
 *   worker serve REQUESTS ANSWERS ID TURNS POLLS DIES  REQUESTS: socket or ring; ANSWERS: stream, eventfd or futex; DIES: 0, or the
 *                                                      number of entries after which it kills itself, the last one taken and not started
 *   worker dial PORT                                   connects to that port of 127.0.0.1 until it is killed, one connection after another
 *   worker locks WRITERS READERS SECONDS               packets through one SOCK_SEQPACKET pair, shared by so many processes on each side
 *
 * Descriptors of serve: 3 the request socket, 4 the stream, 5 the scoreboard, 6 the request ring, 7 the answer ring, 8 its eventfd.
 * The layouts are those of ring.go. Errors end the process with a message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKET = 3, STREAM, BOARD, REQUESTS, ANSWERS, EVENT,
    HEADER = 16, PACKET = 65536, ANSWER = 200, ECHO = 16,
    QUEUED = 1, RUNNING = 2, DONE = 3,
    ENTRIES = 256, AREA = 1024, AREAS_AT = 8192, ANSWER_BYTES = 65536, ANSWERS_AT = 4096,
};

/* The head of the request ring; behind it, at 4096, the entries, and at AREAS_AT a payload area for each slot. */
typedef struct {
    _Alignas(64) _Atomic uint64_t tail;    /* entries published; the master's */
    _Alignas(64) _Atomic uint64_t head;    /* entries taken; moved by compare-and-swap */
    _Alignas(64) _Atomic uint32_t event;   /* what sleepers wait on */
    _Atomic int32_t sleepers;              /* workers that sleep and were not woken yet */
    _Atomic uint32_t stop;
} request_ring;

typedef struct {
    _Alignas(64) _Atomic uint64_t written; /* bytes; the worker's */
    _Alignas(64) _Atomic uint64_t read;    /* bytes; the master's */
    _Alignas(64) _Atomic uint32_t sleeping; /* the master's reader sleeps; also what it waits on */
} answer_ring;

typedef struct {
    _Atomic uint64_t word;
    uint64_t started, ended, rest[5];
} slot;

static slot *board;
static request_ring *requests;
static _Atomic uint64_t *entries;
static answer_ring *answers;
static char *answer_bytes;
static bool by_ring, by_stream, by_eventfd;
static uint32_t id;
static long turns, polls, dies;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void spin(long n)
{
    uint64_t x = 1;

    for (long i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(x));
    }
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void *map(int fd)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) < 0)
        fail("fstat");
    p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    return p;
}

static long futex(void *word, int op, uint32_t value)
{
    return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

/* Takes the oldest entry. Reading it before the compare-and-swap makes the two one step: a worker that dies in between has taken
 * nothing, and an entry that was overwritten meanwhile belongs to a head that has moved. */
static bool take(uint64_t *entry)
{
    uint64_t head = atomic_load(&requests->head);

    while (head < atomic_load(&requests->tail)) {
        *entry = atomic_load_explicit(&entries[head % ENTRIES], memory_order_relaxed);
        if (atomic_compare_exchange_strong(&requests->head, &head, head + 1))
            return true;
    }
    return false;
}

/* One sleeper less, unless the master counted it off already. */
static void awake(void)
{
    int32_t n = atomic_load(&requests->sleepers);

    while (n > 0 && !atomic_compare_exchange_strong(&requests->sleepers, &n, n - 1))
        ;
}

/* Waits for an entry; false: stop. */
static bool wait_entry(uint64_t *entry)
{
    for (;;) {
        uint32_t event;

        for (long i = 0; i <= polls; i++) {
            if (take(entry))
                return true;
            if (i < polls)
                pause_cpu();
        }
        event = atomic_load(&requests->event);
        atomic_fetch_add(&requests->sleepers, 1);
        if (take(entry)) {
            awake();
            return true;
        }
        if (atomic_load(&requests->stop))
            return false;
        if (futex(&requests->event, FUTEX_WAIT, event) < 0 && errno == EINTR)
            awake();
    }
}

static void send_stream(const char *frame, size_t size)
{
    while (size > 0) {
        ssize_t n = send(STREAM, frame, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            fail("send");
        if (n > 0) {
            frame += n;
            size -= (size_t)n;
        }
    }
}

/* The ring holds more answers than requests may be with the workers, so it is never full for long. */
static void send_ring(const char *frame, size_t size)
{
    uint64_t at = atomic_load_explicit(&answers->written, memory_order_relaxed);
    size_t offset = at % ANSWER_BYTES, first = ANSWER_BYTES - offset;

    while (at + size - atomic_load(&answers->read) > ANSWER_BYTES)
        sched_yield();
    if (first > size)
        first = size;
    memcpy(answer_bytes + offset, frame, first);
    memcpy(answer_bytes, frame + first, size - first);
    atomic_store(&answers->written, at + size);
    if (atomic_load(&answers->sleeping) != 0 && atomic_exchange(&answers->sleeping, 0) != 0) {
        uint64_t one = 1;

        if (by_eventfd)
            (void)!write(EVENT, &one, sizeof one);
        else
            futex(&answers->sleeping, FUTEX_WAKE, 1);
    }
}

/* Runs one request, unless another worker has it. The answer repeats both ends of the payload. */
static void serve(uint32_t number, uint32_t generation, const char *payload, size_t size)
{
    static char frame[ANSWER];
    slot *s = &board[number];
    uint64_t word = (uint64_t)QUEUED << 32 | generation;
    uint64_t running = (uint64_t)id << 40 | (uint64_t)RUNNING << 32 | generation;
    uint32_t length = ANSWER - HEADER;

    if (!atomic_compare_exchange_strong(&s->word, &word, running))
        return;
    s->started = now();
    spin(turns);
    memcpy(frame, &length, 4);
    frame[4] = 17; /* HEAD */
    frame[5] = 1;  /* END */
    frame[6] = (char)200;
    frame[7] = 0;
    memcpy(frame + 8, &number, 4);
    memcpy(frame + 12, &generation, 4);
    memcpy(frame + HEADER, payload, ECHO);
    memcpy(frame + HEADER + ECHO, payload + size - ECHO, ECHO);
    s->ended = now();
    atomic_store(&s->word, (uint64_t)id << 40 | (uint64_t)DONE << 32 | generation);
    if (by_stream)
        send_stream(frame, sizeof frame);
    else
        send_ring(frame, sizeof frame);
}

static uint32_t get32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

static void serve_socket(void)
{
    static char packet[PACKET];

    for (;;) {
        struct iovec iov = {packet, sizeof packet};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n = recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        for (const char *p = packet; p < packet + n; p += HEADER + get32(p))
            serve(get32(p + 8), get32(p + 12), p + HEADER, get32(p));
    }
}

static void serve_ring(void)
{
    char *areas = (char *)requests + AREAS_AT;
    uint64_t entry;

    while (wait_entry(&entry)) {
        uint32_t number = (uint32_t)entry, generation = (uint32_t)(entry >> 32);
        const char *area = areas + (size_t)number * AREA;

        if (dies > 0 && --dies == 0)
            raise(SIGKILL);
        serve(number, generation, area + HEADER, get32(area));
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The median of many short runs, so that a busy machine does not change the answer. */
static void calibrate(void)
{
    enum { RUNS = 101, TURNS = 100000 };
    uint64_t took[RUNS];

    for (int i = 0; i < RUNS; i++) {
        uint64_t start = now();

        spin(TURNS);
        took[i] = now() - start;
    }
    qsort(took, RUNS, sizeof *took, compare);
    printf("%llu\n", (unsigned long long)(TURNS * 1000000ull / took[RUNS / 2]));
}

/* A writer or a reader of the pair, for ever; each packet counts once it was read. */
static _Noreturn void hammer(bool reads, int fd, _Atomic uint64_t *count)
{
    char packet[600] = {0};

    for (;;) {
        if (reads ? read(fd, packet, sizeof packet) <= 0 : write(fd, packet, sizeof packet) < 0)
            _exit(1);
        atomic_fetch_add_explicit(count, reads, memory_order_relaxed);
    }
}

static void locks(int writers, int readers, double seconds)
{
    enum { MOST = 64 };
    struct { _Alignas(64) _Atomic uint64_t n; } *counts = mmap(NULL, 4096 * 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[MOST];
    int pair[2], size = 4 << 20, n = writers + readers;
    uint64_t packets = 0;
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    struct rusage usage;
    double cpu;

    if (n > MOST || counts == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
        fail("locks");
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < n; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            fail("fork");
        if (pids[i] == 0)
            hammer(i >= writers, pair[i >= writers], &counts[i].n);
    }
    nanosleep(&pause, NULL);
    for (int i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
    for (int i = 0; i < n; i++)
        waitpid(pids[i], NULL, 0);
    for (int i = 0; i < n; i++)
        packets += atomic_load(&counts[i].n);
    getrusage(RUSAGE_CHILDREN, &usage);
    cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    printf("%.0f %.3f %.3f\n", (double)packets / seconds, cpu / (double)(packets ? packets : 1),
           (double)(usage.ru_nvcsw) / (double)(packets ? packets : 1));
}

static _Noreturn void dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char byte;

    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0)
            fail("socket");
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
            (void)!read(fd, &byte, 1);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "calibrate") == 0) {
        calibrate();
        return 0;
    }
    if (argc == 3 && strcmp(argv[1], "dial") == 0)
        dial(atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "locks") == 0) {
        locks(atoi(argv[2]), atoi(argv[3]), atof(argv[4]));
        return 0;
    }
    if (argc != 8 || strcmp(argv[1], "serve") != 0) {
        fprintf(stderr, "usage: see the head of worker.c\n");
        return 2;
    }
    by_ring = strcmp(argv[2], "ring") == 0;
    by_stream = strcmp(argv[3], "stream") == 0;
    by_eventfd = strcmp(argv[3], "eventfd") == 0;
    id = (uint32_t)atoi(argv[4]);
    turns = atol(argv[5]);
    polls = atol(argv[6]);
    dies = atol(argv[7]);
    board = map(BOARD);
    requests = map(REQUESTS);
    entries = (_Atomic uint64_t *)((char *)requests + 4096);
    answers = map(ANSWERS);
    answer_bytes = (char *)answers + ANSWERS_AT;
    if (by_ring)
        serve_ring();
    else
        serve_socket();
    return 0;
}
