"""What was found, as documents for programs and as words and pages for people."""
