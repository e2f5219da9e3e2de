//: about = "Enters the kernel by the doors of other architectures: the old interrupt and the x32 numbers."
//: walls = ["foreign_calls"]
//: [expect]
//: status = "ok"
//: stdout = ["int 0x80 getpid -38", "int 0x80 keyctl -38", "x32 getpid -38", "x32 keyctl -38", "native getpid 1"]

#include <stdio.h>
#include <unistd.h>

static long by_interrupt(long number) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0L), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}

static long by_number(long number) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(0L), "S"(0L), "d"(0L) : "memory", "rcx", "r11");
    return result;
}

int main(void) {
    const long x32 = 0x40000000L;
    printf("int 0x80 getpid %ld\n", by_interrupt(20));
    printf("int 0x80 keyctl %ld\n", by_interrupt(288));
    printf("x32 getpid %ld\n", by_number(x32 + 39));
    printf("x32 keyctl %ld\n", by_number(x32 + 250));
    printf("native getpid %d\n", by_number(39) == getpid());
    return 0;
}
