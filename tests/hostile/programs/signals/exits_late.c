//: about = "Ends well, but only after its exit handlers, which never do."
//: walls = ["cpu_time"]
//: limits = { cpu_seconds = 0.5, wall_seconds = 20 }
//: [expect]
//: status = "time_limit"
//: limit = "cpu"
//: stdout = "done\n"

#include <stdio.h>
#include <stdlib.h>

static void stay(void) {
    for (;;) __asm__ volatile("");
}

int main(void) {
    printf("done\n");
    fflush(stdout);
    atexit(stay);
    return 0;
}
