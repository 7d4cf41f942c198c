"""What the scripts in `samples/` share: `Sample`, and its pictures, numbers and archives."""
