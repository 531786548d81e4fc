/*
 * gp_module.c: the built-in module _gounicorn: configure(), serve(), stop(), and the one worker of the process.
 *
 * GIL: held. gp_w owns its references until the next configure(). Errors are Python exceptions.
 */
#include "gp_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

gp_worker gp_w = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void mark_forked(void)
{
    atomic_store(&gp_w.forked, 1);
    gp_loan_in_child();
}

/* Maps the scoreboard in place of an earlier one. */
static int map_board(int fd)
{
    struct stat st;
    void *board;

    if (fstat(fd, &st) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (st.st_size < GP_SLOT_SIZE || st.st_size % GP_SLOT_SIZE != 0) {
        PyErr_SetString(PyExc_ValueError, "the scoreboard's size is not a multiple of a slot's");
        return -1;
    }
    board = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (board == MAP_FAILED) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (gp_w.board != NULL)
        munmap(gp_w.board, gp_w.board_size);
    gp_w.board = board;
    gp_w.board_size = (size_t)st.st_size;
    gp_w.slots = (uint32_t)(gp_w.board_size / GP_SLOT_SIZE);
    return 0;
}

/* Takes what the application needs: the callable, the prototype and the formatter of tracebacks. */
static int take_python(PyObject *app, PyObject *errors, PyObject *extra, const char *software, int multithread, int multiprocess)
{
    PyObject *traceback_ref, *format_ref, *proto_ref;

    traceback_ref = PyImport_ImportModule("traceback");
    format_ref = traceback_ref != NULL ? PyObject_GetAttrString(traceback_ref, "format_exception") : NULL;
    Py_XDECREF(traceback_ref);
    proto_ref = format_ref != NULL ? gp_environ_prototype(errors, extra, software, multithread, multiprocess) : NULL;
    if (proto_ref == NULL) {
        Py_XDECREF(format_ref);
        return -1;
    }
    Py_INCREF(app);
    Py_XSETREF(gp_w.app_ref, app);
    Py_XSETREF(gp_w.format_exception_ref, format_ref);
    Py_XSETREF(gp_w.proto_ref, proto_ref);
    return 0;
}

static void take_hook(PyObject **place, PyObject *hook)
{
    Py_INCREF(hook);
    Py_XSETREF(*place, hook);
    if (hook == Py_None)
        Py_CLEAR(*place);
}

static void reset(unsigned id, unsigned long long max_requests, int queue, int own_queue, int control)
{
    gp_w.id = id;
    gp_w.pid = getpid();
    gp_w.max_requests = max_requests;
    gp_w.queue = queue;
    gp_w.own_queue = own_queue;
    gp_w.control = control;
    pthread_sigmask(SIG_SETMASK, NULL, &gp_w.mask);
    sigdelset(&gp_w.mask, GP_WAKE_SIGNAL);
    atomic_store(&gp_w.stopping, 0);
    atomic_store(&gp_w.retired, 0);
    atomic_store(&gp_w.failed, 0);
    atomic_store(&gp_w.forked, 0);
    atomic_store(&gp_w.started, 0);
    atomic_store(&gp_w.warned, 0);
}

static int install_handlers(void)
{
    int error = 0;

    if (!gp_w.atfork)
        error = pthread_atfork(gp_loan_before_fork, gp_loan_after_fork, mark_forked);
    if (error != 0)
        errno = error;
    if (error != 0 || gp_wake_install() < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    gp_w.atfork = true;
    return 0;
}

static PyObject *configure(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"app", "worker", "multiprocess", "multithread", "max_requests", "server_software",
                            "queue", "scoreboard", "control", "errors", "environ", "own_queue",
                            "slow_nice", "soft_timeout", "begin", "end", "report", "tray", NULL};
    PyObject *app, *errors, *extra = Py_None, *soft_timeout = NULL, *begin = Py_None, *end = Py_None, *report = Py_None;
    unsigned worker;
    int multiprocess, multithread, queue, board, control, own_queue = -1, slow_nice = 0, tray = -1;
    unsigned long long max_requests;
    const char *software;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OIppKsiiiO|OiiOOOOi:configure", names, &app, &worker, &multiprocess, &multithread, &max_requests,
                                     &software, &queue, &board, &control, &errors, &extra, &own_queue, &slow_nice, &soft_timeout, &begin, &end,
                                     &report, &tray))
        return NULL;
    if (gp_serving() != 0) {
        PyErr_SetString(PyExc_RuntimeError, "configure() was called while threads serve");
        return NULL;
    }
    if ((begin != Py_None && !PyCallable_Check(begin)) || (end != Py_None && !PyCallable_Check(end)) ||
        (report != Py_None && !PyCallable_Check(report))) {
        PyErr_SetString(PyExc_ValueError, "configure() needs a callable, or None, as begin, end and report");
        return NULL;
    }
    if (!PyCallable_Check(app) || (extra != Py_None && !PyDict_Check(extra))) {
        PyErr_SetString(PyExc_ValueError, "configure() needs a callable app, and a dict or None as environ");
        return NULL;
    }
    if (map_board(board) < 0 || gp_tray_map(tray) < 0 || take_python(app, errors, extra, software, multithread, multiprocess) < 0 || install_handlers() < 0)
        return NULL;
    reset(worker, max_requests, queue, own_queue, control);
    gp_w.slow_nice = slow_nice;
    Py_XINCREF(soft_timeout);
    Py_XSETREF(gp_w.soft_timeout_ref, soft_timeout);
    take_hook(&gp_w.begin_ref, begin);
    take_hook(&gp_w.end_ref, end);
    take_hook(&gp_w.report_ref, report);
    gp_route_reset();
    gp_w.configured = true;
    Py_RETURN_NONE;
}

static PyObject *serve(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned index;
    int stream;

    if (!PyArg_ParseTuple(args, "Ii:serve", &index, &stream))
        return NULL;
    if (!gp_w.configured || index >= GP_MAX_THREADS) {
        PyErr_Format(PyExc_RuntimeError, "serve() needs configure() first, and an index below %d", GP_MAX_THREADS);
        return NULL;
    }
    if (gp_serve(index, stream) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *stop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(gp_stop());
}

static PyObject *stop_poke(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(gp_stop_poke());
}

static PyObject *serving(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(gp_serving());
}

static PyObject *started(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyLong_FromUnsignedLongLong(atomic_load(&gp_w.started));
}

static PyObject *failed(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(gp_failed());
}

static PyMethodDef methods[] = {
    {"configure", (PyCFunction)(void (*)(void))configure, METH_VARARGS | METH_KEYWORDS,
     "configure(app, worker, multiprocess, multithread, max_requests, server_software, queue, scoreboard, control, errors, environ=None, "
     "own_queue=-1, slow_nice=0, soft_timeout=None, begin=None, end=None, report=None, tray=-1)"},
    {"serve", serve, METH_VARARGS, "serve(thread_index, stream): serves requests until told to stop."},
    {"stop", stop, METH_NOARGS, "Asks all threads to leave serve(); returns how many serve."},
    {"stop_poke", stop_poke, METH_NOARGS, "Wakes waiting threads after stop(); returns how many serve."},
    {"serving", serving, METH_NOARGS, "The number of threads inside serve()."},
    {"started", started, METH_NOARGS, "The number of requests that were begun."},
    {"soft_signal", gp_soft_signal, METH_VARARGS, "The handler of SOFT_SIGNAL, which raises SoftTimeout."},
    {"failed", failed, METH_NOARGS, "Whether a thread left serve() with an error."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_gounicorn", .m_doc = "The serve loop of a gounicorn worker.", .m_size = -1, .m_methods = methods,
};

PyObject *PyInit__gounicorn(void)
{
    PyObject *module_ref = PyModule_Create(&definition);

    if (module_ref == NULL)
        return NULL;
    if (gp_w.start_type_ref == NULL && (gp_handle_types() < 0 || gp_environ_keys() < 0 || gp_input_type() < 0 || gp_wrapper_type() < 0))
        goto fail;
    if (PyModule_AddIntConstant(module_ref, "SOFT_SIGNAL", GP_SOFT_SIGNAL) < 0)
        goto fail;
    if (PyModule_AddObjectRef(module_ref, "FileWrapper", (PyObject *)gp_w.wrapper_type_ref) < 0)
        goto fail;
    return module_ref;
fail:
    Py_DECREF(module_ref);
    return NULL;
}
