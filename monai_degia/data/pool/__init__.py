"""What a training draws from: source images, read once, and generated ones."""
