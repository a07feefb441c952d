"""Documents of clients and policies: what they are, where they lie, who may fetch them and for how long."""
