"""How a machine's network interface is joined to a network of this computer, and parted again."""
