"""One file for each experiment; its docstring says what it shows, the command, the cost and the numbers to expect."""
