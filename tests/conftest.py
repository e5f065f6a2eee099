"""What holds for all tests."""

from hypothesis import settings

# A first example may compile kernels, and a busy machine may take any time: no test asserts times.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
