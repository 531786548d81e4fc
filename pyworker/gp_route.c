/*
 * gp_route.c: the framework's name for the route of a request, environ["gounicorn.route"], goes to the scoreboard as a hash and once to
 * the master as text (PROTOCOL.md, ROUTE).
 *
 * GIL: held; it guards the table of names. What an application puts there may be anything, and is ignored unless it is a str.
 */
#include "gp_internal.h"

#include <string.h>

enum {
    MAX_NAMES = 1024,
    MAX_NAME = 256, /* bytes */
    TABLE = 2048,   /* places for names, so that half of them stay free */
};

static uint64_t reported[TABLE]; /* hashes that the master knows; 0: free */
static unsigned names;

/* FNV-1a. */
static uint64_t hash(const char *p, size_t size)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Makes sure that the master knows the name. False when it does not: there are too many. */
static bool report(uint64_t h, const char *name, size_t size)
{
    char payload[sizeof h + MAX_NAME];
    unsigned at = (unsigned)h % TABLE;

    while (reported[at] != 0 && reported[at] != h)
        at = (at + 1) % TABLE;
    if (reported[at] == h)
        return true;
    if (names == MAX_NAMES)
        return false;
    memcpy(payload, &h, sizeof h);
    memcpy(payload + sizeof h, name, size);
    if (gp_send_control(GP_KIND_ROUTE, 0, gp_w.id, payload, sizeof h + size) < 0)
        return false; /* the master is busy; the next request tries again */
    reported[at] = h;
    names++;
    return true;
}

/* Forgets what an earlier worker of this process reported. */
void gp_route_reset(void)
{
    memset(reported, 0, sizeof reported);
    names = 0;
}

/* The hash of the name that the request's environ gives its route; 0: none, or too many. */
uint64_t gp_route(gp_thread *t)
{
    PyObject *name = PyDict_GetItemWithError(t->environ, gp_w.route_key_ref);
    const char *text;
    Py_ssize_t size;
    gp_route_entry *entry;
    uint64_t h;

    if (name == NULL || !PyUnicode_CheckExact(name)) {
        if (name == NULL && PyErr_Occurred())
            PyErr_Clear();
        return 0;
    }
    entry = &t->route[(uintptr_t)name / 32 % GP_ROUTES];
    if (entry->name_ref == name)
        return entry->hash;
    text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL) {
        PyErr_Clear();
        return 0;
    }
    if (size == 0 || size > MAX_NAME || (h = hash(text, (size_t)size)) == 0 || !report(h, text, (size_t)size))
        return 0;
    Py_INCREF(name);
    Py_XSETREF(entry->name_ref, name);
    entry->hash = h;
    return h;
}

/* Drops the names that the thread holds. */
void gp_route_clear(gp_thread *t)
{
    for (unsigned i = 0; i < GP_ROUTES; i++)
        Py_CLEAR(t->route[i].name_ref);
}
