"""Ways to have a machine, one module each, and the wires between them."""
