"""What the trail may be narrowed by."""

from pydantic import Field

from portal.inputs import ClientId, Input, OfficeDate, RecordId, ShortText


class ReadFilter(Input):
    """Which reads are wanted: of one record, of a client with all that belongs to it, by whom, and when."""

    record_type: ShortText | None = Field(None, title="Kind of record")
    record_id: ShortText | None = Field(None, title="Number of the record")
    client_id: ClientId | None = Field(None, title="Client")
    user_id: RecordId | None = Field(None, title="Who")
    date_from: OfficeDate | None = Field(None, title="From")
    date_to: OfficeDate | None = Field(None, title="Until")


class TrailFilter(Input):
    """Which entries are wanted: of one record, of a client with all that belongs to it, by whom, what, and when."""

    record_type: ShortText | None = Field(None, title="Kind of record")
    record_id: ShortText | None = Field(None, title="Number of the record")
    client_id: ClientId | None = Field(None, title="Client")
    user_id: RecordId | None = Field(None, title="Who")
    action: ShortText | None = Field(None, title="What")
    date_from: OfficeDate | None = Field(None, title="From")
    date_to: OfficeDate | None = Field(None, title="Until")
    request_id: ShortText | None = Field(None, title="Request")
