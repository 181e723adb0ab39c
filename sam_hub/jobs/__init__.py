"""Long work: each job is a process of its own, with a record in the catalog, progress, and a log."""
