"""Pages of documents, uploads, and the links that work without signing in."""

from portal.documents.views import media, one, pages, several, uploading
from portal.documents.views.routes import blueprint

__all__ = ["blueprint", "media", "one", "pages", "several", "uploading"]
