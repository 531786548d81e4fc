/*
 * gp_environ.c: builds the environ of a request: a fresh plain dict, copied from the thread's prototype, with the pairs of the packet.
 *
 * GIL: held. gp_environ_prototype and gp_environ_build give new references; what a thread keeps is dropped by gp_environ_clear. Errors:
 * NULL or -1 with a Python exception set; ValueError means that the packet breaks the protocol. Lengths are checked before use.
 */
#include "gp_internal.h"

#include <string.h>
#include <sys/stat.h>

enum { CACHED_SIZE = 256 };

/* Values that seldom change from one request to the next, and are no secrets. */
static const char *const cached_names[] = {
    "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme", "REMOTE_ADDR", "CONTENT_TYPE",
    "HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE", "HTTP_CONNECTION",
    "HTTP_CACHE_CONTROL", "HTTP_UPGRADE_INSECURE_REQUESTS", "HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE", "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_USER", "HTTP_SEC_CH_UA", "HTTP_SEC_CH_UA_MOBILE", "HTTP_SEC_CH_UA_PLATFORM", "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
};

/* Names that every environ has. A thread's prototype holds a value for each, at first "", later what requests bring again and again, so
 * that an equal value need not be set. What a packet leaves out is "". */
static const unsigned char always[] = {
    GP_KEY_REQUEST_METHOD, GP_KEY_SCRIPT_NAME, GP_KEY_RAW_URI, GP_KEY_PATH_INFO, GP_KEY_QUERY_STRING, GP_KEY_SERVER_NAME,
    GP_KEY_SERVER_PORT, GP_KEY_SERVER_PROTOCOL, GP_KEY_WSGI_URL_SCHEME, GP_KEY_REMOTE_ADDR,
};
enum {
    ALWAYS = 1 << GP_KEY_REQUEST_METHOD | 1 << GP_KEY_SCRIPT_NAME | 1 << GP_KEY_RAW_URI | 1 << GP_KEY_PATH_INFO | 1 << GP_KEY_QUERY_STRING |
             1 << GP_KEY_SERVER_NAME | 1 << GP_KEY_SERVER_PORT | 1 << GP_KEY_SERVER_PROTOCOL | 1 << GP_KEY_WSGI_URL_SCHEME |
             1 << GP_KEY_REMOTE_ADDR,
};

/* Interns the table of well-known names; called once, from the module's initialiser. */
int gp_environ_keys(void)
{
    for (unsigned k = 1; k < GP_KEY_COUNT; k++) {
        gp_w.key_ref[k] = PyUnicode_InternFromString(gp_key_names[k]);
        if (gp_w.key_ref[k] == NULL)
            return -1;
        for (size_t i = 0; i < sizeof cached_names / sizeof *cached_names; i++)
            gp_w.cached[k] |= strcmp(cached_names[i], gp_key_names[k]) == 0;
    }
    gp_w.input_key_ref = PyUnicode_InternFromString("wsgi.input");
    gp_w.hints_key_ref = PyUnicode_InternFromString("wsgi.early_hints");
    gp_w.route_key_ref = PyUnicode_InternFromString("gounicorn.route");
    return gp_w.input_key_ref && gp_w.hints_key_ref && gp_w.route_key_ref ? 0 : -1;
}

static int set(PyObject *dict, const char *key, PyObject *value)
{
    PyObject *key_ref = PyUnicode_InternFromString(key);
    int rc = key_ref != NULL ? PyDict_SetItem(dict, key_ref, value) : -1;

    Py_XDECREF(key_ref);
    return rc;
}

/* Fills the entries that are the same for all requests of all threads. */
static int fill(PyObject *d, PyObject *errors, PyObject *extra, PyObject *version, PyObject *software, PyObject *socket, int multithread,
                int multiprocess)
{
    if (set(d, "wsgi.version", version) < 0 || set(d, "wsgi.errors", errors) < 0 || set(d, "SERVER_SOFTWARE", software) < 0 ||
        set(d, "wsgi.multithread", multithread ? Py_True : Py_False) < 0 ||
        set(d, "wsgi.multiprocess", multiprocess ? Py_True : Py_False) < 0 || set(d, "wsgi.run_once", Py_False) < 0 ||
        set(d, "wsgi.file_wrapper", (PyObject *)gp_w.wrapper_type_ref) < 0 || set(d, "wsgi.input_terminated", Py_True) < 0 ||
        set(d, "gunicorn.socket", socket) < 0 || PyDict_SetItem(d, gp_w.input_key_ref, gp_w.empty_input_ref) < 0 ||
        PyDict_SetItem(d, gp_w.hints_key_ref, Py_None) < 0)
        return -1;
    return extra != Py_None ? PyDict_Update(d, extra) : 0;
}

/* Puts a name in and takes it out again, so that a table that is just full grows: the copies inherit its size, and have room for the
 * names of a usual request. */
static int make_room(PyObject *d)
{
    PyObject *key_ref = PyUnicode_InternFromString("gounicorn.room");
    int rc = -1;

    if (key_ref != NULL && PyDict_SetItem(d, key_ref, Py_None) == 0)
        rc = PyDict_DelItem(d, key_ref);
    Py_XDECREF(key_ref);
    return rc;
}

/* Makes the prototype that every thread's own is copied from. extra is a dict or None. */
PyObject *gp_environ_prototype(PyObject *errors, PyObject *extra, const char *software, int multithread, int multiprocess)
{
    PyObject *d_ref = PyDict_New(), *empty_ref = PyUnicode_FromString("");
    PyObject *version_ref = Py_BuildValue("(ii)", 1, 0), *software_ref = PyUnicode_FromString(software), *socket_ref = gp_socket();
    int rc = -1;

    if (d_ref == NULL || empty_ref == NULL || version_ref == NULL || software_ref == NULL || socket_ref == NULL)
        goto exit;
    for (size_t i = 0; i < sizeof always; i++)
        if (PyDict_SetItem(d_ref, gp_w.key_ref[always[i]], empty_ref) < 0)
            goto exit;
    rc = fill(d_ref, errors, extra, version_ref, software_ref, socket_ref, multithread, multiprocess);
    if (rc == 0)
        rc = make_room(d_ref);
exit:
    Py_XDECREF(empty_ref);
    Py_XDECREF(version_ref);
    Py_XDECREF(software_ref);
    Py_XDECREF(socket_ref);
    if (rc < 0)
        Py_CLEAR(d_ref);
    return d_ref;
}

/* Gives the thread its own prototype, which holds its early_hints. */
int gp_environ_thread(gp_thread *t)
{
    gp_environ_clear(t);
    t->proto_ref = PyDict_Copy(gp_w.proto_ref);
    if (t->proto_ref == NULL)
        return -1;
    for (size_t i = 0; i < sizeof always; i++) {
        PyObject *value = PyDict_GetItemWithError(t->proto_ref, gp_w.key_ref[always[i]]);

        if (value == NULL || !PyUnicode_Check(value) || PyUnicode_GET_LENGTH(value) != 0)
            continue; /* the configuration set it */
        Py_INCREF(value);
        t->base_ref[always[i]] = value;
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* Drops everything that the thread keeps for environs. */
void gp_environ_clear(gp_thread *t)
{
    Py_CLEAR(t->proto_ref);
    Py_CLEAR(t->spare_ref);
    for (unsigned k = 0; k < GP_KEY_COUNT; k++)
        Py_CLEAR(t->cache_ref[k]);
    for (unsigned k = 0; k < GP_BASE_KEYS; k++)
        Py_CLEAR(t->base_ref[k]);
}

/* Copies the prototype for the next request; called when the response is on its way. Without memory the next request tries again. */
void gp_environ_spare(gp_thread *t)
{
    t->spare_ref = PyDict_Copy(t->proto_ref);
    if (t->spare_ref == NULL)
        PyErr_Clear();
}

static bool same(PyObject *text, const char *p, size_t size)
{
    return text != NULL && (size_t)PyUnicode_GET_LENGTH(text) == size && memcmp(PyUnicode_1BYTE_DATA(text), p, size) == 0;
}

/* Puts a value that came twice in a row into the prototype, for the requests that follow. */
static int rebase(gp_thread *t, unsigned key, PyObject *value)
{
    if (PyDict_SetItem(t->proto_ref, gp_w.key_ref[key], value) < 0)
        return -1;
    Py_INCREF(value);
    Py_XSETREF(t->base_ref[key], value);
    return 0;
}

/* Sets a well-known key; its str is taken from the cache when it is the same as last time, and kept there. */
static int put_known(gp_thread *t, PyObject *env, unsigned key, const char *p, size_t size)
{
    PyObject *value_ref;
    int rc = -1;

    if (key < GP_BASE_KEYS && same(t->base_ref[key], p, size))
        return 0;
    if (same(t->cache_ref[key], p, size)) {
        value_ref = t->cache_ref[key];
        Py_INCREF(value_ref);
        if (key < GP_BASE_KEYS && (ALWAYS >> key & 1) != 0 && rebase(t, key, value_ref) < 0)
            goto exit;
    } else {
        value_ref = PyUnicode_DecodeLatin1(p, (Py_ssize_t)size, NULL);
        if (value_ref == NULL)
            return -1;
        if (gp_w.cached[key] && size <= CACHED_SIZE) {
            Py_INCREF(value_ref);
            Py_XSETREF(t->cache_ref[key], value_ref);
        }
    }
    rc = PyDict_SetItem(env, gp_w.key_ref[key], value_ref);
exit:
    Py_DECREF(value_ref);
    return rc;
}

/* Remembers what the server itself needs of a request. */
static void note(gp_thread *t, unsigned key, const char *p, size_t size)
{
    if (key == GP_KEY_REQUEST_METHOD) {
        t->method = p;
        t->method_len = size;
        t->is_head = size == 4 && memcmp(p, "HEAD", 4) == 0;
    } else if (key == GP_KEY_RAW_URI) {
        t->uri = p;
        t->uri_len = size;
    } else if (key == GP_KEY_SERVER_PROTOCOL) {
        t->http10 = size == 8 && memcmp(p, "HTTP/1.0", 8) == 0;
    }
}

/* Sets a name that is spelt out. */
static int put_literal(PyObject *env, const char *name, size_t name_size, const char *p, size_t size)
{
    PyObject *key_ref = PyUnicode_DecodeLatin1(name, (Py_ssize_t)name_size, NULL);
    PyObject *value_ref = PyUnicode_DecodeLatin1(p, (Py_ssize_t)size, NULL);
    int rc = key_ref != NULL && value_ref != NULL ? PyDict_SetItem(env, key_ref, value_ref) : -1;

    Py_XDECREF(key_ref);
    Py_XDECREF(value_ref);
    return rc;
}

/* Sets one pair at *at, which it moves behind it, and marks its key as seen. 1: the packet ends too early. */
static int put_pair(gp_thread *t, PyObject *env, const char **at, const char *end, uint64_t *seen)
{
    const char *p = *at, *name = NULL;
    size_t size, name_size = 0;
    unsigned key;

    if (end - p < 1 || (key = (unsigned char)*p++) >= GP_KEY_COUNT)
        return 1;
    if (key == 0) {
        if (end - p < 2 || (name_size = gp_get16(p)) == 0 || (size_t)(end - p - 2) < name_size)
            return 1;
        name = p + 2;
        p = name + name_size;
    }
    if (end - p < 4 || (size_t)(end - p - 4) < (size = gp_get32(p)))
        return 1;
    p += 4;
    *at = p + size;
    if (key == 0)
        return put_literal(env, name, name_size, p, size);
    *seen |= UINT64_C(1) << (key & 63);
    if (key <= GP_KEY_SERVER_PROTOCOL)
        note(t, key, p, size);
    return put_known(t, env, key, p, size);
}

/* What the packet left out must not have the value of an earlier request. */
static int put_missing(gp_thread *t, PyObject *env, uint64_t seen)
{
    for (size_t i = 0; i < sizeof always; i++) {
        unsigned key = always[i];

        if ((seen >> key & 1) == 0 && t->base_ref[key] != NULL && put_known(t, env, key, "", 0) < 0)
            return -1;
    }
    return 0;
}

/* Sets wsgi.input; the prototype has the one for a request without a body. Takes over *body_fd. 1: lengths do not agree. */
static int put_body(gp_thread *t, PyObject *env, uint64_t size, const char *p, const char *end, int *body_fd)
{
    struct stat st;

    if (*body_fd >= 0) {
        if (p != end || fstat(*body_fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < size)
            return 1;
        t->input_ref = gp_input_file(*body_fd, size);
        if (t->input_ref != NULL)
            *body_fd = -1;
    } else {
        if ((uint64_t)(end - p) != size)
            return 1;
        if (size == 0)
            return 0;
        t->input_ref = gp_input_bytes(p, (size_t)size);
    }
    return t->input_ref != NULL ? PyDict_SetItem(env, gp_w.input_key_ref, t->input_ref) : -1;
}

/* Builds the environ of the request in payload. *body_fd is -1 or the descriptor of the body; it is taken over (and set to -1) when
 * the call succeeds. */
PyObject *gp_environ_build(gp_thread *t, const char *payload, size_t size, unsigned pairs, int *body_fd)
{
    const char *p = payload + 8, *end = payload + size;
    PyObject *env_ref = t->spare_ref != NULL ? t->spare_ref : PyDict_Copy(t->proto_ref);
    uint64_t seen = 0;
    int rc;

    t->spare_ref = NULL;
    t->is_head = t->http10 = false;
    t->method = t->uri = "-";
    t->method_len = t->uri_len = 1;
    if (env_ref == NULL)
        return NULL;
    rc = size < 8;
    while (rc == 0 && pairs-- > 0)
        rc = put_pair(t, env_ref, &p, end, &seen);
    if (rc == 0 && (seen & ALWAYS) != ALWAYS)
        rc = put_missing(t, env_ref, seen);
    if (rc == 0)
        rc = put_body(t, env_ref, gp_get64(payload), p, end, body_fd);
    if (rc > 0)
        PyErr_SetString(PyExc_ValueError, "malformed request packet");
    if (rc != 0)
        Py_CLEAR(env_ref);
    return env_ref;
}
