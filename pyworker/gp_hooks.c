/*
 * gp_hooks.c: what the configuration wants to run around each request. configure() takes two callables:
 *
 *   begin(environ) -> request   before the application; when it raises, the application does not run and the answer is 500
 *   end(request, environ, outcome, status, headers, length, sent, nanoseconds)   after the answer, or what there is of it
 *
 * outcome is a gp_outcome, status and headers are what start_response got (None: it was not called), length the Content-Length (-1:
 * none), sent the bytes of body, nanoseconds the time since the worker started the request.
 *
 * GIL: held. Nothing here runs, and start_response keeps nothing, when neither callable was given.
 */
#include "gp_internal.h"

#include <time.h>

/* Runs begin and returns what it made; without a begin that is None. NULL with an exception set. */
PyObject *gp_hook_begin(PyObject *env)
{
    PyObject *request_ref;

    if (gp_w.begin_ref == NULL)
        Py_RETURN_NONE;
    request_ref = PyObject_CallOneArg(gp_w.begin_ref, env);
    gp_check_fork();
    return request_ref;
}

/* Keeps what start_response got, for end. */
void gp_hook_keep(gp_thread *t, PyObject *status, PyObject *headers)
{
    if (gp_w.end_ref == NULL)
        return;
    Py_INCREF(status);
    Py_XSETREF(t->status_ref, status);
    Py_INCREF(headers);
    Py_XSETREF(t->headers_ref, headers);
}

/* Drops it. */
void gp_hook_forget(gp_thread *t)
{
    Py_CLEAR(t->status_ref);
    Py_CLEAR(t->headers_ref);
}

static uint64_t elapsed(const gp_thread *t)
{
    struct timespec ts;

    if (t->ended)
        return t->ended_at - t->started_at;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec - t->started_at;
}

/* Runs end. -1 with an exception set. */
int gp_hook_end(gp_thread *t, PyObject *request, PyObject *env, gp_outcome out)
{
    PyObject *status = t->status_ref != NULL ? t->status_ref : Py_None;
    PyObject *headers = t->headers_ref != NULL ? t->headers_ref : Py_None;
    PyObject *value_ref;

    if (gp_w.end_ref == NULL)
        return 0;
    value_ref = PyObject_CallFunction(gp_w.end_ref, "OOiOOLKK", request, env, (int)out, status, headers, (long long)t->content_length,
                                      (unsigned long long)t->sent, (unsigned long long)elapsed(t));
    gp_check_fork();
    Py_XDECREF(value_ref);
    return value_ref != NULL ? 0 : -1;
}
