"""TCP and MPTCP options as values: the readable side of what the kernels put into columns."""
