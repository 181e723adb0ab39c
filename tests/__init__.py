"""Test processes run side by side, and share the processors as sam-hub's own do."""

from sam_hub.config import share_processors

share_processors()
