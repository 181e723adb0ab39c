"""Which experts fit a target: by similarity of the texts, and by votes on a sample."""
