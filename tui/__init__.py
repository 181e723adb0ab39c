"""The terminal UI: shows and asks; everything it does calls the functions that the command line calls."""
