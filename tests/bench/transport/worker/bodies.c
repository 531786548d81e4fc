/*
 * bodies.c: ways to bring a body of 1 MiB from a worker through the master to a client, without Python and without HTTP.
 *
 *   bodies WAY ROUNDS      WAY: direct  the worker writes to the client's connection itself
 *                               copy    SOCK_STREAM pair, read and written by the master
 *                               splice  the same pair, moved through a pipe by splice(2)
 *                               memfd   a memfd each, passed by SCM_RIGHTS, sent by sendfile(2)
 *                               reused  one memfd, emptied by FALLOC_FL_PUNCH_HOLE before each use
 *
 * Prints "WORKER MASTER CLIENT": microseconds of CPU for each body. The client is a process that reads and counts.
 * Errors end the process with a message.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BODY = 1 << 20, PIECE = 256 << 10 };
enum way { DIRECT, COPY, SPLICE, MEMFD, REUSED, WAYS };
static const char *const names[WAYS] = {"direct", "copy", "splice", "memfd", "reused"};

static long check(long result, const char *what) {
    if (result < 0) {
        perror(what);
        _exit(1);
    }
    return result;
}

static double cpu_us(void) {
    struct rusage r;
    check(getrusage(RUSAGE_SELF, &r), "getrusage");
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void pass(int through, int fd) {
    char byte = 'f', control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    check(sendmsg(through, &m, 0), "sendmsg");
}

static int passed(int through) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd;
    check(recvmsg(through, &m, MSG_CMSG_CLOEXEC), "recvmsg");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t size) {
    for (size_t done = 0; done < size;)
        done += (size_t)check(write(fd, bytes + done, size - done), "write");
}

static void turn(int fd, char wanted) { /* waits for one byte */
    char got = 0;
    if (check(read(fd, &got, 1), "read") != 1 || got != wanted)
        _exit(1);
}

static void work(enum way way, int stream, int client, int rounds) {
    char *body = malloc(BODY);
    memset(body, 'a', BODY);
    int kept = way == REUSED ? (int)check(memfd_create("body", MFD_CLOEXEC), "memfd_create") : -1;
    for (int i = 0; i < rounds; i++) {
        turn(stream, 'g');
        int fd = kept;
        switch (way) {
        case DIRECT:
            write_all(client, body, BODY);
            write_all(stream, "d", 1);
            break;
        case COPY: case SPLICE:
            write_all(stream, body, BODY);
            break;
        default:
            if (way == MEMFD)
                fd = (int)check(memfd_create("body", MFD_CLOEXEC), "memfd_create");
            else
                check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BODY), "fallocate");
            if (check(pwrite(fd, body, BODY, 0), "pwrite") != BODY)
                _exit(1);
            pass(stream, fd);
            if (way == MEMFD)
                close(fd);
        }
    }
}

static void relay(enum way way, int stream, int client, int rounds) {
    static char piece[PIECE];
    int ends[2] = {-1, -1};
    if (way == SPLICE) {
        check(pipe(ends), "pipe");
        check(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), "F_SETPIPE_SZ");
    }
    for (int i = 0; i < rounds; i++) {
        turn(client, 'g');
        write_all(stream, "g", 1);
        if (way == DIRECT) {
            turn(stream, 'd');
        } else if (way == MEMFD || way == REUSED) {
            int fd = passed(stream);
            for (off_t at = 0; at < BODY;)
                check(sendfile(client, fd, &at, (size_t)(BODY - at)), "sendfile");
            close(fd);
        } else {
            for (size_t done = 0; done < BODY;) {
                long n;
                if (way == COPY) {
                    n = check(read(stream, piece, sizeof piece), "read");
                    write_all(client, piece, (size_t)n);
                } else {
                    n = check(splice(stream, NULL, ends[1], NULL, PIECE, SPLICE_F_MOVE), "splice in");
                    for (long left = n; left > 0;)
                        left -= check(splice(ends[0], NULL, client, NULL, (size_t)left, SPLICE_F_MOVE), "splice out");
                }
                if (n == 0)
                    _exit(1);
                done += (size_t)n;
            }
        }
    }
}

static void visit(int server, int rounds) {
    static char piece[64 << 10];
    for (int i = 0; i < rounds; i++) {
        write_all(server, "g", 1);
        for (size_t done = 0; done < BODY;) {
            long n = check(read(server, piece, sizeof piece), "read");
            if (n == 0)
                _exit(1);
            done += (size_t)n;
        }
    }
}

int main(int argc, char **argv) {
    int way = 0, rounds = argc == 3 ? atoi(argv[2]) : 0;
    while (argc == 3 && way < WAYS && strcmp(argv[1], names[way]) != 0)
        way++;
    if (rounds < 1 || way == WAYS) {
        fprintf(stderr, "usage: bodies direct|copy|splice|memfd|reused ROUNDS\n");
        return 2;
    }
    int pair[2], times[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    check(pipe(times), "pipe");
    int listener = (int)check(socket(AF_INET, SOCK_STREAM, 0), "socket"), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    check(bind(listener, (struct sockaddr *)&address, size), "bind");
    check(listen(listener, 1), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    int client = (int)check(socket(AF_INET, SOCK_STREAM, 0), "socket");
    check(connect(client, (struct sockaddr *)&address, size), "connect");
    int server = (int)check(accept(listener, NULL, NULL), "accept");
    check(setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), "TCP_NODELAY");
    double spent[3];
    for (int part = 2; part >= 0; part--) { /* client and master are children, too, so that each is counted alone */
        pid_t pid = fork();
        check(pid, "fork");
        if (pid > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (part == 0)
            work((enum way)way, pair[1], server, rounds);
        else if (part == 1)
            relay((enum way)way, pair[0], server, rounds);
        else
            visit(client, rounds);
        struct { int part; double us; } mine = {part, cpu_us() / rounds};
        check(write(times[1], &mine, sizeof mine), "write");
        _exit(0);
    }
    close(pair[0]), close(pair[1]), close(server), close(client), close(times[1]);
    int bad = 0;
    for (int i = 0; i < 3; i++) {
        int status;
        check(wait(&status), "wait");
        bad |= status;
    }
    for (int i = 0; i < 3 && !bad; i++) {
        struct { int part; double us; } one_part;
        check(read(times[0], &one_part, sizeof one_part), "read");
        spent[one_part.part] = one_part.us;
    }
    if (bad)
        return 1;
    printf("%.1f %.1f %.1f\n", spent[0], spent[1], spent[2]);
    return 0;
}
