"""What is measured on connections, subflows and directions, in one pass and bounded memory."""
