"""What tests share: tiny models and Hubs, a terminal, and who listens to long work."""
