/* Symbols that cpy3 links to and libpython lacks. GIL: not needed. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030d0000
/* Declared by the headers, but exported by libpython only from 3.13. */
__attribute__((weak)) int PySignal_SetWakeupFd(int fd)
{
    (void)fd;
    return -1;
}
#endif
