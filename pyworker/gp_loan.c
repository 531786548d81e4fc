/*
 * gp_loan.c: the worker's side of a loan (PROTOCOL.md, Loans): a large body is written to the client's connection from here, which
 * the master lends for that, and only as far as it takes the bytes at once: nobody waits for a client.
 *
 * GIL: gp_loan_use gives it up; the caller keeps the body alive.
 *
 * A connection that a child of the application inherits would stay open for as long as that lives. exec closes it; a fork waits until no
 * loan runs, which needs neither the GIL nor a client.
 */
#include "gp_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_rwlock_t loans = PTHREAD_RWLOCK_INITIALIZER; /* read: a loan runs; write: a fork */

void gp_loan_before_fork(void)
{
    pthread_rwlock_wrlock(&loans);
}

void gp_loan_after_fork(void)
{
    pthread_rwlock_unlock(&loans);
}

void gp_loan_in_child(void)
{
    pthread_rwlock_init(&loans, NULL);
}

/* Waits for LEND. Returns 0 with the connection, or -1 for none, in *fd; -1 when the stream has ended or something else came. */
static int receive(const gp_thread *t, int *fd)
{
    char frame[GP_WIRE_HEADER_SIZE];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {frame, sizeof frame};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c;
    ssize_t n;

    *fd = -1;
    while ((n = recvmsg(t->stream, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC)) < 0) {
        struct pollfd p = {.fd = t->stream, .events = POLLIN};

        if (errno == EAGAIN)
            poll(&p, 1, -1);
        else if (errno != EINTR)
            return -1;
    }
    c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (n == GP_WIRE_HEADER_SIZE && frame[4] == GP_KIND_LEND && gp_get32(frame + 8) == t->slot && gp_get32(frame + 12) == t->generation)
        return 0;
    if (*fd >= 0)
        close(*fd);
    return -1;
}

/* Writes once, as much as the connection takes. */
static size_t use(int fd, struct iovec *body, int count)
{
    struct msghdr m = {.msg_iov = body, .msg_iovlen = (size_t)count};
    ssize_t n;

    do
        n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0; /* the master finds the error again, if there was one */
}

/* Waits until the master lends the client's connection, writes the body to it and gives it back; *sent is how much was taken. -1: the stream cannot be used
 * any more. */
int gp_loan_use(gp_thread *t, const struct iovec *body, int count, size_t *sent)
{
    int fd, rc;

    *sent = 0;
    Py_BEGIN_ALLOW_THREADS
    pthread_rwlock_rdlock(&loans);
    rc = receive(t, &fd);
    if (rc == 0 && fd >= 0) {
        *sent = use(fd, (struct iovec *)body, count);
        close(fd);
    }
    pthread_rwlock_unlock(&loans);
    Py_END_ALLOW_THREADS
    return rc;
}
