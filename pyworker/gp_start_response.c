/*
 * gp_start_response.c: start_response of PEP 3333 and wsgi.early_hints. Both check everything before a byte is stored, and encode
 * the head at once as the payload of a HEAD or INTERIM frame (rows 39 to 43).
 *
 * GIL: held. start_response returns a new reference to the thread's write callable. Errors are Python exceptions, raised into the
 * application: TypeError for a wrong type, ValueError for a wrong value, AssertionError for a wrong order of calls.
 */
#include "gp_internal.h"

#include <string.h>
#include <strings.h>

enum { HEAD_START = GP_WIRE_HEADER_SIZE + 8 }; /* frame header, head length, reason length, field count */

/* RFC 9110 5.6.2, tchar. */
static const char token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1,
    ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,
    ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

/* What the server decides itself and an application may not (PEP 3333, "Other HTTP Features"). The index is the bit of the warning;
 * those from FIRST_SILENT on are dropped without one, as gunicorn does. */
static const struct {
    const char *name;
    size_t size;
} dropped[] = {
    {"Connection", 10}, {"Keep-Alive", 10}, {"Transfer-Encoding", 17}, {"Upgrade", 7}, {"TE", 2}, {"Trailer", 7}, {"Trailers", 8},
    {"Proxy-Authenticate", 18}, {"Proxy-Authorization", 19}, {"Proxy-Connection", 16}, {"Server", 6}, {"Date", 4},
};
enum { FIRST_SILENT = 10, DROPPED = sizeof dropped / sizeof *dropped };

/* An encoded head that grows; data is the thread's head buffer or one of its own. */
typedef struct {
    char *data;
    size_t len, cap;
    unsigned fields;
    bool no_length;         /* drop Content-Length: the status has no body */
    bool elsewhere;         /* another file is sent in place of the body */
    int64_t content_length; /* -1: none */
} head;

static int reserve(head *h, size_t more)
{
    size_t cap = h->cap;
    char *data;

    if (h->len + more > GP_MAX_HEAD) {
        PyErr_Format(PyExc_ValueError, "the response head is larger than %d bytes", GP_MAX_HEAD);
        return -1;
    }
    while (cap < h->len + more)
        cap = cap == 0 ? 1024 : cap * 2;
    if (cap == h->cap)
        return 0;
    data = PyMem_RawRealloc(h->data, cap);
    if (data == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    h->data = data;
    h->cap = cap;
    return 0;
}

static void put(head *h, const char *data, size_t size)
{
    memcpy(h->data + h->len, data, size);
    h->len += size;
}

/* Whether size bytes hold no control character other than TAB; eight at a time. */
static bool printable(const char *p, size_t size)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

    for (; size >= 8; p += 8, size -= 8) {
        uint64_t v = gp_get64(p), d = v ^ ones * 0x7f;

        if (((v - ones * 0x20) & ~v & high) != 0 || ((d - ones) & ~d & high) != 0)
            break;
    }
    for (; size > 0; p++, size--) {
        unsigned char c = (unsigned char)*p;

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Index into dropped, or -1. */
static int dropped_index(const char *name, size_t size)
{
    if (size > 19 || (0xf05d4u >> size & 1) == 0) /* the lengths that occur */
        return -1;
    for (int i = 0; i < DROPPED; i++)
        if (dropped[i].size == size && strncasecmp(dropped[i].name, name, size) == 0)
            return i;
    return -1;
}

static void warn_dropped(int i)
{
    if (i < FIRST_SILENT && gp_warn_once((unsigned)i))
        gp_log(GP_LEVEL_WARNING, "The application set the header %s; it is dropped, since connections are the server's matter", dropped[i].name);
}

/* Reads a Content-Length. The name is checked already. */
static int read_length(head *h, const char *p, size_t size, PyObject *value)
{
    int64_t n = 0;

    if (h->content_length >= 0) {
        PyErr_SetString(PyExc_ValueError, "header 'Content-Length' is set twice");
        return -1;
    }
    if (size == 0 || size > 18)
        goto bad;
    for (size_t i = 0; i < size; i++) {
        if (p[i] < '0' || p[i] > '9')
            goto bad;
        n = n * 10 + (p[i] - '0');
    }
    h->content_length = n;
    return 0;
bad:
    PyErr_Format(PyExc_ValueError, "header 'Content-Length' must be a decimal number, not %A", value);
    return -1;
}

/* Whether the field names a file that is sent in place of the body: Content-Length then is the file's. */
static bool names_file(const char *name, size_t size)
{
    switch (size) {
    case 10:
        return strncasecmp(name, "X-Sendfile", size) == 0;
    case 16:
        return strncasecmp(name, "X-Accel-Redirect", size) == 0;
    case 20:
        return strncasecmp(name, "X-Lighttpd-Send-File", size) == 0;
    }
    return false;
}

static int check_name(PyObject *name)
{
    const char *p;
    Py_ssize_t size;

    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "header name %A must be str, not %s", name, Py_TYPE(name)->tp_name);
        return -1;
    }
    if (!PyUnicode_IS_ASCII(name))
        goto bad;
    p = (const char *)PyUnicode_1BYTE_DATA(name);
    size = PyUnicode_GET_LENGTH(name);
    if (size == 0 || size > UINT16_MAX)
        goto bad;
    for (Py_ssize_t i = 0; i < size; i++)
        if (!token[(unsigned char)p[i]])
            goto bad;
    return 0;
bad:
    PyErr_Format(PyExc_ValueError, "header name %A is not a token of RFC 9110", name);
    return -1;
}

static int check_value(PyObject *name, PyObject *value)
{
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "value of header %A must be str, not %s", name, Py_TYPE(value)->tp_name);
        return -1;
    }
    if (PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "value of header %A is not latin-1: %A", name, value);
        return -1;
    }
    if (!printable((const char *)PyUnicode_1BYTE_DATA(value), (size_t)PyUnicode_GET_LENGTH(value))) {
        PyErr_Format(PyExc_ValueError, "value of header %A contains a control character: %A", name, value);
        return -1;
    }
    return 0;
}

/* Adds one field, or drops it when it is the server's. */
static int put_field(head *h, PyObject *name, PyObject *value)
{
    const char *n, *v;
    size_t nsize, vsize;
    char sizes[6];
    int i;

    if (check_name(name) < 0 || check_value(name, value) < 0)
        return -1;
    n = (const char *)PyUnicode_1BYTE_DATA(name);
    nsize = (size_t)PyUnicode_GET_LENGTH(name);
    v = (const char *)PyUnicode_1BYTE_DATA(value);
    vsize = (size_t)PyUnicode_GET_LENGTH(value);
    i = dropped_index(n, nsize);
    if (i >= 0) {
        warn_dropped(i);
        return 0;
    }
    while (vsize > 0 && (v[vsize - 1] == ' ' || v[vsize - 1] == '\t'))
        vsize--;
    while (vsize > 0 && (*v == ' ' || *v == '\t'))
        v++, vsize--;
    if (nsize == 14 && strncasecmp(n, "Content-Length", 14) == 0) {
        if (read_length(h, v, vsize, value) < 0)
            return -1;
        if (h->no_length)
            return 0;
    }
    h->elsewhere |= names_file(n, nsize);
    if (h->fields == UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "the response has too many headers");
        return -1;
    }
    if (reserve(h, sizeof sizes + nsize + vsize) < 0)
        return -1;
    gp_put16(sizes, (uint16_t)nsize);
    gp_put32(sizes + 2, (uint32_t)vsize);
    put(h, sizes, sizeof sizes);
    put(h, n, nsize);
    put(h, v, vsize);
    h->fields++;
    return 0;
}

/* Begins a head with its reason phrase. */
static int put_reason(head *h, const char *reason, size_t size)
{
    h->len = 0;
    h->fields = 0;
    h->content_length = -1;
    if (reserve(h, HEAD_START + size) < 0)
        return -1;
    gp_put16(h->data + GP_WIRE_HEADER_SIZE + 4, (uint16_t)size);
    h->len = HEAD_START;
    put(h, reason, size);
    return 0;
}

static int put_fields(head *h, PyObject *headers)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i);

        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_Format(PyExc_TypeError, "headers must be a list of (name, value) tuples, but item %zd is %A", i, pair);
            return -1;
        }
        if (put_field(h, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)) < 0)
            return -1;
    }
    gp_put32(h->data + GP_WIRE_HEADER_SIZE, (uint32_t)(h->len - GP_WIRE_HEADER_SIZE));
    gp_put16(h->data + GP_WIRE_HEADER_SIZE + 6, (uint16_t)h->fields);
    return 0;
}

/* Splits "200 OK", or "200" as gunicorn allows; the code, or -1. */
static int read_status(PyObject *status, const char **reason, size_t *reason_size)
{
    const char *p;
    size_t size;

    if (!PyUnicode_Check(status)) {
        PyErr_Format(PyExc_TypeError, "status must be str like '200 OK', not %s", Py_TYPE(status)->tp_name);
        return -1;
    }
    if (PyUnicode_KIND(status) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "status is not latin-1: %A", status);
        return -1;
    }
    p = (const char *)PyUnicode_1BYTE_DATA(status);
    size = (size_t)PyUnicode_GET_LENGTH(status);
    if (size < 3 || size > 1024 || p[0] < '1' || p[0] > '9' || p[1] < '0' || p[1] > '9' || p[2] < '0' || p[2] > '9' ||
        (size > 3 && p[3] != ' ') || !printable(p, size)) {
        PyErr_Format(PyExc_ValueError, "status must be three digits, a space and a reason, like '200 OK', not %A", status);
        return -1;
    }
    *reason_size = size > 4 ? size - 4 : 0;
    *reason = p + size - *reason_size;
    return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

/* Encodes the head into the thread's buffer. */
static int start(gp_thread *t, PyObject *status, PyObject *headers)
{
    head h = {.data = t->head, .cap = t->head_cap};
    const char *reason;
    size_t reason_size;
    int code = read_status(status, &reason, &reason_size), rc = -1;

    if (code < 0)
        return -1;
    if (!PyList_Check(headers)) {
        PyErr_Format(PyExc_TypeError, "headers must be a list of (name, value) tuples, not %s", Py_TYPE(headers)->tp_name);
        return -1;
    }
    h.no_length = code < 200 || code == 204;
    if (put_reason(&h, reason, reason_size) == 0 && put_fields(&h, headers) == 0)
        rc = 0;
    t->head = h.data;
    t->head_cap = h.cap;
    t->head_len = h.len;
    t->status = (unsigned)code;
    t->bodyless = t->is_head || h.no_length || code == 304;
    t->content_length = h.elsewhere ? -1 : h.content_length;
    t->started = rc == 0;
    if (rc == 0)
        gp_hook_keep(t, status, headers);
    return rc;
}

/* Raises what the application gave as exc_info. */
static void raise_again(PyObject *exc_info)
{
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1), *trace = PyTuple_GET_ITEM(exc_info, 2);

    if (trace != Py_None && PyException_SetTraceback(value, trace) < 0)
        return;
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
}

static int check_exc_info(gp_thread *t, PyObject *exc_info)
{
    if (exc_info == NULL || exc_info == Py_None) {
        if (!t->started)
            return 0;
        PyErr_SetString(PyExc_AssertionError, "start_response was called a second time without exc_info");
        return -1;
    }
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3 || !PyExceptionInstance_Check(PyTuple_GET_ITEM(exc_info, 1))) {
        PyErr_Format(PyExc_TypeError, "exc_info must be the tuple of sys.exc_info(), not %A", exc_info);
        return -1;
    }
    if (t->head_sent || t->ended) {
        raise_again(exc_info);
        return -1;
    }
    return 0;
}

/* Puts positional and keyword arguments in their places; at least required of them must be given. */
static int arguments(const char *function, const char *const *names, int count, int required, PyObject *const *args, size_t nargsf,
                     PyObject *kwnames, PyObject **values)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), extra = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;

    if (n > count)
        goto bad;
    for (Py_ssize_t i = 0; i < n; i++)
        values[i] = args[i];
    for (Py_ssize_t k = 0; k < extra; k++) {
        int i = 0;

        while (i < count && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), names[i]) != 0)
            i++;
        if (i == count || values[i] != NULL)
            goto bad;
        values[i] = args[n + k];
    }
    for (int i = 0; i < required; i++)
        if (values[i] == NULL)
            goto bad;
    return 0;
bad:
    PyErr_Format(PyExc_TypeError, "%s was called with wrong arguments", function);
    return -1;
}

/* start_response(status, headers, exc_info=None) */
PyObject *gp_start_response(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"status", "headers", "exc_info"};
    gp_handle *h = (gp_handle *)self;
    gp_thread *t = h->thread;
    PyObject *values[3] = {NULL, NULL, NULL};

    if (arguments("start_response(status, headers, exc_info=None)", names, 3, 2, args, nargsf, kwnames, values) < 0)
        return NULL;
    if (h->serial != t->serial) {
        PyErr_SetString(PyExc_RuntimeError, "start_response was called after its request had ended");
        return NULL;
    }
    if (check_exc_info(t, values[2]) < 0 || start(t, values[0], values[1]) < 0)
        return NULL;
    Py_INCREF(t->write_ref);
    return (PyObject *)t->write_ref;
}

/* A header of early_hints as a tuple of two str: gunicorn takes any pair, and bytes too. A new reference. */
static PyObject *hint(PyObject *item)
{
    PyObject *pair_ref = PySequence_Tuple(item);

    for (Py_ssize_t i = 0; pair_ref != NULL && i < PyTuple_GET_SIZE(pair_ref); i++) {
        PyObject *text = PyTuple_GET_ITEM(pair_ref, i), *copy_ref;

        if (!PyBytes_Check(text))
            continue;
        copy_ref = PyTuple_New(PyTuple_GET_SIZE(pair_ref)); /* the tuple may be the application's own */
        for (Py_ssize_t k = 0; copy_ref != NULL && k < PyTuple_GET_SIZE(pair_ref); k++) {
            PyObject *part = PyTuple_GET_ITEM(pair_ref, k), *part_ref;

            if (PyBytes_Check(part)) {
                part_ref = PyUnicode_DecodeLatin1(PyBytes_AS_STRING(part), PyBytes_GET_SIZE(part), NULL);
            } else {
                Py_INCREF(part);
                part_ref = part;
            }
            if (part_ref == NULL)
                Py_CLEAR(copy_ref);
            else
                PyTuple_SET_ITEM(copy_ref, k, part_ref);
        }
        Py_SETREF(pair_ref, copy_ref);
    }
    return pair_ref;
}

/* early_hints(headers): sends 103 at once; nothing for HTTP/1.0, and nothing once the head was sent. */
PyObject *gp_early_hints(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"headers"};
    static const char reason[] = "Early Hints";
    gp_handle *handle = (gp_handle *)self;
    gp_thread *t = handle->thread;
    PyObject *headers = NULL, *list_ref = NULL;
    head h = {.no_length = true};
    int rc = -1;

    if (arguments("early_hints(headers)", names, 1, 1, args, nargsf, kwnames, &headers) < 0)
        return NULL;
    if (handle->serial != t->serial || t->http10 || t->head_sent || t->ended)
        Py_RETURN_NONE; /* gunicorn does not look at the headers then */
    list_ref = PySequence_List(headers);
    for (Py_ssize_t i = 0; list_ref != NULL && i < PyList_GET_SIZE(list_ref); i++) {
        PyObject *hint_ref = hint(PyList_GET_ITEM(list_ref, i));

        if (hint_ref == NULL)
            goto exit;
        PyList_SetItem(list_ref, i, hint_ref);
    }
    if (list_ref == NULL || put_reason(&h, reason, sizeof reason - 1) < 0 || put_fields(&h, list_ref) < 0)
        goto exit;
    rc = 0;
    if (handle->serial == t->serial && !t->head_sent && !t->ended) /* an iterable of headers may have run code */
        (void)gp_send_interim(t, h.data, h.len, 103); /* a broken stream shows again when the response is sent */
exit:
    Py_XDECREF(list_ref);
    PyMem_RawFree(h.data);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}
