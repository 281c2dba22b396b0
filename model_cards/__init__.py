"""Model cards: what a card may say about a model, and where each of its numbers comes from."""
