"""Keep what users say after training."""
