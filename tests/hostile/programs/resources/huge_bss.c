//: about = "Has a gigabyte of data that its file does not hold, and touches all of it."
//: walls = ["memory"]
//: limits = { memory_bytes = 67108864 }
//: [expect]
//: status = "memory_limit"
//: limit = "memory"
//: oom_kills = 1
//: stdout = "started\n"

#include <string.h>
#include <unistd.h>

static char data[1 << 30];

int main(void) {
    ssize_t written = write(1, "started\n", 8);
    memset(data, 1, sizeof data);
    return data[written];
}
