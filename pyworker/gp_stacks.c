/* Python stacks of all threads, also while one is stuck in C with the GIL held.
 *
 * faulthandler (stdlib) has a signal handler that writes the stacks of all threads; gounicorn._worker registers it on
 * GP_STACKS_SIGNAL with our memfd. A thread that sends the signal to itself runs the handler at once, on its own C stack. GIL: see gp_worker.h. Caller:
 * one thread at a time.
 */
#define _GNU_SOURCE
#include "gp_worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static int memfd = -1;

int gp_stacks_fd(void)
{
    if (memfd < 0)
        memfd = memfd_create("gounicorn-stacks", MFD_CLOEXEC);
    return memfd;
}

static void dump(void)
{
    sigset_t one, before;
    sigemptyset(&one);
    sigaddset(&one, GP_STACKS_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    pthread_kill(pthread_self(), GP_STACKS_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL); /* the handler has run when this returns */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static atomic_uint looks; /* taken without the GIL; whoever still waits for it by then is not waited for any more */

int gp_stacks_dump(bool wait_gil)
{
    struct sigaction action;
    if (memfd < 0 || sigaction(GP_STACKS_SIGNAL, NULL, &action) < 0 || action.sa_handler == SIG_DFL)
        return -1; /* nobody registered; the signal's default is to kill */
    PyGILState_STATE state = PyGILState_UNLOCKED;
    if (wait_gil) {
        unsigned before = atomic_load(&looks);
        state = PyGILState_Ensure();
        if (atomic_load(&looks) != before) {
            PyGILState_Release(state);
            return 0;
        }
    } else {
        atomic_fetch_add(&looks, 1);
    }
    int result = ftruncate(memfd, 0) < 0 || lseek(memfd, 0, SEEK_SET) < 0 ? -1 : 0;
    if (result == 0)
        dump();
    if (wait_gil)
        PyGILState_Release(state);
    return result;
}
