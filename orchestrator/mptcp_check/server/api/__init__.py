"""The HTTPS interface, version 1: documents, routes, and what stands in front of them."""
