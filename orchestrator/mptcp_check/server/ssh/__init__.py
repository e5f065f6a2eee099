"""ssh for many sessions: sftp, scp and two commands, in a session's folder and nowhere else."""
