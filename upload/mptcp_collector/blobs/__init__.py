"""Where bundles are: bytes under their SHA-256, in a folder or in an object store."""
