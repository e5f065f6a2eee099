"""What holds for all tests."""

import signal

from hypothesis import settings

# A first example may compile kernels, and a busy machine may take any time: no test asserts times.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell starts background jobs with SIGINT ignored, and the programs under test would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
