"""Named entity recognition: sentences and entities, readers, prompt formats, alignment and scoring."""

from sam_hub.ner.text import Entity, Sentence

__all__ = ["Entity", "Sentence"]
