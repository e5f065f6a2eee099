"""From listening sockets to the application: acceptance, TLS, deadlines, signals."""
