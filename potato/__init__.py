"""What did the diet do to weight? A thin package under three notebooks that run like production software."""
