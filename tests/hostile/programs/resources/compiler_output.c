//: about = "Is a few bytes of source that become a program of a gigabyte."
//: walls = ["file_size", "scratch_size"]
//: [expect]
//: status = "compile_error"
//: exit_code = 4
//: stderr_ends = "for instructions.\n"

char data[1 << 30] = {1};

int main(void) { return data[1]; }
