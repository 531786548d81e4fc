/* What this program was built for. The GP_BUILT_ macros come from python/cgoflags.py. GIL: not needed; the strings are static. */
#include "gp_worker.h"

#ifndef GP_BUILT_PYTHON
#define GP_BUILT_PYTHON ""
#endif
#ifndef GP_BUILT_INCLUDE
#define GP_BUILT_INCLUDE ""
#endif
#ifndef GP_BUILT_LIBPYTHON
#define GP_BUILT_LIBPYTHON ""
#endif

const char *gp_built_version(void) { return PY_VERSION; }
const char *gp_built_python(void) { return GP_BUILT_PYTHON; }
const char *gp_built_include(void) { return GP_BUILT_INCLUDE; }
const char *gp_built_libpython(void) { return GP_BUILT_LIBPYTHON; }
