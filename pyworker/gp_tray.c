/*
 * gp_tray.c: the worker's side of the tray (PROTOCOL.md, Tray): memory shared with the master, on which a large piece of a body is laid
 * down instead of being written to the stream.
 *
 * GIL: gp_tray_put gives it up while it copies; the caller keeps the parts alive. Threads may put at the same time.
 */
#include "gp_internal.h"

#include <string.h>
#include <sys/mman.h>

static _Atomic uint32_t *word(int place)
{
    return (_Atomic uint32_t *)(gp_w.tray + 4 * (size_t)place);
}

/* Maps the tray of the descriptor, which stays the caller's; -1: there is none. Sets a Python exception on failure. */
int gp_tray_map(int fd)
{
    void *tray = NULL;

    if (fd >= 0) {
        tray = mmap(NULL, GP_TRAY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (tray == MAP_FAILED) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
    }
    if (gp_w.tray != NULL)
        munmap(gp_w.tray, GP_TRAY_SIZE);
    gp_w.tray = tray;
    return 0;
}

/* Lays the parts down, size bytes in all, at most GP_TRAY_PLACE_SIZE. Returns the place, or -1 when none is free. */
int gp_tray_put(const struct iovec *parts, int count, size_t size)
{
    int place = 0;
    uint32_t unused = 0;
    unsigned char *at;

    if (gp_w.tray == NULL || size > GP_TRAY_PLACE_SIZE)
        return -1;
    while (!atomic_compare_exchange_strong(word(place), &unused, 1)) {
        unused = 0;
        if (++place == GP_TRAY_PLACES)
            return -1;
    }
    at = gp_w.tray + GP_TRAY_HEADER + (size_t)place * GP_TRAY_PLACE_SIZE;
    Py_BEGIN_ALLOW_THREADS
    for (int i = 0; i < count; i++) {
        memcpy(at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    Py_END_ALLOW_THREADS
    return place;
}
