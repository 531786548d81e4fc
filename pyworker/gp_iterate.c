/*
 * gp_iterate.c: sends what the application returned: a list in one frame, an iterable piece by piece, a file as a descriptor, and
 * what it gave to write(). Content-Length, HEAD and statuses without a body are enforced here (rows 42, 43, 45 to 47).
 *
 * GIL: held; gp_frame.c gives it up while it waits. The caller keeps its reference to the result, and calls its close(). Errors are
 * a gp_outcome; GP_RAISED means that a Python exception is set, all others that none is. GP_PROTOCOL was logged.
 */
#include "gp_internal.h"

#include <errno.h>
#include <inttypes.h>


gp_outcome gp_sent(gp_thread *t, int rc)
{
    (void)t;
    return rc == 0 ? GP_DONE : GP_BROKEN;
}

/* Whether start_response was called; if not it is logged. */
static bool check_started(const gp_thread *t)
{
    if (!t->started)
        gp_log_request(t, GP_LEVEL_ERROR, "the application did not call start_response(status, headers) before its response began");
    return t->started;
}

static gp_outcome bad_chunk(const gp_thread *t, PyObject *chunk)
{
    gp_log_request(t, GP_LEVEL_ERROR, "the application's response holds %s%.100s, but every item must be bytes%s",
                   chunk == Py_None ? "" : "an item of type ", chunk == Py_None ? "None" : Py_TYPE(chunk)->tp_name,
                   PyUnicode_Check(chunk) ? ": encode the text, for instance text.encode()" : "");
    return GP_PROTOCOL;
}

static gp_outcome bad_result(const gp_thread *t, PyObject *result)
{
    gp_log_request(t, GP_LEVEL_ERROR, "the application returned %.100s; it must return an iterable of bytes, for instance [body]",
                   result == Py_None ? "None" : Py_TYPE(result)->tp_name);
    return GP_PROTOCOL;
}

static gp_outcome too_short(const gp_thread *t, uint64_t size)
{
    gp_log_request(t, GP_LEVEL_ERROR,
                   "the application announced Content-Length %" PRId64 " but gave %" PRIu64 " bytes; the response is aborted",
                   t->content_length, size);
    return GP_PROTOCOL;
}

/* Says once per worker that a body is dropped, where HTTP allows none. */
static void warn_body(const gp_thread *t)
{
    if (t->is_head && gp_warn_once(GP_WARN_BODY_HEAD))
        gp_log_request(t, GP_LEVEL_WARNING, "the application gave a body in answer to HEAD; such bodies are dropped");
    else if (!t->is_head && gp_warn_once(GP_WARN_BODY_STATUS))
        gp_log_request(t, GP_LEVEL_WARNING, "the application gave a body with status %u; such bodies are dropped", t->status);
}

/* How many of size bytes Content-Length still allows; says so once per response when it is less. */
static size_t allowed(gp_thread *t, size_t size)
{
    uint64_t left = t->content_length < 0 ? UINT64_MAX : (uint64_t)t->content_length - t->sent;

    if (size <= left)
        return size;
    if (!t->cut)
        gp_log_request(t, GP_LEVEL_WARNING, "the application gave more than its Content-Length of %" PRId64 " bytes; the rest is cut off",
                       t->content_length);
    t->cut = true;
    return (size_t)left;
}

/* Ends a response that has all its bytes. */
static gp_outcome complete(gp_thread *t)
{
    if (t->ended)
        return GP_DONE;
    if (t->gone)
        return GP_GONE;
    if (!check_started(t))
        return GP_PROTOCOL;
    if (!t->bodyless && t->content_length >= 0 && t->sent < (uint64_t)t->content_length)
        return too_short(t, t->sent);
    return gp_sent(t, gp_send_end(t));
}

/* Sends size bytes in pieces, the head with the first; END with the last when asked for. */
static gp_outcome send_data(gp_thread *t, const char *data, size_t size, bool end)
{
    while (size > 0) {
        size_t n = size < GP_PIECE ? size : GP_PIECE;
        struct iovec iov = {(void *)data, n};
        int rc;

        if (gp_slot_abandoned(t))
            return GP_GONE;
        t->sent += n;
        data += n;
        size -= n;
        rc = t->head_sent ? gp_send_body(t, iov.iov_base, n, end && size == 0) : gp_send_first(t, &iov, 1, n, end && size == 0);
        if (rc < 0)
            return GP_BROKEN;
    }
    return GP_DONE;
}

/* Sends one item of the response, END with it when Content-Length is reached. */
static gp_outcome send_chunk(gp_thread *t, PyObject *chunk, bool last)
{
    size_t size;
    bool end;

    if (!PyBytes_Check(chunk))
        return bad_chunk(t, chunk);
    size = (size_t)PyBytes_GET_SIZE(chunk);
    if (size == 0)
        return GP_DONE;
    if (!check_started(t))
        return GP_PROTOCOL;
    if (t->bodyless) {
        warn_body(t);
        return GP_DONE;
    }
    size = allowed(t, size);
    end = t->content_length < 0 ? last : t->sent + size == (uint64_t)t->content_length;
    return send_data(t, PyBytes_AS_STRING(chunk), size, end);
}

/* Sends items that are all there, and kept alive by the caller, in one frame if they are small enough. */
static gp_outcome deliver(gp_thread *t, PyObject *const *items, Py_ssize_t count)
{
    struct iovec parts[GP_PARTS];
    size_t total = 0;

    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyBytes_Check(items[i]))
            return bad_chunk(t, items[i]);
        total += (size_t)PyBytes_GET_SIZE(items[i]);
    }
    if (!check_started(t))
        return GP_PROTOCOL;
    if (!t->bodyless && !t->head_sent && t->content_length >= 0 && total < (uint64_t)t->content_length)
        return too_short(t, total);
    if (!t->bodyless && !t->head_sent && count <= GP_PARTS && total <= GP_PIECE &&
        (t->content_length < 0 || total == (uint64_t)t->content_length)) {
        for (Py_ssize_t i = 0; i < count; i++) {
            parts[i].iov_base = PyBytes_AS_STRING(items[i]);
            parts[i].iov_len = (size_t)PyBytes_GET_SIZE(items[i]);
        }
        t->sent = total;
        return gp_sent(t, gp_send_first(t, parts, (int)count, total, true));
    }
    for (Py_ssize_t i = 0; i < count && !t->cut; i++) {
        gp_outcome out = send_chunk(t, items[i], i == count - 1);

        if (out != GP_DONE)
            return out;
    }
    return complete(t);
}

/* Asks an iterator for its items and sends each at once, unless the client leaves. */
static gp_outcome iterate(gp_thread *t, PyObject *iterator)
{
    PyObject *chunk_ref;

    for (;;) {
        gp_outcome out;

        if (!t->ended && gp_slot_abandoned(t))
            return GP_GONE;
        chunk_ref = PyIter_Next(iterator);
        gp_check_fork();
        if (chunk_ref == NULL)
            break;
        out = send_chunk(t, chunk_ref, false);
        Py_DECREF(chunk_ref);
        if (out != GP_DONE)
            return out;
        if (t->cut)
            break;
    }
    return PyErr_Occurred() ? GP_RAISED : complete(t);
}

/* Sends a file as a descriptor; for HEAD too, so that the master says of it what it says for GET. */
static gp_outcome send_file(gp_thread *t, int fd, uint64_t offset, uint64_t length)
{
    bool bodyless = t->bodyless && !(t->is_head && t->status == 200);

    if (!check_started(t))
        return GP_PROTOCOL;
    if (t->content_length >= 0 && !bodyless) {
        uint64_t left = (uint64_t)t->content_length - t->sent;

        if (length < left)
            return t->is_head ? complete(t) : too_short(t, t->sent + length);
        length = left;
    }
    if (bodyless || length == 0)
        return complete(t);
    t->sent += length;
    return gp_sent(t, gp_send_file(t, fd, offset, length));
}

static gp_outcome respond_iterable(gp_thread *t, PyObject *result)
{
    PyObject *iterator_ref;
    gp_outcome out;
    uint64_t offset, length;
    int fd;

    if (gp_wrapper_file(result, &fd, &offset, &length))
        return send_file(t, fd, offset, length);
    if (PyUnicode_Check(result) || PyBytes_Check(result) || (Py_TYPE(result)->tp_iter == NULL && !PySequence_Check(result)))
        return bad_result(t, result);
    iterator_ref = PyObject_GetIter(result);
    if (iterator_ref == NULL)
        return GP_RAISED;
    out = iterate(t, iterator_ref);
    Py_DECREF(iterator_ref);
    return out;
}

/* Sends the result of the application and completes the response. */
gp_outcome gp_respond(gp_thread *t, PyObject *result)
{
    PyObject *keep_ref;
    gp_outcome out;

    if (PyList_CheckExact(result) && PyList_GET_SIZE(result) == 1) {
        keep_ref = PyList_GET_ITEM(result, 0); /* another thread may change the list while we send */
        Py_INCREF(keep_ref);
        out = deliver(t, &keep_ref, 1);
    } else if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) {
        keep_ref = PySequence_Tuple(result);
        if (keep_ref == NULL)
            return GP_RAISED;
        out = deliver(t, ((PyTupleObject *)keep_ref)->ob_item, PyTuple_GET_SIZE(keep_ref));
    } else {
        return respond_iterable(t, result);
    }
    Py_DECREF(keep_ref);
    return out;
}

/* write(data): sends at once. */
PyObject *gp_write(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    gp_handle *h = (gp_handle *)self;
    gp_thread *t = h->thread;
    gp_outcome out;

    if (PyVectorcall_NARGS(nargsf) != 1 || kwnames != NULL || !PyBytes_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "write(data) takes one argument, which must be bytes");
        return NULL;
    }
    if (h->serial != t->serial || t->ended || !t->started) {
        PyErr_SetString(PyExc_RuntimeError, "write was called before start_response or after the response had ended");
        return NULL;
    }
    out = t->cut ? GP_DONE : send_chunk(t, args[0], false);
    if (out == GP_DONE)
        Py_RETURN_NONE;
    t->gone = true;
    errno = EPIPE;
    return PyErr_SetFromErrno(PyExc_OSError);
}
