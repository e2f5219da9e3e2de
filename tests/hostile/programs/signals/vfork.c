//: about = "Waits for a child of vfork that never ends, in a state that few signals reach."
//: walls = ["wall_time", "kill"]
//: limits = { wall_seconds = 1 }
//: [expect]
//: status = "time_limit"
//: limit = "wall"
//: processes_killed = 1

#define _DEFAULT_SOURCE
#include <unistd.h>

int main(void) {
    if (vfork() == 0)
        for (;;) pause();
    return 0;
}
