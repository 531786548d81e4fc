/*
 * gp_interrupt.c: the soft limit: gounicorn.SoftTimeout is raised in the thread that runs one certain request, and in no other.
 *
 * On the main thread a signal does it, whose Python-level handler raises, so that sleeping and waiting for a socket end too. Elsewhere
 * the interpreter raises at the next bytecode. What has not been raised when the request ends is withdrawn.
 *
 * GIL: gp_interrupt waits for it, the others hold it; it guards the state of every thread.
 */
#include "gp_internal.h"

#include <signal.h>

static gp_thread *find(uint32_t slot, uint32_t generation)
{
    for (unsigned i = 0; i < atomic_load(&gp_w.used); i++) {
        gp_thread *t = &gp_w.thread[i];

        if (t->soft != GP_SOFT_CLOSED && t->slot == slot && t->generation == generation)
            return t;
    }
    return NULL;
}

int gp_interrupt(uint32_t slot, uint32_t generation)
{
    PyGILState_STATE state = PyGILState_Ensure();
    gp_thread *t = gp_w.soft_timeout_ref != NULL ? find(slot, generation) : NULL;
    int pending = 0;

    if (t != NULL && t->soft != GP_SOFT_RAISED) {
        if (t->tid == (uint32_t)gp_w.pid) {
            t->soft = GP_SOFT_PENDING;
            pthread_kill(t->self, GP_SOFT_SIGNAL);
            pending = 1;
        } else if (t->soft == GP_SOFT_OPEN) {
            t->soft = GP_SOFT_PENDING;
            PyThreadState_SetAsyncExc(t->ident, gp_w.soft_timeout_ref);
        }
    }
    PyGILState_Release(state);
    return pending;
}

/* The handler of GP_SOFT_SIGNAL, on the main thread: raises when the request that it was meant for still runs. */
PyObject *gp_soft_signal(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    for (unsigned i = 0; i < atomic_load(&gp_w.used); i++) {
        gp_thread *t = &gp_w.thread[i];

        if (t->soft == GP_SOFT_PENDING && t->tid == (uint32_t)gp_w.pid) {
            t->soft = GP_SOFT_RAISED;
            PyErr_SetNone(gp_w.soft_timeout_ref);
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* From here on nothing is raised in the calling thread. */
void gp_soft_close(gp_thread *t)
{
    if (t->soft == GP_SOFT_PENDING && t->tid != (uint32_t)gp_w.pid)
        PyThreadState_SetAsyncExc(t->ident, NULL);
    t->soft = GP_SOFT_CLOSED;
}
