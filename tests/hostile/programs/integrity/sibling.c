//: about = "Makes a child of PID 1's own beside itself, whose end could be taken for the program's."
//: walls = ["kill"]
//: [expect]
//: status = "runtime_error"
//: exit_code = 3
//: stdout = "the sibling has ended\n"

#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    int ends[2];
    char byte;
    if (pipe(ends) != 0) return 1;
    long sibling = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (sibling == 0) _exit(0);
    close(ends[1]);
    // The pipe ends with the sibling; its process id is free again when PID 1 has reaped it.
    if (read(ends[0], &byte, 1) != 0) return 2;
    while (kill((pid_t)sibling, 0) == 0) sched_yield();
    printf("the sibling has ended\n");
    return 3;
}
