/* Signals across the start of the Go runtime; see gp_worker.h. GIL: not needed. Caller: the main thread. */
#include "gp_worker.h"

#include <signal.h>

static struct sigaction saved[NSIG];
static bool known[NSIG];
static sigset_t mask;

void gp_signals_save(void)
{
    for (int number = 1; number < NSIG; number++)
        known[number] = sigaction(number, NULL, &saved[number]) == 0;
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGHUP, &ignore, NULL); /* Go leaves these two alone when they are ignored; its own handler would end the process */
    sigaction(SIGINT, &ignore, NULL);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
}

void gp_signals_restore(void)
{
    for (int number = 1; number < NSIG; number++) {
        if (!known[number] || number == SIGKILL || number == SIGSTOP || number == SIGURG)
            continue; /* SIGURG is how the Go runtime preempts its own threads */
        sigaction(number, &saved[number], NULL);
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}
