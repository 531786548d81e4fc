/*
 * gp_serve.c: the loop of one thread: receive a request, run the application, leave when told to; and how to tell it.
 *
 * GIL: gp_serve is called with it, from a thread that Python knows; it is given up while the thread waits. gp_stop, gp_stop_poke,
 * gp_serving, gp_failed and gp_retire do not need it. gp_serve frees what it made. Errors: -1 with a Python exception set.
 */
#include "gp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What receive gave. */
typedef struct {
    size_t size;
    int fds[2];
    int fd_count;
    bool truncated;
} packet;

static void wake(int signal)
{
    (void)signal;
}

/* Installs the handler whose only effect is that a blocked receive returns. */
int gp_wake_install(void)
{
    struct sigaction action = {.sa_handler = wake, .sa_flags = SA_ONSTACK};

    sigemptyset(&action.sa_mask);
    return sigaction(GP_WAKE_SIGNAL, &action, NULL);
}

int gp_serving(void)
{
    return atomic_load(&gp_w.serving);
}

int gp_failed(void)
{
    return atomic_load(&gp_w.failed);
}

/* Signals every thread that waits; the handshake keeps the signal from one that has a request meanwhile. Returns how many. */
static int poke(void)
{
    int poked = 0;

    pthread_mutex_lock(&gp_w.lock);
    for (unsigned i = 0; i < atomic_load(&gp_w.used); i++) {
        gp_thread *t = &gp_w.thread[i];
        int expected = GP_WAITING;

        if (!t->serving || !atomic_compare_exchange_strong(&t->waiting, &expected, GP_POKED))
            continue;
        pthread_kill(t->self, GP_WAKE_SIGNAL);
        atomic_store(&t->waiting, GP_WAITING);
        poked++;
    }
    pthread_mutex_unlock(&gp_w.lock);
    return poked;
}

int gp_stop_poke(void)
{
    if (atomic_load(&gp_w.stopping))
        poke();
    return gp_serving();
}

int gp_stop(void)
{
    if (gp_w.configured)
        gp_wake_install();
    atomic_store(&gp_w.stopping, 1);
    return gp_stop_poke();
}

/* Tells the master, once, that this worker will not read from the queue any more. */
void gp_retire(unsigned cause)
{
    if (atomic_exchange(&gp_w.retired, 1) == 0)
        gp_send_control(GP_KIND_RETIRING, cause, gp_w.id, NULL, 0);
}

/* Collects the descriptors of a message. */
static void take_rights(struct msghdr *m, packet *pk)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + CMSG_LEN(sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (pk->fd_count < 2)
                pk->fds[pk->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

/* One receive. 1: a packet, 0: end of file, -1: errno. */
static int receive_once(gp_thread *t, int flags, packet *pk)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = {t->packet, GP_MAX_PACKET};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(t->queue, &m, flags | MSG_CMSG_CLOEXEC);

    pk->fd_count = 0;
    if (n < 0)
        return errno == ECONNRESET ? 0 : -1;
    pk->size = (size_t)n;
    pk->truncated = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    if (m.msg_controllen > 0)
        take_rights(&m, pk);
    return n > 0;
}

/* Waits for a packet, without the GIL, as a thread that may be signalled. -1 with EINTR when there is a wish to stop. */
static int receive_waiting(gp_thread *t, packet *pk)
{
    int expected = GP_WAITING, rc = -1, error;

    atomic_store(&t->waiting, GP_WAITING);
    errno = EINTR;
    if (!atomic_load(&gp_w.stopping))
        rc = receive_once(t, 0, pk);
    error = errno;
    while (!atomic_compare_exchange_strong(&t->waiting, &expected, GP_RUNNING)) {
        expected = GP_WAITING;
        sched_yield(); /* being poked; on the way out of this system call the signal is delivered, not in the application */
    }
    if (rc > 0 && atomic_load(&gp_w.stopping))
        sched_yield();
    errno = error;
    return rc;
}

static int receive_failed(void)
{
    if (errno == EBADF || errno == ENOTSOCK)
        gp_lost_descriptor("request queue");
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* A Python signal handler raised while nothing ran: a wish to leave (row 48). */
static int interrupted(void)
{
    PyObject *exception_ref = gp_take_exception();

    gp_log(GP_LEVEL_INFO, "Worker leaves: %.100s raised by a signal handler", Py_TYPE(exception_ref)->tp_name);
    Py_DECREF(exception_ref);
    gp_retire(GP_RETIRE_APP_EXIT);
    atomic_store(&gp_w.stopping, 1);
    return 0;
}

/* Receives the next packet. 1: a packet, 0: leave, -1: exception set. */
static int receive(gp_thread *t, packet *pk)
{
    int rc;

    gp_check_fork();
    while (!atomic_load_explicit(&gp_w.stopping, memory_order_relaxed)) {
        if (t->eager) {
            rc = receive_once(t, MSG_DONTWAIT, pk);
            t->eager = false;
        } else {
            PyThreadState *state = PyEval_SaveThread();

            rc = receive_waiting(t, pk);
            PyEval_RestoreThread(state);
        }
        if (rc > 0)
            return 1;
        if (rc == 0) {
            atomic_store(&gp_w.stopping, 1);
            return 0;
        }
        if (errno == EINTR) { /* a handler of Python's may change errno */
            if (PyErr_CheckSignals() < 0)
                return interrupted();
        } else if (errno != EAGAIN) {
            return receive_failed();
        }
    }
    return 0;
}

/* Reads a payload that crossed as a descriptor. NULL: it is shorter than announced, or no memory (exception set). */
static char *read_payload(int fd, size_t size)
{
    char *data = PyMem_RawMalloc(size);
    size_t at = 0;

    if (data == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    while (at < size) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)at);

        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    if (at == size)
        return data;
    PyMem_RawFree(data);
    return NULL;
}

/* Calls the result's close(), if it has one. -1 with an exception set. */
static int close_result(PyObject *result)
{
    PyObject *close_ref, *value_ref;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return 0;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyObject_GetOptionalAttrString(result, "close", &close_ref) < 0)
        return -1;
#else
    close_ref = PyObject_GetAttrString(result, "close");
    if (close_ref == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
#endif
    if (close_ref == NULL)
        return 0;
    value_ref = PyObject_CallNoArgs(close_ref);
    Py_DECREF(close_ref);
    Py_XDECREF(value_ref);
    return value_ref != NULL ? 0 : -1;
}

/* Logs the exception that is set. Returns whether it asks for the end of the process. */
static bool report_set(const gp_thread *t, const char *where)
{
    PyObject *exception_ref = gp_take_exception();
    bool leave = exception_ref != NULL && gp_is_exit(exception_ref);

    if (!t->gone || exception_ref == NULL || !PyErr_GivenExceptionMatches(exception_ref, PyExc_OSError))
        gp_report(t, where, exception_ref);
    Py_XDECREF(exception_ref);
    return leave;
}

/* After the response, or what there is of it: log, close, abort, retire. Returns how it ended after all. */
static gp_outcome settle(gp_thread *t, gp_outcome out, PyObject *result)
{
    static const unsigned causes[] = {
        [GP_DONE] = GP_ABORT_PROTOCOL, [GP_RAISED] = GP_ABORT_RAISED, [GP_PROTOCOL] = GP_ABORT_PROTOCOL, [GP_GONE] = GP_ABORT_GONE};
    bool leave = out == GP_RAISED && report_set(t, "");

    if (out == GP_RAISED && t->gone && !leave)
        out = GP_GONE;
    if (result != NULL && close_result(result) < 0 && report_set(t, " (in close() of the response)"))
        leave = true;
    gp_check_fork();
    if (!t->ended && out != GP_BROKEN && gp_send_abort(t, leave ? GP_ABORT_EXIT : causes[out]) < 0)
        out = GP_BROKEN;
    if (leave)
        gp_retire(GP_RETIRE_APP_EXIT);
    if (leave || t->broken)
        gp_stop();
    return out;
}

/* Forgets the request that ran; what the application kept of it has no effect any more. */
static int forget(gp_thread *t)
{
    t->serial = 0;
    if (t->input_ref != NULL)
        gp_input_finish(t->input_ref);
    Py_CLEAR(t->input_ref);
    PyMem_RawFree(t->large_payload);
    t->large_payload = NULL;
    t->method = t->uri = NULL;
    gp_hook_forget(t);
    if (gp_handles_end(t) < 0)
        return -1;
    gp_environ_spare(t);
    return 0;
}

/* Runs the application once. Returns how the response ended. */
static gp_outcome run(gp_thread *t, PyObject *env)
{
    PyObject *args[3] = {NULL, env, (PyObject *)t->start_ref};
    PyObject *result_ref = PyObject_Vectorcall(gp_w.app_ref, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    gp_outcome out;

    gp_check_fork();
    out = result_ref != NULL ? gp_respond(t, result_ref) : GP_RAISED;
    gp_soft_close(t);
    if (out == GP_DONE && result_ref != NULL && PyList_CheckExact(result_ref))
        goto exit; /* nothing to close, nothing to report */
    out = settle(t, out, result_ref);
exit:
    Py_XDECREF(result_ref);
    return out;
}

/* Runs what the configuration wants around the application too. */
static void run_hooked(gp_thread *t, PyObject *env)
{
    PyObject *request_ref = gp_hook_begin(env);
    gp_outcome out;

    if (request_ref == NULL) {
        gp_soft_close(t);
        settle(t, GP_RAISED, NULL);
        return;
    }
    out = run(t, env);
    if (gp_hook_end(t, request_ref, env, out) < 0 && report_set(t, " (after its response)")) {
        gp_retire(GP_RETIRE_APP_EXIT);
        gp_stop();
    }
    Py_DECREF(request_ref);
}

/* Counts a request that was started. After as many as are its share the worker asks to be replaced, and serves on until it is told to leave. */
static void count_request(void)
{
    uint64_t number = atomic_fetch_add_explicit(&gp_w.started, 1, memory_order_relaxed) + 1;

    if (gp_w.max_requests != 0 && number == gp_w.max_requests)
        gp_send_control(GP_KIND_DUE, 0, gp_w.id, NULL, 0);
}

static void reset_response(gp_thread *t)
{
    t->started = t->head_sent = t->ended = t->bodyless = t->gone = t->cut = false;
    t->content_length = -1;
    t->sent = 0;
    t->status = 0;
}

/* Checks the frame at t->frame and moves t->frame_end behind it. The payload, or NULL when it is malformed (exception perhaps set). A
 * frame that comes with descriptors is alone in its packet. */
static const char *open_frame(gp_thread *t, const packet *pk, size_t *size)
{
    const char *p = t->frame;
    size_t left = (size_t)(t->packet + pk->size - p);
    unsigned flags;
    bool by_fd;
    int fds;

    if (pk->truncated || left < GP_WIRE_HEADER_SIZE || p[4] != GP_KIND_REQUEST)
        return NULL;
    flags = (unsigned char)p[5];
    by_fd = (flags & GP_FLAG_PAYLOAD_FD) != 0;
    fds = (by_fd ? 1 : 0) + ((flags & GP_FLAG_BODY_FD) != 0 ? 1 : 0);
    left -= GP_WIRE_HEADER_SIZE;
    *size = gp_get32(p);
    if (pk->fd_count != fds || (!by_fd && *size > left) || (fds > 0 && left != (by_fd ? 0 : *size)))
        return NULL;
    t->frame_end = p + GP_WIRE_HEADER_SIZE + (by_fd ? 0 : *size);
    if (!by_fd)
        return p + GP_WIRE_HEADER_SIZE;
    if (*size < 8 || *size > GP_MAX_PAYLOAD_FD)
        return NULL;
    t->large_payload = read_payload(pk->fds[0], *size);
    return t->large_payload;
}

/* Serves the frame at t->frame. -1: it is malformed, or there is no memory even for the environ. */
static int handle(gp_thread *t, packet *pk)
{
    const char *payload;
    size_t size;
    PyObject *env_ref = NULL;
    int body_fd = -1, rc = -1;

    payload = open_frame(t, pk, &size);
    if (payload == NULL)
        goto exit;
    rc = 0;
    if (gp_slot_start(t, gp_get32(t->frame + 8), gp_get32(t->frame + 12)) < 0)
        goto exit;
    rc = -1;
    if (((unsigned char)t->frame[5] & GP_FLAG_BODY_FD) != 0)
        body_fd = pk->fds[--pk->fd_count];
    gp_pack_begin(t, t->packet + pk->size);
    reset_response(t);
    env_ref = gp_environ_build(t, payload, size, gp_get16(t->frame + 6), &body_fd);
    if (env_ref == NULL)
        goto exit;
    count_request();
    gp_handles_begin(t);
    t->may_borrow = ((unsigned char)t->frame[5] & GP_FLAG_LOAN) != 0;
    if (((unsigned char)t->frame[5] & GP_FLAG_BACKGROUND) != 0)
        gp_priority_lower(t);
    t->environ = env_ref;
    t->soft = GP_SOFT_OPEN;
    if (gp_w.begin_ref == NULL && gp_w.end_ref == NULL)
        run(t, env_ref);
    else
        run_hooked(t, env_ref);
    t->environ = NULL;
    Py_DECREF(env_ref);
    if (t->lowered)
        gp_priority_restore(t);
    rc = forget(t);
exit:
    PyMem_RawFree(t->large_payload);
    t->large_payload = NULL;
    if (body_fd >= 0)
        close(body_fd);
    while (pk->fd_count > 0)
        close(pk->fds[--pk->fd_count]);
    if (rc < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "malformed request packet");
    return rc;
}

/* Whether the packet tells the thread to end: LEAVE, on the worker's own queue. */
static bool told_to_leave(const gp_thread *t, const packet *pk)
{
    return t->queue != gp_w.queue && pk->size == GP_WIRE_HEADER_SIZE && pk->fd_count == 0 && t->packet[4] == GP_KIND_LEAVE;
}

/* Serves until there is a reason to leave. 1: only this thread leaves, 0: the worker does, -1: exception set. */
static int loop(gp_thread *t)
{
    packet pk = {0};
    int rc;

    while ((rc = receive(t, &pk)) > 0) {
        if (told_to_leave(t, &pk))
            return 1;
        t->frame = t->packet;
        do {
            rc = handle(t, &pk);
            t->frame = t->frame_end;
        } while (rc == 0 && !t->broken && t->frame < t->packet + pk.size);
        gp_pack_end(t);
        if (rc < 0)
            return -1;
        if (t->broken)
            return 0;
    }
    return rc;
}

/* Takes the thread's place among those that serve. */
static int enter(gp_thread *t, uint32_t index, int stream)
{
    bool taken;

    pthread_mutex_lock(&gp_w.lock);
    taken = t->serving;
    if (!taken) {
        t->serving = true;
        t->self = pthread_self();
        if (atomic_load(&gp_w.used) <= index)
            atomic_store(&gp_w.used, index + 1);
    }
    pthread_mutex_unlock(&gp_w.lock);
    if (taken) {
        PyErr_Format(PyExc_RuntimeError, "thread %u is in serve() already", index);
        return -1;
    }
    atomic_fetch_add(&gp_w.serving, 1);
    t->index = index;
    t->queue = index == 0 || gp_w.own_queue < 0 ? gp_w.queue : gp_w.own_queue;
    t->stream = stream;
    t->broken = t->sending = t->eager = false;
    pthread_sigmask(SIG_SETMASK, &gp_w.mask, NULL);
    t->ident = PyThread_get_thread_ident();
    t->soft = GP_SOFT_CLOSED;
    gp_slot_thread(t);
    gp_priority_thread(t);
    return 0;
}

/* Gives the place back. Unless the thread leaves alone, it wakes the others, which have to leave too; the last one says that nobody will
 * read any more. */
static void leave(gp_thread *t, bool alone)
{
    struct timespec pause = {.tv_nsec = 1000000};
    int stream = t->stream;

    if (!alone)
        atomic_store(&gp_w.stopping, 1);
    PyMem_RawFree(t->packet);
    PyMem_RawFree(t->head);
    PyMem_RawFree(t->kept);
    t->packet = t->head = t->kept = NULL;
    t->head_cap = 0;
    gp_environ_clear(t);
    gp_route_clear(t);
    gp_slot_thread_end(t);
    Py_CLEAR(t->start_ref);
    Py_CLEAR(t->write_ref);
    Py_CLEAR(t->hints_ref);
    gp_hook_forget(t);
    pthread_mutex_lock(&gp_w.lock);
    t->serving = false;
    pthread_mutex_unlock(&gp_w.lock);
    if (atomic_fetch_sub(&gp_w.serving, 1) == 1 && atomic_load(&gp_w.stopping) && !atomic_load(&gp_w.failed))
        gp_retire(GP_RETIRE_STOPPED);
    if (alone) {
        close(stream); /* now its index may be used again, and the master sees that */
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    while (poke() > 0)
        nanosleep(&pause, NULL); /* one that was about to wait misses the signal; the next one reaches it */
    Py_END_ALLOW_THREADS
}

/* Serves requests in the calling thread until it is told to stop or the master is gone. */
int gp_serve(uint32_t index, int stream)
{
    gp_thread *t = &gp_w.thread[index];
    int rc = -1;

    if (enter(t, index, stream) < 0)
        return -1;
    t->packet = PyMem_RawMalloc(GP_MAX_PACKET);
    t->head = PyMem_RawMalloc(2 * GP_COPY);
    t->head_cap = t->head != NULL ? 2 * GP_COPY : 0;
    t->kept = PyMem_RawMalloc(GP_KEPT);
    if (t->packet == NULL || t->head == NULL || t->kept == NULL) {
        PyErr_NoMemory();
        goto exit;
    }
    if (gp_environ_thread(t) < 0 || gp_handles_end(t) < 0)
        goto exit;
    rc = gp_send_hello(t) == 0 ? loop(t) : 0;
exit:
    if (rc < 0) {
        PyObject *exception_ref = gp_take_exception(), *text_ref = PyObject_Str(exception_ref);
        const char *text = text_ref != NULL ? PyUnicode_AsUTF8(text_ref) : NULL;

        gp_log(GP_LEVEL_CRITICAL, "Worker fails: %s", text != NULL ? text : "no memory");
        PyErr_Clear();
        Py_XDECREF(text_ref);
        atomic_store(&gp_w.failed, 1);
        leave(t, false);
        PyErr_SetObject((PyObject *)Py_TYPE(exception_ref), exception_ref);
        Py_DECREF(exception_ref);
        return -1;
    }
    leave(t, rc > 0);
    return 0;
}
