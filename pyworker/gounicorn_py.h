/*
 * gounicorn_py.h: what the rest of the worker may call of the serve loop.
 *
 * GIL: the caller of these functions needs none, and gp_stop, gp_stop_poke, gp_serving and gp_failed may be called from any thread of the
 * process, also from one that Python does not know. PyInit__gounicorn is given to PyImport_AppendInittab before Py_Initialize.
 * Nothing here allocates. No function returns an error.
 */
#ifndef GOUNICORN_PY_H
#define GOUNICORN_PY_H

#include <stdint.h>

struct _object;

/* The initialiser of the built-in module "_gounicorn". */
struct _object *PyInit__gounicorn(void);

/* Asks every thread inside serve() to leave after the request it runs, and wakes those that wait for one. Returns gp_serving(). A
 * thread that was just going to wait may miss the wake: call gp_stop_poke() again until it returns 0. */
int gp_stop(void);

/* Wakes the threads that wait for a request; does nothing unless gp_stop() was called before. Returns gp_serving(). */
int gp_stop_poke(void);

/* The number of threads inside serve(). */
int gp_serving(void);

/* Raises gounicorn.SoftTimeout in the thread that runs exactly this request; does nothing when none does. Waits for the GIL. Not 0: the
 * request may be in a system call that missed the signal: call it again until it returns 0. */
int gp_interrupt(uint32_t slot, uint32_t generation);

/* Not 0 once a thread left serve() with an error (a malformed packet, a broken queue): the process must not go on. */
int gp_failed(void);

#endif
