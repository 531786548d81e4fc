/* The zygote: a constructor that runs before the Go runtime when GOUNICORN_ZYGOTE is set.
 *
 * Go cannot fork, CPython can. So CPython starts first, in a process that has one thread; the Python module gounicorn._zygote
 * serves the master's fork requests, and in each child this constructor returns, upon which the Go runtime starts and finds
 * itself a worker. Errors end the process after one BOOT_FAILED packet. GIL: taken by gp_interp_start, kept by the child.
 */
#define _GNU_SOURCE
#include "gp_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gounicorn_py.h"
#include "gp_wire.h"

#define EXIT_CONFIG 1 /* this binary does not fit the interpreter, or the interpreter does not start */
#define EXIT_BOOT 3

static bool is_worker;

bool gp_is_worker(void) { return is_worker; }

struct settings {
    char *python;  /* the user's interpreter, symbolic links kept */
    char *version; /* what the master found it to be, as "3.12" */
    char *options; /* its command line options, one on a line */
};

/* Takes a variable out of the environment, so that neither the application nor its children see it. */
static char *take_env(const char *name)
{
    const char *value = getenv(name);
    char *copy = value != NULL ? strdup(value) : NULL;
    unsetenv(name);
    return copy;
}

static int send_packet(uint8_t kind, uint16_t aux, uint32_t a, const char *text)
{
    size_t length = strlen(text);
    if (length > GP_MAX_PACKET - GP_WIRE_HEADER_SIZE)
        length = GP_MAX_PACKET - GP_WIRE_HEADER_SIZE;
    uint8_t packet[GP_MAX_PACKET] = {0};
    uint32_t size = (uint32_t)length;
    memcpy(packet, &size, sizeof size);
    packet[4] = kind;
    memcpy(packet + 6, &aux, sizeof aux);
    memcpy(packet + 8, &a, sizeof a);
    memcpy(packet + GP_WIRE_HEADER_SIZE, text, length);
    return send(GP_FD_CONTROL, packet, GP_WIRE_HEADER_SIZE + length, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static _Noreturn void fail(int code, const char *text)
{
    if (send_packet(GP_KIND_BOOT_FAILED, (uint16_t)code, 0, text) < 0)
        fprintf(stderr, "gounicorn-worker: %s\n", text);
    _exit(code);
}

static void check_version(const struct settings *s)
{
    char own[32], text[512];
    snprintf(own, sizeof own, "%d.%d", PY_MAJOR_VERSION, PY_MINOR_VERSION);
    if (s->version == NULL || *s->version == '\0' || strcmp(s->version, own) == 0)
        return;
    const char *python = s->python != NULL ? s->python : "python";
    snprintf(text, sizeof text,
             "this gounicorn-worker was built for Python %s, but %s is Python %s: run 'make build PYTHON=%s', "
             "or install gounicorn into that interpreter.",
             own, python, s->version, python);
    fail(EXIT_CONFIG, text);
}

/* Waits for CONFIGURE and returns its document as a new string of *size bytes. */
static char *receive_document(size_t *size)
{
    uint8_t header[GP_WIRE_HEADER_SIZE + 1];
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } oob;
    struct iovec iov = {.iov_base = header, .iov_len = sizeof header};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = oob.buf, .msg_controllen = sizeof oob.buf};
    ssize_t n;
    do
        n = recvmsg(GP_FD_CONTROL, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        _exit(0); /* the master left before it had anything to say */
    struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (n != GP_WIRE_HEADER_SIZE || header[4] != GP_KIND_CONFIGURE || (header[5] & GP_FLAG_PAYLOAD_FD) == 0 || cmsg == NULL ||
        cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
        fail(EXIT_CONFIG, "the first packet from the master is not CONFIGURE with its document in a descriptor.");
    uint32_t length;
    uint16_t version;
    int fd;
    memcpy(&length, header, sizeof length);
    memcpy(&version, header + 6, sizeof version);
    memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
    if (version != GP_WIRE_VERSION)
        fail(EXIT_CONFIG, "gounicorn and gounicorn-worker are of different versions: install both from one build.");
    if (length > GP_MAX_PAYLOAD_FD)
        fail(EXIT_CONFIG, "the document from the master is larger than the protocol allows.");
    char *document = malloc((size_t)length + 1);
    if (document == NULL)
        fail(EXIT_CONFIG, "out of memory for the document from the master.");
    size_t have = 0;
    while (have < length) {
        n = pread(fd, document + have, length - have, (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail(EXIT_CONFIG, "the document from the master is shorter than announced.");
        have += (size_t)n;
    }
    document[have] = '\0';
    close(fd);
    *size = have;
    return document;
}

/* Everything else of the Python side comes with the document, so that no installed package is needed. */
static const char bootstrap[] =
    "import json\n"
    "task = json.loads(document)\n"
    "name = 'gounicorn/_bootstrap.py'\n"
    "scope = {'__name__': 'gounicorn._bootstrap'}\n"
    "exec(compile(task['sources'][name], name, 'exec'), scope)\n"
    "scope['start'](task)\n";

/* The current exception as text, sentence first. Returns a new reference, or NULL when even that fails. */
static PyObject *describe_error(void)
{
    PyObject *type_ref, *value_ref, *traceback_ref, *module_ref = NULL, *lines_ref = NULL, *empty_ref = NULL, *text_ref = NULL;
    PyErr_Fetch(&type_ref, &value_ref, &traceback_ref);
    PyErr_NormalizeException(&type_ref, &value_ref, &traceback_ref);
    module_ref = PyImport_ImportModule("traceback");
    if (module_ref == NULL)
        goto done;
    lines_ref = PyObject_CallMethod(module_ref, "format_exception", "OOO", type_ref, value_ref ? value_ref : Py_None,
                                    traceback_ref ? traceback_ref : Py_None);
    empty_ref = PyUnicode_FromString("the zygote failed to start.\n");
    if (lines_ref == NULL || empty_ref == NULL || PyList_Insert(lines_ref, 0, empty_ref) < 0)
        goto done;
    Py_SETREF(empty_ref, PyUnicode_FromString(""));
    if (empty_ref != NULL)
        text_ref = PyUnicode_Join(empty_ref, lines_ref);
done:
    Py_XDECREF(empty_ref);
    Py_XDECREF(lines_ref);
    Py_XDECREF(module_ref);
    Py_XDECREF(traceback_ref);
    Py_XDECREF(value_ref);
    Py_XDECREF(type_ref);
    return text_ref;
}

/* Runs the zygote; comes back only in a worker. */
static void run_bootstrap(const char *document, size_t size)
{
    PyObject *scope_ref = PyDict_New();
    PyObject *document_ref = PyBytes_FromStringAndSize(document, (Py_ssize_t)size);
    PyObject *result_ref = NULL;
    if (scope_ref != NULL && document_ref != NULL && PyDict_SetItemString(scope_ref, "__builtins__", PyEval_GetBuiltins()) == 0 &&
        PyDict_SetItemString(scope_ref, "document", document_ref) == 0)
        result_ref = PyRun_String(bootstrap, Py_file_input, scope_ref, scope_ref);
    if (result_ref == NULL) {
        PyObject *text_ref = describe_error();
        const char *text = text_ref != NULL ? PyUnicode_AsUTF8(text_ref) : NULL;
        fail(EXIT_BOOT, text != NULL ? text : "the zygote failed to start.");
    }
    Py_DECREF(result_ref);
    Py_XDECREF(document_ref);
    PyDict_Clear(scope_ref);
    Py_DECREF(scope_ref);
}

/* What the Go runtime of a worker is told: its side holds a few kilobytes, so its garbage may wait and one processor is enough. It looks at
 * the vector behind argv, once, when it starts; to say it later costs a third of a megabyte in each worker. Everybody else, the
 * application's children too, has the environment as it was. */
static void set_go_environment(char **envp)
{
    static char *const own[] = {"GOMAXPROCS=1", "GOGC=400", "GOMEMLIMIT=16MiB"}; /* the first of a name counts */
    size_t count = 0;
    while (envp[count] != NULL)
        count++;
    if (count < sizeof own / sizeof *own)
        return; /* no room; then it has its defaults */
    if (environ == envp) {
        char **copy = malloc((count + 1) * sizeof *copy);
        if (copy == NULL)
            return;
        memcpy(copy, envp, (count + 1) * sizeof *copy);
        environ = copy;
    }
    memcpy(envp, own, sizeof own);
}

__attribute__((constructor)) static void gp_zygote(int argc, char **argv, char **envp)
{
    if (getenv("GOUNICORN_ZYGOTE") == NULL)
        return;
    /* A terminal's ^C goes to the whole process group; when to stop is the master's decision. The Python side puts handlers in
     * the place of this, since what is ignored stays ignored in the children of exec. */
    const int ignored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
    struct sigaction before[4];
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < 4; i++)
        sigaction(ignored[i], &ignore, &before[i]);

    unsetenv("GOUNICORN_ZYGOTE");
    gp_title_init(argc, argv, envp);
    struct settings settings = {
        .python = take_env("GOUNICORN_PYTHON"),
        .version = take_env("GOUNICORN_PYTHON_VERSION"),
        .options = take_env("GOUNICORN_PYTHON_OPTIONS"),
    };
    const int inherited[] = {GP_FD_CONTROL, GP_FD_QUEUE, GP_FD_SCOREBOARD};
    for (size_t i = 0; i < 3; i++)
        if (fcntl(inherited[i], F_SETFD, FD_CLOEXEC) < 0)
            fail(EXIT_CONFIG, "the zygote needs its control socket, queue and scoreboard at descriptors 3, 4 and 5.");
    if (send_packet(GP_KIND_HELLO, GP_WIRE_VERSION, 0, Py_GetVersion()) < 0)
        fail(EXIT_CONFIG, "descriptor 3 is not a control socket; gounicorn starts this program, it is not for use by hand.");
    size_t size;
    char *document = receive_document(&size); /* even when it is no use: a socket closed with unread packets resets its peer */
    check_version(&settings);
    char error[512];
    if (PyImport_AppendInittab("_gounicorn", PyInit__gounicorn) < 0 ||
        PyImport_AppendInittab("_gounicorn_process", PyInit__gounicorn_process) < 0)
        fail(EXIT_CONFIG, "out of memory.");
    for (size_t i = 0; i < 4; i++) /* Python looks at them to decide about its own handlers */
        if (before[i].sa_handler == SIG_DFL && ignored[i] == SIGINT)
            sigaction(ignored[i], &before[i], NULL);
    if (gp_interp_start(settings.python, settings.options, error, sizeof error) < 0)
        fail(EXIT_CONFIG, error);
    run_bootstrap(document, size);

    free(document);
    free(settings.python);
    free(settings.version);
    free(settings.options);
    set_go_environment(envp);
    gp_signals_save();
    is_worker = true;
}
