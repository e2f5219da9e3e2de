//: about = "Calls itself until its stack is used up."
//: walls = []
//: [expect]
//: status = "signaled"
//: signal = 11
//: stdout = "down\n"

#include <sys/resource.h>
#include <unistd.h>

static volatile int forever = 1;

static int down(int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return forever ? down(depth + 1) + frame[0] : 0;
}

int main(void) {
    // A host without a limit of its own would make this a question of memory.
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_STACK, &limit);
    return write(1, "down\n", 5) == 5 ? down(0) : 1;
}
