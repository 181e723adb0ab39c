"""Typed functions over the rooms: what the API, the command line, the TUI and the jobs call."""
