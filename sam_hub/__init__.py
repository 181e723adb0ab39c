"""Named-entity recognition for a new domain without labels: select experts on the Hub and merge them."""

__version__ = "0.1.0"
