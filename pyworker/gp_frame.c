/*
 * gp_frame.c: writes the frames of a response to the thread's stream, and packets to the control socket (PROTOCOL.md).
 *
 * GIL: held by the caller. A send is tried without waiting first; when the socket is full the GIL is given up until everything is
 * written. The caller owns all buffers and keeps them alive. The stream functions return -1 when the stream is broken (t->broken);
 * no Python exception is set. A descriptor that is no socket of ours any more ends the process.
 */
#include "gp_internal.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the pipe protocol is little-endian, and so is this code"
#endif

enum {
    TRY_UP_TO = 65536, /* bytes that are copied to the kernel while the GIL is held; more may go by the tray */
    TRAY_MARK = 8,     /* at the end of a frame's payload: place, length */
};

/* A fork of the application that came back into the server must neither answer nor read (row 54). */
void gp_check_fork(void)
{
    static const char text[] = "gounicorn: a child forked by the application returned into the server; it is ended\n";

    if (atomic_load_explicit(&gp_w.forked, memory_order_relaxed)) {
        (void)!write(2, text, sizeof text - 1);
        _exit(0);
    }
}

/* The application closed or replaced a descriptor of ours (row 56). */
_Noreturn void gp_lost_descriptor(const char *what)
{
    char text[160];
    int n = snprintf(text, sizeof text, "gounicorn: the %s of worker %u was closed by the application; the worker is ended\n", what,
                     gp_w.id);

    (void)!write(2, text, (size_t)n);
    _exit(70);
}

static void put_header(char *p, uint32_t length, unsigned kind, unsigned flags, unsigned aux, uint32_t a, uint32_t b)
{
    gp_put32(p, length);
    p[4] = (char)kind;
    p[5] = (char)flags;
    gp_put16(p + 6, (uint16_t)aux);
    gp_put32(p + 8, a);
    gp_put32(p + 12, b);
}

/* Drops size bytes from the front of the vector. */
static void advance(struct msghdr *m, size_t size)
{
    while (m->msg_iovlen > 0 && size >= m->msg_iov[0].iov_len) {
        size -= m->msg_iov[0].iov_len;
        m->msg_iov++;
        m->msg_iovlen--;
    }
    if (size > 0) {
        m->msg_iov[0].iov_base = (char *)m->msg_iov[0].iov_base + size;
        m->msg_iov[0].iov_len -= size;
    }
}

/* Writes what is left of the message, waiting; without the GIL. Returns 0 or an errno. */
static int send_waiting(int fd, struct msghdr *m)
{
    while (m->msg_iovlen > 0) {
        ssize_t n = sendmsg(fd, m, MSG_NOSIGNAL);

        if (n > 0) {
            m->msg_control = NULL;
            m->msg_controllen = 0;
            advance(m, (size_t)n);
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};

            poll(&p, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Two threads of the application may write to one response; a frame is never torn. */
static void wait_for_turn(gp_thread *t)
{
    while (t->sending) {
        Py_BEGIN_ALLOW_THREADS
        sched_yield();
        Py_END_ALLOW_THREADS
    }
}

static int send_failed(gp_thread *t, int error)
{
    if (error == EBADF || error == ENOTSOCK)
        gp_lost_descriptor("response stream");
    if (error != EPIPE && error != ECONNRESET)
        gp_log(GP_LEVEL_ERROR, "Cannot write to the response stream: %s", strerror(error));
    t->broken = true;
    return -1;
}

/* Whether there is a stream to write to, and it is the caller's turn. */
static bool may_send(gp_thread *t)
{
    gp_check_fork();
    wait_for_turn(t);
    return !t->broken;
}

/* Writes the whole message, size bytes. */
static int transmit(gp_thread *t, struct msghdr *m, size_t size)
{
    ssize_t n = -1;
    int error = EAGAIN;

    if (size <= TRY_UP_TO) {
        if (m->msg_iovlen == 1 && m->msg_control == NULL)
            n = send(t->stream, m->msg_iov[0].iov_base, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            n = sendmsg(t->stream, m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t)size)
            return 0;
        error = n < 0 ? errno : EAGAIN;
        if (n > 0) {
            m->msg_control = NULL;
            m->msg_controllen = 0;
            advance(m, (size_t)n);
        }
    }
    if (error == EAGAIN || error == EINTR) {
        t->sending = true;
        Py_BEGIN_ALLOW_THREADS
        error = send_waiting(t->stream, m);
        Py_END_ALLOW_THREADS
        t->sending = false;
    }
    return error == 0 ? 0 : send_failed(t, error);
}

/* Writes bytes that are frames already. */
int gp_send_raw(gp_thread *t, char *data, size_t size)
{
    struct iovec iov = {data, size};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    return transmit(t, &m, size);
}

/* Writes the whole message behind the answers that were kept. */
static int send_message(gp_thread *t, struct msghdr *m, size_t size)
{
    if (!may_send(t) || gp_pack_flush(t) < 0)
        return -1;
    return transmit(t, m, size);
}

static int send_vector(gp_thread *t, struct iovec *iov, int count, size_t size)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)count};

    return send_message(t, &m, size);
}

/* Writes the frame that ends an answer, or leaves it to be sent with those that follow. */
static int send_last(gp_thread *t, struct iovec *iov, int count, size_t size)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    int kept = may_send(t) ? gp_pack_keep(t, iov, count, size) : -1;

    if (kept != 0)
        return kept > 0 ? 0 : -1;
    return transmit(t, &m, size);
}

static void finish(gp_thread *t)
{
    t->ended = true;
    gp_soft_close(t);
    gp_slot_finish(t);
}

int gp_send_hello(gp_thread *t)
{
    char frame[GP_WIRE_HEADER_SIZE];
    struct iovec iov = {frame, sizeof frame};

    put_header(frame, 0, GP_KIND_HELLO, 0, GP_WIRE_VERSION, gp_w.id, t->index);
    return send_vector(t, &iov, 1, sizeof frame);
}

/* Lays a large piece on the tray and makes the mark that stands for it; false when it has to be sent itself. */
static bool lay(char mark[TRAY_MARK], const struct iovec *parts, int count, size_t size)
{
    int place = size > TRY_UP_TO ? gp_tray_put(parts, count, size) : -1;

    if (place < 0)
        return false;
    gp_put32(mark, (uint32_t)place);
    gp_put32(mark + 4, (uint32_t)size);
    return true;
}

/* Answers LEND: what the client's connection has not taken. */
static int send_rest(gp_thread *t, struct iovec *body, int count, size_t size, size_t sent)
{
    char frame[GP_WIRE_HEADER_SIZE + 4 + TRAY_MARK];
    struct iovec iov[GP_PARTS + 1];
    struct msghdr rest = {.msg_iov = body, .msg_iovlen = (size_t)count};
    bool laid;

    advance(&rest, sent);
    size -= sent;
    gp_put32(frame + GP_WIRE_HEADER_SIZE, (uint32_t)sent);
    laid = lay(frame + GP_WIRE_HEADER_SIZE + 4, rest.msg_iov, (int)rest.msg_iovlen, size);
    iov[0] = (struct iovec){frame, GP_WIRE_HEADER_SIZE + 4 + (laid ? TRAY_MARK : 0)};
    if (laid) {
        size = 0;
        rest.msg_iovlen = 0;
    }
    size += iov[0].iov_len;
    put_header(frame, (uint32_t)(size - GP_WIRE_HEADER_SIZE), GP_KIND_RETURN, laid ? GP_FLAG_TRAY : 0, 0, t->slot, t->generation);
    memcpy(iov + 1, rest.msg_iov, rest.msg_iovlen * sizeof *iov);
    return send_vector(t, iov, (int)rest.msg_iovlen + 1, size);
}

/* Sends HEAD with END, keeps the body back, and writes it to the client's connection as far as that takes it. */
static int send_borrowing(gp_thread *t, const struct iovec *body, int count, size_t size)
{
    char kept[4];
    struct iovec iov[2] = {{t->head, t->head_len}, {kept, sizeof kept}}, parts[GP_PARTS];
    size_t sent;
    int rc;

    gp_put32(kept, (uint32_t)size);
    put_header(t->head, (uint32_t)(t->head_len + sizeof kept - GP_WIRE_HEADER_SIZE), GP_KIND_HEAD, GP_FLAG_END | GP_FLAG_LOAN, t->status, t->slot,
               t->generation);
    t->head_sent = true;
    finish(t);
    memcpy(parts, body, (size_t)count * sizeof *body);
    if (send_vector(t, iov, 2, t->head_len + sizeof kept) < 0)
        return -1;
    t->sending = true;
    rc = gp_loan_use(t, parts, count, &sent);
    t->sending = false;
    if (rc < 0) {
        t->broken = true;
        return -1;
    }
    return send_rest(t, parts, count, size, sent);
}

/* Sends HEAD with the first size bytes of body, given in at most GP_PARTS parts. size is at most GP_PIECE. */
int gp_send_first(gp_thread *t, const struct iovec *body, int count, size_t size, bool end)
{
    struct iovec iov[GP_PARTS + 1];
    char mark[TRAY_MARK];
    size_t total;
    bool laid;

    if (end && t->may_borrow && size >= GP_LOAN_FROM)
        return send_borrowing(t, body, count, size);
    laid = lay(mark, body, count, size);
    total = t->head_len + (laid ? sizeof mark : size);

    put_header(t->head, (uint32_t)(total - GP_WIRE_HEADER_SIZE), GP_KIND_HEAD, (end ? GP_FLAG_END : 0) | (laid ? GP_FLAG_TRAY : 0), t->status,
               t->slot, t->generation);
    t->head_sent = true;
    iov[0].iov_base = t->head;
    iov[0].iov_len = t->head_len;
    if (laid) {
        iov[1] = (struct iovec){mark, sizeof mark};
        count = 1;
    } else if (total <= t->head_cap && size <= GP_COPY) {
        for (int i = 0; i < count; i++) {
            memcpy(t->head + iov[0].iov_len, body[i].iov_base, body[i].iov_len);
            iov[0].iov_len += body[i].iov_len;
        }
        count = 0;
    } else {
        memcpy(iov + 1, body, (size_t)count * sizeof *body);
    }
    if (!end)
        return send_vector(t, iov, count + 1, total);
    finish(t);
    return send_last(t, iov, count + 1, total);
}

/* Sends one BODY frame of at most GP_PIECE bytes. */
int gp_send_body(gp_thread *t, const char *data, size_t size, bool end)
{
    char frame[GP_WIRE_HEADER_SIZE], mark[TRAY_MARK];
    struct iovec iov[2] = {{frame, sizeof frame}, {(void *)data, size}};
    bool laid = lay(mark, &iov[1], 1, size);

    if (laid) {
        iov[1] = (struct iovec){mark, sizeof mark};
        size = sizeof mark;
    }
    put_header(frame, (uint32_t)size, GP_KIND_BODY, (end ? GP_FLAG_END : 0) | (laid ? GP_FLAG_TRAY : 0), 0, t->slot, t->generation);
    if (!end)
        return send_vector(t, iov, size > 0 ? 2 : 1, sizeof frame + size);
    finish(t);
    return send_last(t, iov, size > 0 ? 2 : 1, sizeof frame + size);
}

/* Completes a response: with its head alone, or with an empty BODY. */
int gp_send_end(gp_thread *t)
{
    return t->head_sent ? gp_send_body(t, NULL, 0, true) : gp_send_first(t, NULL, 0, 0, true);
}

/* Sends HEAD, if it was not sent, and FILE with END in one message. The descriptor stays the caller's. */
int gp_send_file(gp_thread *t, int fd, uint64_t offset, uint64_t length)
{
    char frame[GP_WIRE_HEADER_SIZE + 16];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov[2] = {{t->head, t->head_len}, {frame, sizeof frame}};
    int skip = t->head_sent;
    struct msghdr m = {.msg_iov = iov + skip, .msg_iovlen = (size_t)(2 - skip), .msg_control = &control, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    put_header(frame, 16, GP_KIND_FILE, GP_FLAG_END, 0, t->slot, t->generation);
    gp_put64(frame + GP_WIRE_HEADER_SIZE, offset);
    gp_put64(frame + GP_WIRE_HEADER_SIZE + 8, length);
    put_header(t->head, (uint32_t)(t->head_len - GP_WIRE_HEADER_SIZE), GP_KIND_HEAD, 0, t->status, t->slot, t->generation);
    t->head_sent = true;
    finish(t);
    return send_message(t, &m, (skip ? 0 : t->head_len) + sizeof frame);
}

/* Sends an interim response; frame has room for the header in front of its payload, size counts both. */
int gp_send_interim(gp_thread *t, char *frame, size_t size, unsigned status)
{
    struct iovec iov = {frame, size};

    put_header(frame, (uint32_t)(size - GP_WIRE_HEADER_SIZE), GP_KIND_INTERIM, 0, status, t->slot, t->generation);
    return send_vector(t, &iov, 1, size);
}

int gp_send_abort(gp_thread *t, unsigned cause)
{
    char frame[GP_WIRE_HEADER_SIZE];
    struct iovec iov = {frame, sizeof frame};

    put_header(frame, 0, GP_KIND_ABORT, 0, cause, t->slot, t->generation);
    finish(t);
    return send_vector(t, &iov, 1, sizeof frame);
}

/* Sends one packet to the master without ever waiting. What does not fit is cut, at a character of UTF-8; a log line that cannot be
 * sent goes to descriptor 2. Returns 0, or -1 when it was not sent. Does not need the GIL. */
int gp_send_control(unsigned kind, unsigned aux, uint32_t a, const char *payload, size_t size)
{
    char frame[GP_WIRE_HEADER_SIZE];
    struct iovec iov[2] = {{frame, sizeof frame}, {(void *)payload, size}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};

    gp_check_fork();
    if (size > GP_MAX_PACKET - GP_WIRE_HEADER_SIZE) {
        size = GP_MAX_PACKET - GP_WIRE_HEADER_SIZE;
        while (size > 0 && ((unsigned char)payload[size] & 0xc0) == 0x80)
            size--;
        iov[1].iov_len = size;
    }
    put_header(frame, (uint32_t)size, kind, 0, aux, a, 0);
    while (sendmsg(gp_w.control, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EINTR)
            continue;
        if (kind == GP_KIND_LOG) {
            (void)!write(2, payload, size);
            (void)!write(2, "\n", 1);
        }
        return -1;
    }
    return 0;
}
