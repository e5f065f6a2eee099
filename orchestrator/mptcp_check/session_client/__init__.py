"""The client's side of measurement servers: which to take, sessions on it, its clock and ours."""
