/*
 * gp_file_wrapper.c: wsgi.file_wrapper. Iterated it reads blocks; returned to the server before anybody iterated it, a plain file
 * travels to the master as a descriptor.
 *
 * GIL: held. The wrapper owns a reference to the file-like object; the descriptor stays the file's. Errors are Python exceptions.
 */
#include "gp_internal.h"

#include <structmember.h>
#include <sys/stat.h>

typedef struct {
    PyObject_HEAD
    PyObject *file_ref;
    Py_ssize_t block;
    bool iterated;
} wrapper;

static int wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((wrapper *)self)->file_ref);
    return 0;
}

static int wrapper_clear(PyObject *self)
{
    Py_CLEAR(((wrapper *)self)->file_ref);
    return 0;
}

static void wrapper_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    (void)wrapper_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *wrapper_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filelike", "blksize", NULL};
    PyObject *file;
    Py_ssize_t block = 8192;
    wrapper *w;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|n:FileWrapper", names, &file, &block))
        return NULL;
    if (block <= 0) {
        PyErr_SetString(PyExc_ValueError, "blksize must be positive");
        return NULL;
    }
    w = (wrapper *)type->tp_alloc(type, 0);
    if (w == NULL)
        return NULL;
    Py_INCREF(file);
    w->file_ref = file;
    w->block = block;
    return (PyObject *)w;
}

static PyObject *wrapper_iter(PyObject *self)
{
    ((wrapper *)self)->iterated = true;
    Py_INCREF(self);
    return self;
}

static PyObject *wrapper_next(PyObject *self)
{
    wrapper *w = (wrapper *)self;
    PyObject *block_ref;

    w->iterated = true;
    block_ref = PyObject_CallMethod(w->file_ref, "read", "n", w->block);
    if (block_ref != NULL && PyObject_Size(block_ref) == 0)
        Py_CLEAR(block_ref);
    return block_ref;
}

static PyObject *wrapper_close(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *close_ref = PyObject_GetAttrString(((wrapper *)self)->file_ref, "close"), *result_ref;

    if (close_ref == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    result_ref = PyObject_CallNoArgs(close_ref);
    Py_DECREF(close_ref);
    return result_ref;
}

/* The attribute, or NULL without an exception. */
static PyObject *attribute(PyObject *object, const char *name)
{
    PyObject *value_ref = PyObject_GetAttrString(object, name);

    if (value_ref == NULL)
        PyErr_Clear();
    return value_ref;
}

/* The io object that does the reading when file.read is called, if it is a plain one over a plain descriptor; else NULL. The method is
 * followed, not the attribute "file" or fileno(): a file that decompresses or counts has a fileno() too, but its own read. */
static PyObject *reader(PyObject *file)
{
    PyObject *read_ref = attribute(file, "read"), *inner_ref = NULL, *owner_ref = NULL, *raw_ref = NULL;
    bool plain = false;

    if (read_ref == NULL)
        goto exit;
    inner_ref = attribute(read_ref, "__wrapped__"); /* tempfile wraps the methods of its file */
    owner_ref = attribute(inner_ref != NULL ? inner_ref : read_ref, "__self__");
    if (owner_ref == NULL)
        goto exit;
    plain = Py_TYPE(owner_ref) == gp_w.fileio_type_ref;
    if (Py_TYPE(owner_ref) == gp_w.reader_type_ref || Py_TYPE(owner_ref) == gp_w.random_type_ref) {
        raw_ref = attribute(owner_ref, "raw");
        plain = raw_ref != NULL && Py_TYPE(raw_ref) == gp_w.fileio_type_ref;
    }
exit:
    if (!plain)
        Py_CLEAR(owner_ref);
    Py_XDECREF(read_ref);
    Py_XDECREF(inner_ref);
    Py_XDECREF(raw_ref);
    return owner_ref;
}

/* Calls a method that gives a number; -1 without an exception when it does not. */
static long long number(PyObject *object, const char *method)
{
    PyObject *value_ref = PyObject_CallMethod(object, method, NULL);
    long long n = value_ref != NULL ? PyLong_AsLongLong(value_ref) : -1;

    Py_XDECREF(value_ref);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return -1;
    }
    return n;
}

/* Whether object is a wrapper that can be sent as a descriptor: 1 and the rest of the file from its position on, or 0. */
int gp_wrapper_file(PyObject *object, int *fd, uint64_t *offset, uint64_t *length)
{
    wrapper *w = (wrapper *)object;
    PyObject *file_ref;
    long long n, at;
    struct stat st;
    int found = 0;

    if (Py_TYPE(object) != gp_w.wrapper_type_ref || w->iterated || (file_ref = reader(w->file_ref)) == NULL)
        return 0;
    n = number(file_ref, "fileno");
    at = number(file_ref, "tell");
    Py_DECREF(file_ref);
    if (n >= 0 && n <= INT32_MAX && at >= 0 && fstat((int)n, &st) == 0 && S_ISREG(st.st_mode)) {
        *fd = (int)n;
        *offset = (uint64_t)at;
        *length = st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
        found = 1;
    }
    return found;
}

static PyMethodDef wrapper_methods[] = {
    {"close", wrapper_close, METH_NOARGS, "Closes the file."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef wrapper_members[] = {
    {"filelike", T_OBJECT_EX, offsetof(wrapper, file_ref), READONLY, "the file"},
    {"blksize", T_PYSSIZET, offsetof(wrapper, block), READONLY, "bytes read at a time"},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject *io_type(PyObject *io, const char *name)
{
    return (PyTypeObject *)PyObject_GetAttrString(io, name);
}

/* Makes the type; called once, from the module's initialiser. */
int gp_wrapper_type(void)
{
    PyType_Slot slots[] = {
        {Py_tp_new, (void *)wrapper_new},           {Py_tp_dealloc, (void *)wrapper_dealloc},
        {Py_tp_traverse, (void *)wrapper_traverse}, {Py_tp_clear, (void *)wrapper_clear},
        {Py_tp_iter, (void *)wrapper_iter},         {Py_tp_iternext, (void *)wrapper_next},
        {Py_tp_methods, wrapper_methods},           {Py_tp_members, wrapper_members},
        {Py_tp_doc, (void *)"FileWrapper(filelike, blksize=8192): wsgi.file_wrapper."},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "_gounicorn.FileWrapper",
        .basicsize = sizeof(wrapper),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    PyObject *io_ref = PyImport_ImportModule("io");
    int rc = -1;

    if (io_ref == NULL)
        return -1;
    gp_w.wrapper_type_ref = (PyTypeObject *)PyType_FromSpec(&spec);
    gp_w.fileio_type_ref = io_type(io_ref, "FileIO");
    gp_w.reader_type_ref = io_type(io_ref, "BufferedReader");
    gp_w.random_type_ref = io_type(io_ref, "BufferedRandom");
    if (gp_w.wrapper_type_ref && gp_w.fileio_type_ref && gp_w.reader_type_ref && gp_w.random_type_ref)
        rc = 0;
    Py_DECREF(io_ref);
    return rc;
}
