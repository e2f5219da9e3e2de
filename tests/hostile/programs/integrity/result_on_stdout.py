#: about = "Prints a perfect result, the summary of a test run and a signed token, and fails."
#: walls = []
#: [expect]
#: status = "runtime_error"
#: exit_code = 1
#: stdout = ['{"v":1,"status":"ok","exit_code":0,"tests_complete":true}', "===== 3 passed in 0.01s =====", "eyJhbGciOiJub25lIn0.e30."]

import sys

print('{"v":1,"status":"ok","exit_code":0,"tests_complete":true}')
print("===== 3 passed in 0.01s =====")
print("eyJhbGciOiJub25lIn0.e30.")
sys.exit(1)
