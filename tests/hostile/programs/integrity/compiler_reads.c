//: about = "Makes the compiler include what the program could not read."
//: walls = ["job_uid"]
//: [expect]
//: status = "compile_error"
//: exit_code = 1
//: stderr_ends = "~~~\ncompilation terminated.\n"

// Text would be an error of another kind: the compiler would go on to the next.
#include "/proc/1/environ"

int main(void) { return 0; }
