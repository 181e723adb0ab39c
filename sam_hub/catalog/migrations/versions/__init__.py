"""One file a version, `NNNN_what_it_does.py`; a released one is never edited."""
