#: about = "Ends with exit code 137, which elsewhere is taken for a kill."
#: walls = []
#: [expect]
#: status = "runtime_error"
#: exit_code = 137

import sys

sys.exit(137)
