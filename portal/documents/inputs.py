"""What staff may enter about documents."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from portal.inputs import ClientId, Input, OfficeDate, RecordId, ShortText, Version

Show = Literal["all", "archive", "trash", "overdue"]
Gap = Literal["policy", "kyc"]
Source = Literal["staff", "whatsapp", "email", "import", "api", "portal"]
SOURCES = {
    "staff": "Colleague",
    "whatsapp": "WhatsApp",
    "email": "E-mail",
    "import": "Import",
    "api": "Other program",
    "portal": "Portal",
}

Kind = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
BatchId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class DocumentFilter(Input):
    """What the list of documents is narrowed to."""

    q: ShortText | None = Field(None, title="File name")
    client_id: ClientId | None = Field(None, title="Client id")
    policy_id: RecordId | None = Field(None, title="Policy")
    kind: Kind | None = Field(None, title="Type")
    source: Source | None = Field(None, title="From")
    date_from: OfficeDate | None = Field(None, title="Added since")
    show: Show = Field("all", title="View")


class UploadInput(Input):
    """What goes with the files of one upload."""

    client_id: ClientId = Field(title="Client")
    member_id: RecordId | None = Field(None, title="Member")
    member_name: ShortText | None = Field(None, title="Member")
    policy_id: RecordId | None = Field(None, title="Policy")
    claim_number: ShortText | None = Field(None, title="Claim number")
    kind: Kind = Field("other", title="Type")
    title: ShortText | None = Field(None, title="Title")
    batch_id: BatchId | None = None


class GapFilter(Input):
    """What the list of missing documents is narrowed to."""

    sort_of: Gap | None = Field(None, title="Missing")
    agent_id: RecordId | None = Field(None, title="Agent")


class BatchFilter(Input):
    """Where a page of a batch begins."""

    after: RecordId | None = None


class PageFilter(Input):
    """Which page of a document is shown."""

    page: RecordId | None = None


class DetailsInput(Input):
    """What may be changed about a document: not its content, which is replaced."""

    kind: Kind = Field(title="Type")
    title: ShortText | None = Field(None, title="Title")
    member_id: RecordId | None = Field(None, title="Member")
    policy_id: RecordId | None = Field(None, title="Policy")
    retention_until: OfficeDate | None = Field(None, title="Keep until")
    version: Version = Field(title="Version")


class VersionInput(Input):
    """A button pressed on a page that showed this version."""

    version: Version = Field(title="Version")
