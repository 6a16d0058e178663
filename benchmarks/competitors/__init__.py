"""What Headgate is compared with: each configuration as its own manual shows it, in a file of its own."""
