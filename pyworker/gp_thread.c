/* One more serving thread, at the request of a thread that is not Python's. GIL: see gp_worker.h. */
#include "gp_worker.h"

int gp_add_thread(uint32_t index, int stream)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *module_ref = PyImport_ImportModule("gounicorn._worker"), *result_ref = NULL;
    if (module_ref != NULL)
        result_ref = PyObject_CallMethod(module_ref, "add_thread", "Ii", (unsigned)index, stream);
    int result = result_ref != NULL ? 0 : -1;
    PyErr_Clear();
    Py_XDECREF(result_ref);
    Py_XDECREF(module_ref);
    PyGILState_Release(state);
    return result;
}
