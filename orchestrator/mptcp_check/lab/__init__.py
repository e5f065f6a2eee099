"""The middlebox lab: real kernels at both ends of a wire that plays any behaviour, in seconds.

Two network namespaces play the client's and the server's machine; a third one lies between and
carries every frame through a chain of behaviours.  All of it lives in a sandbox of processes that
ends with the program, whatever ends it.
"""
