"""What a capture holds as tables of plain columns, for other programs."""
