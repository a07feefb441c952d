"""The defects of another portal of the same kind, each as a test that this one does not have it."""
