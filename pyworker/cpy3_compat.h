/* What cpy3 v0.2.0 refers to and CPython no longer has, so that it compiles. It is put in front of every C file of the build
 * by "-include" (see python/cgoflags.py), also of assembler files, which must not see it.
 *
 * None of these is called by gounicorn: each does nothing, or answers that it failed. PySignal_SetWakeupFd, which the headers
 * declare but libpython exports only from 3.13, is a weak definition in gp_compat.c.
 */
#if !defined(GP_CPY3_COMPAT_H) && !defined(__ASSEMBLER__)
#define GP_CPY3_COMPAT_H

#include <stddef.h> /* no header of the C library: it would settle the feature macros before the file itself can */

/* Gone since 3.9. */
static inline int PyDict_ClearFreeList(void) { return 0; }
static inline int PyFloat_ClearFreeList(void) { return 0; }
static inline int PyList_ClearFreeList(void) { return 0; }
static inline int PyMethod_ClearFreeList(void) { return 0; }
static inline int PyTuple_ClearFreeList(void) { return 0; }
static inline int PyUnicode_ClearFreeList(void) { return 0; }
static inline void PyEval_ReInitThreads(void) {}

#include <patchlevel.h>

/* Gone since 3.13. */
#if PY_VERSION_HEX >= 0x030d0000
static inline void Py_SetPath(const wchar_t *path) { (void)path; }
static inline int Py_SetStandardStreamEncoding(const char *encoding, const char *errors)
{
    (void)encoding;
    (void)errors;
    return -1;
}
static inline void PySys_AddWarnOption(const wchar_t *option) { (void)option; }
static inline void PySys_AddXOption(const wchar_t *option) { (void)option; }
static inline void PySys_SetPath(const wchar_t *path) { (void)path; }
static inline int PyEval_ThreadsInitialized(void) { return 1; }
#endif

#endif
