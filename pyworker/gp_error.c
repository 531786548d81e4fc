/*
 * gp_error.c: what goes to the log: messages of the server, and exceptions of the application with their traceback.
 *
 * GIL: held, except for gp_log and gp_warn_once. gp_take_exception gives a new reference. Nothing here fails: what cannot be
 * formatted is logged with less detail, and no Python exception is set on return.
 */
#include "gp_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void log_line(unsigned level, const char *prefix, const char *format, va_list args)
{
    char text[4096];
    size_t n = strlen(prefix);
    int more;

    memcpy(text, prefix, n);
    more = vsnprintf(text + n, sizeof text - n, format, args);
    if (more > 0)
        n += (size_t)more < sizeof text - n ? (size_t)more : sizeof text - n - 1;
    gp_send_control(GP_KIND_LOG, level, 0, text, n);
}

void gp_log(unsigned level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(level, "", format, args);
    va_end(args);
}

/* Copies latin-1 as UTF-8; what is not printable becomes '?', so that a request cannot forge a line of the log. */
static size_t put_text(char *to, size_t room, const char *from, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size && n + 2 < room; i++) {
        unsigned char c = (unsigned char)from[i];

        if (c >= 0xa0) {
            to[n++] = (char)(0xc0 | c >> 6);
            to[n++] = (char)(0x80 | (c & 0x3f));
        } else {
            to[n++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
        }
    }
    return n;
}

/* "Error handling request GET /path" in at most room bytes, terminated. */
static size_t put_request(const gp_thread *t, char *to, size_t room)
{
    static const char start[] = "Error handling request ";
    size_t n = sizeof start - 1;

    memcpy(to, start, n);
    n += put_text(to + n, room / 4, t->method, t->method_len);
    to[n++] = ' ';
    n += put_text(to + n, room - n - 1, t->uri, t->uri_len);
    to[n] = 0;
    return n;
}

/* Logs a line about the request that runs, with its method and target in front. */
void gp_log_request(const gp_thread *t, unsigned level, const char *format, ...)
{
    char prefix[1024];
    size_t n = put_request(t, prefix, sizeof prefix - 2);
    va_list args;

    memcpy(prefix + n, ": ", 3);
    va_start(args, format);
    log_line(level, prefix, format, args);
    va_end(args);
}

/* True the first time that it is asked for a bit in this worker. */
bool gp_warn_once(unsigned bit)
{
    unsigned mask = 1u << bit;

    return (atomic_load_explicit(&gp_w.warned, memory_order_relaxed) & mask) == 0 && (atomic_fetch_or(&gp_w.warned, mask) & mask) == 0;
}

/* Takes the exception that is set, with its traceback. */
PyObject *gp_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type_ref, *value_ref, *trace_ref;

    PyErr_Fetch(&type_ref, &value_ref, &trace_ref);
    PyErr_NormalizeException(&type_ref, &value_ref, &trace_ref);
    if (trace_ref != NULL && value_ref != NULL)
        PyException_SetTraceback(value_ref, trace_ref);
    Py_XDECREF(type_ref);
    Py_XDECREF(trace_ref);
    return value_ref;
#endif
}

/* Whether the exception asks for the end of the process rather than reports a fault (row 48). */
bool gp_is_exit(PyObject *exception)
{
    return PyErr_GivenExceptionMatches(exception, PyExc_SystemExit) || PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt) ||
           PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit);
}

/* The traceback as text, or NULL without an exception set. */
static PyObject *format(PyObject *exception)
{
    PyObject *lines_ref = NULL, *empty_ref = NULL, *text_ref = NULL;

    lines_ref = PyObject_CallOneArg(gp_w.format_exception_ref, exception);
    empty_ref = PyUnicode_FromStringAndSize(NULL, 0);
    if (lines_ref != NULL && empty_ref != NULL)
        text_ref = PyUnicode_Join(empty_ref, lines_ref);
    Py_XDECREF(lines_ref);
    Py_XDECREF(empty_ref);
    PyErr_Clear();
    return text_ref;
}

/* Has the configuration's own logger write it; whether it did. */
static bool report_in_python(const char *message, const char *where, PyObject *exception)
{
    PyObject *text_ref, *done_ref = NULL;

    if (gp_w.report_ref == NULL || exception == NULL)
        return false;
    text_ref = PyUnicode_FromFormat("%s%s", message, where);
    if (text_ref != NULL)
        done_ref = PyObject_CallFunctionObjArgs(gp_w.report_ref, text_ref, exception, NULL);
    Py_XDECREF(text_ref);
    if (done_ref == NULL) {
        PyErr_Clear();
        return false;
    }
    Py_DECREF(done_ref);
    return true;
}

/* Logs an exception of the application with the request it belongs to; where is "" or says at which point it came. */
void gp_report(const gp_thread *t, const char *where, PyObject *exception)
{
    char prefix[1024];
    size_t n = put_request(t, prefix, sizeof prefix);
    PyObject *trace_ref = NULL, *text_ref = NULL, *bytes_ref = NULL;

    if (report_in_python(prefix, where, exception))
        return;
    trace_ref = exception != NULL ? format(exception) : NULL;
    if (trace_ref != NULL)
        text_ref = PyUnicode_FromFormat("%s%s\n%U", prefix, where, trace_ref);
    if (text_ref != NULL)
        bytes_ref = PyUnicode_AsEncodedString(text_ref, "utf-8", "backslashreplace");
    if (bytes_ref != NULL) {
        size_t size = (size_t)PyBytes_GET_SIZE(bytes_ref);

        while (size > n && PyBytes_AS_STRING(bytes_ref)[size - 1] == '\n')
            size--;
        gp_send_control(GP_KIND_LOG, GP_LEVEL_ERROR, 0, PyBytes_AS_STRING(bytes_ref), size);
    } else {
        PyErr_Clear();
        gp_log(GP_LEVEL_ERROR, "%s%s\n%s (no traceback: it could not be formatted)", prefix, where,
               exception != NULL ? Py_TYPE(exception)->tp_name : "unknown exception");
    }
    PyErr_Clear();
    Py_XDECREF(trace_ref);
    Py_XDECREF(text_ref);
    Py_XDECREF(bytes_ref);
}
