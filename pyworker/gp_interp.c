/* Starting CPython so that it cannot be told from the user's own interpreter: same prefix, path, flags and options.
 *
 * The interpreter's command line is rebuilt and given to Python's own parser, so every option means here what it means there.
 * "-c" ends it: without a program to run Python would look at standard input, with one it adds no path entry before a run,
 * which never comes. Caller: one thread, before CPython runs. The strings remain the caller's.
 */
#include "gp_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int explain(PyStatus status, const char *python, char *error, size_t size)
{
    const char *where = status.func != NULL ? status.func : "start";
    const char *what = status.err_msg != NULL ? status.err_msg : "it left";
    snprintf(error, size, "Python (%s) does not start: %s: %s.", python != NULL ? python : "python3", where, what);
    return -1;
}

int gp_interp_start(const char *python, const char *options, char *error, size_t size)
{
    size_t room = 4; /* program, -c, its text, NULL */
    for (const char *p = options; p != NULL && *p != '\0'; p++)
        room += *p == '\n';
    char **argv = calloc(room + 1, sizeof *argv);
    char *lines = strdup(options != NULL ? options : "");
    int result = -1;
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    if (argv == NULL || lines == NULL) {
        snprintf(error, size, "out of memory.");
        goto done;
    }
    int argc = 0;
    argv[argc++] = (char *)(python != NULL && *python != '\0' ? python : "python3");
    char *rest = lines, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            argv[argc++] = line;
    argv[argc++] = "-c";
    argv[argc++] = "";

    PyPreConfig preconfig;
    PyPreConfig_InitPythonConfig(&preconfig);
    PyStatus status = Py_PreInitializeFromBytesArgs(&preconfig, argc, argv);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.program_name, argv[0]);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    result = PyStatus_Exception(status) ? explain(status, python, error, size) : 0;
done:
    PyConfig_Clear(&config);
    free(lines);
    free(argv);
    return result;
}
