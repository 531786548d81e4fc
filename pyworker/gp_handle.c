/*
 * gp_handle.c: the callables that a request hands to the application (start_response, write, wsgi.early_hints). A thread keeps one
 * of each and uses it for every request, as long as nobody else holds it; one that was kept is replaced, and stays without effect.
 *
 * GIL: held. The thread owns its handles. Errors: -1 with a Python exception set.
 */
#include "gp_internal.h"

#include <structmember.h>

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMemberDef handle_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(gp_handle, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject *make_type(const char *name, const char *doc)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)handle_dealloc},
        {Py_tp_call, (void *)PyVectorcall_Call},
        {Py_tp_members, handle_members},
        {Py_tp_doc, (void *)doc},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(gp_handle),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    return (PyTypeObject *)PyType_FromSpec(&spec);
}

/* Makes the three types; called once, from the module's initialiser. */
int gp_handle_types(void)
{
    gp_w.start_type_ref = make_type("_gounicorn.StartResponse", "start_response of PEP 3333.");
    gp_w.write_type_ref = make_type("_gounicorn.Write", "write(bytes), as returned by start_response.");
    gp_w.hints_type_ref = make_type("_gounicorn.EarlyHints", "wsgi.early_hints: sends a 103 response with the given headers.");
    return gp_w.start_type_ref && gp_w.write_type_ref && gp_w.hints_type_ref ? 0 : -1;
}

/* Replaces *place unless it is free: held by nobody beside the thread, with own references. */
static int renew(gp_thread *t, gp_handle **place, Py_ssize_t own, PyTypeObject *type, vectorcallfunc call)
{
    gp_handle *h;

#ifndef Py_GIL_DISABLED
    if (*place != NULL && Py_REFCNT(*place) == own)
        return 0;
#endif
    h = PyObject_New(gp_handle, type);
    if (h == NULL)
        return -1;
    h->vectorcall = call;
    h->thread = t;
    h->serial = 0;
    Py_XSETREF(*place, h);
    return 1;
}

/* Makes sure that the handles are free for the next request; called while no request runs and before the spare environ is made. */
int gp_handles_end(gp_thread *t)
{
    int renewed;

    if (renew(t, &t->start_ref, 1, gp_w.start_type_ref, gp_start_response) < 0 || renew(t, &t->write_ref, 1, gp_w.write_type_ref, gp_write) < 0)
        return -1;
    renewed = renew(t, &t->hints_ref, 2, gp_w.hints_type_ref, gp_early_hints);
    if (renewed > 0)
        return PyDict_SetItem(t->proto_ref, gp_w.hints_key_ref, (PyObject *)t->hints_ref);
    return renewed;
}

/* Makes the handles valid for the request that begins. */
void gp_handles_begin(gp_thread *t)
{
    t->serial = ++t->last_serial;
    t->start_ref->serial = t->serial;
    t->write_ref->serial = t->serial;
    t->hints_ref->serial = t->serial;
}
