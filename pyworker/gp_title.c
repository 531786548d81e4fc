/* The process title. ps shows the memory where the kernel put argv, and when that does not end in NUL, the environ behind it. All of it
 * is free once the strings have been copied away and the vectors, which libc and the Go runtime read, point to the copies.
 * GIL: not needed; caller: one thread.
 */
#include "gp_worker.h"

#include <string.h>

static struct {
    char *start;
    size_t argv; /* bytes of the arguments, last NUL included */
    size_t size; /* with the environ */
} area;

/* Copies the strings of a vector that lie one after the other from *end on, and moves *end behind them. */
static bool move(char **vector, char **end)
{
    for (; *vector != NULL; vector++) {
        if (*vector != *end)
            continue; /* set since the start, elsewhere */
        char *copy = strdup(*vector);
        if (copy == NULL)
            return false;
        *end += strlen(*vector) + 1;
        *vector = copy;
    }
    return true;
}

void gp_title_init(int argc, char **argv, char **envp)
{
    if (argc < 1)
        return;
    char *end = argv[0];
    area.start = argv[0];
    if (!move(argv, &end)) {
        area.start = NULL;
        return;
    }
    area.argv = (size_t)(end - area.start);
    area.size = area.argv;
    if (move(envp, &end))
        area.size = (size_t)(end - area.start);
}

void gp_title_set(const char *title)
{
    if (area.start == NULL)
        return;
    size_t length = strlen(title);
    if (length > area.size - 1)
        length = area.size - 1;
    memset(area.start, 0, area.argv); /* what lies behind is the environ, which ps need not show */
    memcpy(area.start, title, length);
    if (length >= area.argv)
        area.start[length] = '\0';
}
