"""The weekly report on a model: its words, its pictures, its page."""
