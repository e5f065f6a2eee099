"""What runs inside the machines; standard library only, pushed as one zipapp at each run."""
