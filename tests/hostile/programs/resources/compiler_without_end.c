//: about = "Includes a file that never ends, so that the compiler takes all memory."
//: walls = ["memory"]
//: [expect]
//: status = "compile_error"
//: limit = "memory"
//: exit_code = 1
//: ended_by = "program"
//: oom_kills = 1
//: stderr_ends = "compilation terminated.\n"

#include "/dev/zero"

int main(void) { return 0; }
