"""What the four top-level infrastructure modules need inside themselves; imported by nobody else."""
