"""What is known of uploads and runs: SQLite on one computer, PostgreSQL for more."""
