"""Merged models in, integrated predictions and strict scores out."""
