"""Requirements: their text, and the cases that cover them."""
