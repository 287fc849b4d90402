/* Makes the cores beside this file: a fault whose handler aborts, as uWSGI's with --use-abort does.
   Argument: "plain" (handler without SA_SIGINFO), "siginfo" (with it), "chained" (a SIGTERM handler faults). */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int *volatile nowhere = (int *)0x60;

static void give_up(int number) { (void)number; abort(); }
static void give_up_info(int number, siginfo_t *info, void *context) { (void)number; (void)info; (void)context; abort(); }

__attribute__((noinline)) static void touch(void) { *nowhere = 1; }
static void on_term(int number) { (void)number; touch(); }
static void *wait_for_ever(void *argument) { pause(); return argument; }

int main(int argc, char **argv)
{
    struct sigaction action;
    pthread_t thread;
    if (argc < 2) return 2;
    memset(&action, 0, sizeof action);
    action.sa_handler = give_up;
    if (!strcmp(argv[1], "siginfo")) {
        action.sa_sigaction = give_up_info;
        action.sa_flags = SA_SIGINFO;
    }
    sigaction(SIGSEGV, &action, NULL);
    if (!strcmp(argv[1], "chained")) {
        action.sa_handler = on_term;
        sigaction(SIGTERM, &action, NULL);
    }
    pthread_create(&thread, NULL, wait_for_ever, NULL);
    if (!strcmp(argv[1], "chained")) raise(SIGTERM);
    touch();
    return 0;
}
