/* The module _gounicorn_process: the numbers of the wire protocol and the few system calls that Python lacks. GIL: held, as for
 * every Python function.
 */
#include "gp_worker.h"

#include <signal.h>
#include <sys/prctl.h>

#include "gp_wire.h"

static PyObject *set_title(PyObject *module, PyObject *arg)
{
    (void)module;
    const char *title = PyUnicode_AsUTF8(arg);
    if (title == NULL)
        return NULL;
    gp_title_set(title);
    Py_RETURN_NONE;
}

static PyObject *set_name(PyObject *module, PyObject *arg)
{
    (void)module;
    const char *name = PyUnicode_AsUTF8(arg);
    if (name == NULL)
        return NULL;
    if (prctl(PR_SET_NAME, name) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *stacks_fd(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    int fd = gp_stacks_fd();
    return fd < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(fd);
}

/* A process that changed its user is no longer dumpable: its files in /proc belong to root, and neither it nor the master may look at
 * them. It has nothing to hide from its own user. */
static PyObject *set_dumpable(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"set_title", set_title, METH_O, "Show a title in ps."},
    {"set_name", set_name, METH_O, "Name the calling thread, at most 15 bytes."},
    {"set_dumpable", set_dumpable, METH_NOARGS, "Make the process's files in /proc its user's again."},
    {"stacks_fd", stacks_fd, METH_NOARGS, "The descriptor to which the stacks of all threads are written."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long value;
} numbers[] = {
    {"VERSION", GP_WIRE_VERSION},
    {"HEADER_SIZE", GP_WIRE_HEADER_SIZE},
    {"MAX_PACKET", GP_MAX_PACKET},
    {"MAX_FDS", GP_MAX_FDS},
    {"MAX_PAYLOAD_FD", GP_MAX_PAYLOAD_FD},
    {"FLAG_PAYLOAD_FD", GP_FLAG_PAYLOAD_FD},
    {"FD_CONTROL", GP_FD_CONTROL},
    {"FD_QUEUE", GP_FD_QUEUE},
    {"FD_SCOREBOARD", GP_FD_SCOREBOARD},
    {"CONFIGURED", GP_KIND_CONFIGURED},
    {"BOOT", GP_KIND_BOOT},
    {"EVENT", GP_KIND_EVENT},
    {"RECORD", GP_KIND_RECORD},
    {"FILES", GP_KIND_FILES},
    {"SITE", GP_KIND_SITE},
    {"LOADED", GP_KIND_LOADED},
    {"FORKED", GP_KIND_FORKED},
    {"EXITED", GP_KIND_EXITED},
    {"LOG", GP_KIND_LOG},
    {"BOOT_FAILED", GP_KIND_BOOT_FAILED},
    {"FORK", GP_KIND_FORK},
    {"FORK_OWN_QUEUE", GP_FORK_OWN_QUEUE},
    {"FORK_SITE", GP_FORK_SITE},
    {"FORK_GATE", GP_FORK_GATE},
    {"FORK_TRAY", GP_FORK_TRAY},
    {"EXIT", GP_KIND_EXIT},
    {"EXIT_SERVER", GP_EXIT_SERVER},
    {"WHEN_READY", GP_EVENT_WHEN_READY},
    {"NWORKERS_CHANGED", GP_EVENT_NWORKERS_CHANGED},
    {"PRE_EXEC", GP_EVENT_PRE_EXEC},
    {"REOPEN", GP_EVENT_REOPEN},
    {"DEBUG", GP_LEVEL_DEBUG},
    {"INFO", GP_LEVEL_INFO},
    {"WARNING", GP_LEVEL_WARNING},
    {"ERROR", GP_LEVEL_ERROR},
    {"CRITICAL", GP_LEVEL_CRITICAL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_gounicorn_process", "What zygote and worker need from C.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__gounicorn_process(void)
{
    PyObject *module_ref = PyModule_Create(&definition);
    if (module_ref == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (PyModule_AddIntConstant(module_ref, numbers[i].name, numbers[i].value) < 0)
            goto failed;
    if (PyModule_AddIntConstant(module_ref, "STACKS_SIGNAL", GP_STACKS_SIGNAL) < 0) /* not a constant in glibc */
        goto failed;
    return module_ref;
failed:
    Py_DECREF(module_ref);
    return NULL;
}
