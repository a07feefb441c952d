"""The day's work and the business's figures: where everybody begins."""
