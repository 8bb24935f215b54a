"""Put a LEO together from public checkpoints: `leo-drive build`."""
