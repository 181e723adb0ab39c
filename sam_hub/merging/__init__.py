"""Merging: a recipe with pinned inputs → checks → a merged model on disk, equal to mergekit's bit for bit."""
