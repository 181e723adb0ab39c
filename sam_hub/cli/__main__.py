"""``python -m sam_hub.cli``."""

from sam_hub.cli import main

main()
