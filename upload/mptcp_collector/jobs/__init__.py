"""What is done with a run after it got its receipt: judged in a sandbox, or put in quarantine."""
