"""The works, by noun: each calls the functions of its room, and returns what is to be shown."""
