/*
 * gp_input.c: wsgi.input: the complete body of a request, in memory or in a file descriptor. It outlives its request without harm:
 * then it is empty. A request without a body gets one object that all of them share.
 *
 * GIL: held; given up while a file is read. The object owns its bytes or its descriptor. Errors are Python exceptions.
 */
#include "gp_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WINDOW = 65536 };

typedef struct {
    PyObject_HEAD
    PyObject *data_ref; /* bytes, when the body is in memory */
    int fd;             /* else the file, or -1 */
    uint64_t size, pos;
    char *window; /* size bytes from window_at on; for bytes all of them */
    uint64_t window_at, window_len;
    int reading; /* a thread reads the file without the GIL */
    bool over;   /* the request ended meanwhile */
} input;

static void release(input *in)
{
    if (in->data_ref == NULL)
        PyMem_RawFree(in->window);
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    in->window = NULL;
    in->window_len = in->size = in->pos = 0;
    Py_CLEAR(in->data_ref);
}

static void input_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    release((input *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static input *make(void)
{
    input *in = PyObject_New(input, gp_w.input_type_ref);

    if (in != NULL) {
        memset((char *)in + sizeof(PyObject), 0, sizeof *in - sizeof(PyObject));
        in->fd = -1;
    }
    return in;
}

/* A body in memory; the data is copied. */
PyObject *gp_input_bytes(const char *data, size_t size)
{
    input *in = make();

    if (in == NULL)
        return NULL;
    in->data_ref = PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (in->data_ref == NULL) {
        Py_DECREF(in);
        return NULL;
    }
    in->window = PyBytes_AS_STRING(in->data_ref);
    in->window_len = in->size = size;
    return (PyObject *)in;
}

/* A body in a file, from its beginning; the descriptor is taken over when the call succeeds. */
PyObject *gp_input_file(int fd, uint64_t size)
{
    input *in = make();

    if (in == NULL)
        return NULL;
    in->fd = fd;
    in->size = size;
    return (PyObject *)in;
}

/* The request ended: from now on the input is empty. */
void gp_input_finish(PyObject *self)
{
    input *in = (input *)self;

    in->over = true;
    if (in->reading == 0)
        release(in);
}

/* Reads exactly size bytes of the file, without the GIL. Returns 0 or an errno. */
static int read_file(int fd, char *to, uint64_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t n = pread(fd, to, size < 1u << 30 ? size : 1u << 30, (off_t)at);

        if (n == 0)
            return EIO; /* the file is shorter than it was */
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            to += n;
            at += (uint64_t)n;
            size -= (uint64_t)n;
        }
    }
    return 0;
}

/* Reads a part of the file into to; -1 with an exception set. The input may be empty afterwards, when the request ended meanwhile. */
static int fetch(input *in, char *to, uint64_t size, uint64_t at)
{
    int error, fd = in->fd;

    if (in->reading) {
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by another thread");
        return -1;
    }
    in->reading = 1;
    Py_BEGIN_ALLOW_THREADS
    error = read_file(fd, to, size, at);
    Py_END_ALLOW_THREADS
    in->reading = 0;
    if (in->over)
        release(in);
    if (error == 0)
        return 0;
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Makes the window begin at a position inside the body, unless it holds size bytes from there on. */
static int window_at(input *in, uint64_t at, uint64_t size)
{
    uint64_t want = in->size - at;

    if (at >= in->window_at && at + size <= in->window_at + in->window_len)
        return 0;
    if (in->window == NULL && (in->window = PyMem_RawMalloc(WINDOW)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (in->reading == 0)
        in->window_len = 0;
    if (want > WINDOW)
        want = WINDOW;
    if (fetch(in, in->window, want, at) < 0)
        return -1;
    if (!in->over) {
        in->window_at = at;
        in->window_len = want;
    }
    return 0;
}

/* The next size bytes (no more than there are), and moves behind them. */
static PyObject *take(input *in, uint64_t size)
{
    PyObject *bytes_ref;
    uint64_t at = in->pos;

    if (size == 0)
        return PyBytes_FromStringAndSize(NULL, 0);
    if (in->data_ref != NULL && size == in->size) {
        in->pos = size;
        Py_INCREF(in->data_ref);
        return in->data_ref;
    }
    bytes_ref = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes_ref == NULL)
        return NULL;
    if (size > WINDOW && in->data_ref == NULL) {
        if (fetch(in, PyBytes_AS_STRING(bytes_ref), size, at) < 0)
            goto fail;
    } else {
        if (window_at(in, at, size) < 0)
            goto fail;
        if (!in->over)
            memcpy(PyBytes_AS_STRING(bytes_ref), in->window + (at - in->window_at), size);
    }
    if (in->over) {
        Py_DECREF(bytes_ref);
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    in->pos = at + size;
    return bytes_ref;
fail:
    Py_DECREF(bytes_ref);
    return NULL;
}

/* Length of the line that begins at pos, at most limit. -1 on errors. */
static int64_t line_length(input *in, uint64_t limit)
{
    uint64_t start = in->pos, at = start;

    while (!in->over && at < start + limit) {
        uint64_t span;
        char *from, *found;

        if (window_at(in, at, 1) < 0)
            return -1;
        if (in->over)
            break;
        span = in->window_at + in->window_len - at;
        if (span > start + limit - at)
            span = start + limit - at;
        from = in->window + (at - in->window_at);
        found = memchr(from, '\n', span);
        if (found != NULL)
            return (int64_t)(at - start) + (found - from) + 1;
        at += span;
    }
    return in->over ? 0 : (int64_t)limit;
}

/* Reads an optional size argument: None and negative numbers mean all that is left. */
static int size_argument(input *in, PyObject *const *args, Py_ssize_t nargs, const char *name, uint64_t *size)
{
    uint64_t left = in->size - in->pos;
    Py_ssize_t n = -1;

    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most one argument", name);
        return -1;
    }
    if (nargs == 1 && args[0] != Py_None) {
        n = PyNumber_AsSsize_t(args[0], NULL);
        if (n == -1 && PyErr_Occurred())
            return -1;
        left = in->size - in->pos;
    }
    *size = n < 0 || (uint64_t)n > left ? left : (uint64_t)n;
    return 0;
}

static PyObject *input_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t size;

    return size_argument((input *)self, args, nargs, "read", &size) < 0 ? NULL : take((input *)self, size);
}

static PyObject *line(input *in, uint64_t limit)
{
    int64_t n = line_length(in, limit);

    return n < 0 ? NULL : take(in, (uint64_t)n);
}

static PyObject *input_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t limit;

    return size_argument((input *)self, args, nargs, "readline", &limit) < 0 ? NULL : line((input *)self, limit);
}

static PyObject *input_next(PyObject *self)
{
    input *in = (input *)self;
    PyObject *line_ref = in->pos < in->size ? line(in, in->size - in->pos) : NULL;

    if (line_ref != NULL && PyBytes_GET_SIZE(line_ref) == 0)
        Py_CLEAR(line_ref);
    return line_ref;
}

static PyObject *input_readlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t hint, total = 0;
    PyObject *list_ref, *line_ref;

    if (size_argument((input *)self, args, nargs, "readlines", &hint) < 0)
        return NULL;
    if (hint == 0)
        hint = UINT64_MAX; /* as the io module: 0 is no limit */
    list_ref = PyList_New(0);
    while (list_ref != NULL && total < hint && (line_ref = input_next(self)) != NULL) {
        total += (uint64_t)PyBytes_GET_SIZE(line_ref);
        if (PyList_Append(list_ref, line_ref) < 0)
            Py_CLEAR(list_ref);
        Py_DECREF(line_ref);
    }
    if (PyErr_Occurred())
        Py_CLEAR(list_ref);
    return list_ref;
}

static PyMethodDef input_methods[] = {
    {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL, "read(size=-1): at most size bytes, or all that is left."},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL, "readline(size=-1): up to the end of the line."},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL, "readlines(hint=-1): a list of lines."},
    {NULL, NULL, 0, NULL},
};

/* Makes the type and the shared empty input; called once, from the module's initialiser. */
int gp_input_type(void)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)input_dealloc},  {Py_tp_iter, (void *)PyObject_SelfIter},
        {Py_tp_iternext, (void *)input_next},    {Py_tp_methods, input_methods},
        {Py_tp_doc, (void *)"The body of a request."}, {0, NULL},
    };
    PyType_Spec spec = {
        .name = "_gounicorn.Input",
        .basicsize = sizeof(input),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    gp_w.input_type_ref = (PyTypeObject *)PyType_FromSpec(&spec);
    if (gp_w.input_type_ref == NULL)
        return -1;
    gp_w.empty_input_ref = (PyObject *)make();
    return gp_w.empty_input_ref != NULL ? 0 : -1;
}
