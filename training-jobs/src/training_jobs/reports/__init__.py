"""What a training run says of itself: scores, pictures, token counts, environment."""
