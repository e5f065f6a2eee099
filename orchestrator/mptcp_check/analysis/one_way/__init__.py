"""From one capture point to the other: what was lost between them, and how long the rest took."""
