"""Sources of evidence of who read what, one file each."""
