"""Make an expert: supervised fine-tuning of a LoRA adapter on labeled data."""
