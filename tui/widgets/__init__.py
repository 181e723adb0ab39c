"""Parts that several stages show."""
