"""What a study is told, and how it stands: read by whoever takes one in, and by whoever runs it."""
