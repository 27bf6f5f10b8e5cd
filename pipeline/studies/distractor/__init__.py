"""The study of distractors: the same short texts among more and more neutral sentences."""
