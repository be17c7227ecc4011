module p2ptrace

go 1.19
