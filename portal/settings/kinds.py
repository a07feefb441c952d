"""The kinds of masters: words, tables, forms. Every page, merge and API resource of masters goes by this list."""

from dataclasses import dataclass, field

from portal.settings.inputs import (
    AgentInput,
    DocumentTypeInput,
    HospitalInput,
    InsurerInput,
    LostReasonInput,
    MasterInput,
    ProductInput,
    TpaInput,
)


@dataclass(frozen=True)
class Kind:
    """One kind of master. `slug` is its word in addresses, `columns` the fields of its list with their headings."""

    slug: str
    word: str
    plural: str
    table: str
    relation: str
    key: str
    form: type[MasterInput]
    meaning: str
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def a_word(self) -> str:
        """The word with its article: "an insurer", "a TPA"."""
        return f"{'an' if self.word[0] in 'aeiou' else 'a'} {self.word}"

    @property
    def heading(self) -> str:
        """The plural as a heading begins: "Insurers", "TPAs"."""
        return self.plural[0].upper() + self.plural[1:]

    @property
    def record_type(self) -> str:
        """What the trail calls it."""
        return self.key.removesuffix("_id").replace("_", " ")


_PHONE, _EMAIL = {"phone": "Phone"}, {"email": "E-mail"}
_ALL = (
    Kind("insurers", "insurer", "insurers", "insurers", "insurers", "insurer_id", InsurerInput,
         "Companies whose policies you sell", {"short_name": "Short name", "irdai_number": "IRDAI number"}),
    Kind("products", "product", "products", "products", "product_list", "product_id", ProductInput,
         "Their line decides the form and the tax", {"line": "Line", "subtype": "Kind", "insurer_name": "Insurer"}),
    Kind("agents", "agent", "agents", "agents", "agents", "agent_id", AgentInput,
         "Who brings in business", _PHONE | _EMAIL),
    Kind("tpas", "TPA", "TPAs", "tpas", "tpas", "tpa_id", TpaInput,
         "Who handles health claims for insurers", _PHONE | _EMAIL),
    Kind("hospitals", "hospital", "hospitals", "hospitals", "hospitals", "hospital_id", HospitalInput,
         "Where clients are treated", {"city": "City"} | _PHONE),
    Kind("lost-reasons", "lost reason", "lost reasons", "lost_reasons", "lost_reasons", "lost_reason_id",
         LostReasonInput, "Why business was not renewed"),
    Kind("document-types", "document type", "document types", "document_types", "document_types", "document_type_id",
         DocumentTypeInput, "How papers are sorted", {"concerns": "Belongs to"}),
)  # fmt: skip
KINDS = {kind.slug: kind for kind in _ALL}
BY_TABLE = {kind.table: kind for kind in _ALL}
