"""Run one expert, or many on one loaded base, over sentences; embed sentences."""
