"""Reports, one file for each format. They read a Run and nothing else."""
