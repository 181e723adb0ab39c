"""The embedded default: a small real base from PyPI, shipped experts, a target, and the main job."""
