#: about = "Asks for more memory than the profile lets anybody have."
#: walls = ["memory"]
#: limits = { memory_bytes = 1099511627776 }
#: [expect]
#: status = "rejected"
#: reason = "over_policy"

print("never runs")
