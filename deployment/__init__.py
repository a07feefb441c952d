"""The steps of deploy_multiuser.py. Standard library only, because they run before anything is installed.

The exception is inspection.py, which runs inside the virtual environment.
"""
