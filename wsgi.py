"""What gunicorn serves."""

from app_multiuser import create_app

application = create_app()
