"""How our HTTP interfaces refuse: one shape for measurement server and collector."""
