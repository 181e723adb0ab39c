"""The embedded Hub: the Hugging Face Hub's HTTP API on loopback, for demos, tests and air gaps.

It imports nothing of the rest of the package; clients reach it over HTTP alone.
"""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GIVEN = "SAM_HUB_SERVER_TOKEN"  # in the environment: the token of its own that a server process is given
