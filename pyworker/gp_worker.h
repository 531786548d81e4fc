/* The C side of a worker's life, as Go and the other C files see it. The hot path has gounicorn_py.h.
 *
 * Life of a process: gp_zygote.c runs before the Go runtime, initialises CPython and forks. In the child it returns, the Go
 * runtime starts, and pyworker.Main takes over on the same thread, which holds the GIL.
 */
#ifndef GP_WORKER_H
#define GP_WORKER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gp_zygote.c. True in a process that a zygote forked. GIL: not needed. */
bool gp_is_worker(void);

/* gp_interp.c. Starts CPython as the program `python` would with these options; on failure returns -1 and leaves one sentence in
 * error. GIL: held by the caller afterwards. */
int gp_interp_start(const char *python, const char *options, char *error, size_t size);

/* gp_process.c. The module _gounicorn_process: what the Python side of zygote and worker needs from C. */
PyMODINIT_FUNC PyInit__gounicorn_process(void);

/* gp_title.c. Makes room for a process title; moves argv and environ, so nobody may have taken pointers into them. */
void gp_title_init(int argc, char **argv, char **envp);
/* Shows title in ps, cut to the room there is. */
void gp_title_set(const char *title);

/* gp_signals.c. The Go runtime takes every signal when it starts. Before that, gp_signals_save notes the dispositions that
 * Python and the application set, and blocks all signals: threads that Go makes inherit the mask, save for the signals that Go
 * lets through everywhere (crashes, and what ends a program). gp_signals_restore, called on the main thread once Go runs, gives
 * the signals back to Python. GIL: not needed. */
void gp_signals_save(void);
void gp_signals_restore(void);

/* gp_stacks.c. The signal by which a thread writes the Python stacks of its process to a memfd. */
#define GP_STACKS_SIGNAL (SIGRTMIN + 7)
/* The memfd that receives them, made at the first call; -1 when that failed. GIL: not needed. */
int gp_stacks_fd(void);
/* Writes the stacks of all threads to the memfd, from the calling thread, which must not be one of Python's. With wait_gil the
 * GIL is taken first, so that nothing moves meanwhile; without, a process that is stuck with the GIL held can be looked at.
 * Returns 0, or -1 when there is no memfd. */
int gp_stacks_dump(bool wait_gil);

/* gp_thread.c. Starts one more thread that serves, with this index and response stream, which it takes over. The caller is no thread of
 * Python's and may have to wait for the GIL. Returns 0, or -1 when there can be no more threads; the stream is the caller's then. */
int gp_add_thread(uint32_t index, int stream);

/* gp_build.c. What the program was built for; see there. */
const char *gp_built_version(void);
const char *gp_built_python(void);
const char *gp_built_include(void);
const char *gp_built_libpython(void);

#endif
