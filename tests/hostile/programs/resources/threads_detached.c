//: about = "Starts threads that nobody can join, leaves them spinning, and ends the process from one of them."
//: walls = ["processes", "cpu_quota"]
//: limits = { processes = 16, wall_seconds = 20, cpu_seconds = 20 }
//: [expect]
//: status = "runtime_error"
//: exit_code = 4
//: stdout = "15 threads, then EAGAIN\n"
//: pids_limit_hits_min = 1

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *spin(void *argument) {
    while (argument != (void *)1) __asm__ volatile("" : "+r"(argument));
    return NULL;
}

static void *leave(void *argument) {
    int threads = 1;
    pthread_t thread;
    int error;
    while ((error = pthread_create(&thread, NULL, spin, argument)) == 0) {
        pthread_detach(thread);
        threads++;
    }
    printf("%d threads, then %s\n", threads, error == EAGAIN ? "EAGAIN" : "another error");
    exit(4);
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, leave, NULL);
    pthread_exit(NULL);
}
