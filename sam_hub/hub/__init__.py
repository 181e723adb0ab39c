"""Where models live: search, inspect, pull, verify, push, model cards."""
