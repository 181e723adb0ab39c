"""Long work: a job is a process that runs a service, with a row in the catalog, its progress, and its log."""
