/*
 * gp_socket.c: gunicorn.socket in the environ. A worker has no connection of a client, so the object has nothing of a socket: the use of
 * any method raises AttributeError with the reason. It is there, and not None, because libraries look for the key and then call methods,
 * and "'NoneType' object has no attribute 'dup'" explains nothing.
 *
 * GIL: held. gp_socket gives a new reference. Errors: NULL with a Python exception set.
 */
#include "gp_internal.h"

static PyObject *socket_getattro(PyObject *self, PyObject *name)
{
    PyObject *value_ref = PyObject_GenericGetAttr(self, name);

    if (value_ref == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        PyErr_Format(PyExc_AttributeError,
                     "gunicorn.socket has no %R: the connection of the client is held by gounicorn's master and cannot be taken over by an "
                     "application. Serve WebSockets with a server that speaks them, beside this one",
                     name);
    }
    return value_ref;
}

static PyObject *socket_repr(PyObject *Py_UNUSED(self))
{
    return PyUnicode_FromString("<gunicorn.socket: held by the master>");
}

static void socket_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_Free(self);
    Py_DECREF(type);
}

/* Makes the object. */
PyObject *gp_socket(void)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)socket_dealloc},
        {Py_tp_getattro, (void *)socket_getattro},
        {Py_tp_repr, (void *)socket_repr},
        {Py_tp_doc, (void *)"Stands for the client's connection, which a worker does not have."},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "_gounicorn.Socket",
        .basicsize = sizeof(PyObject),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    PyObject *type_ref = PyType_FromSpec(&spec), *object_ref = NULL;

    if (type_ref != NULL)
        object_ref = (PyObject *)PyObject_New(PyObject, (PyTypeObject *)type_ref);
    Py_XDECREF(type_ref);
    return object_ref;
}
