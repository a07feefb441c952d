"""The list of documents, and what is missing."""

from tests.documents.conftest import CLIENT, POLICY


def test_an_empty_list_says_what_to_do(clerk):
    assert "Upload the first documents" in clerk.get("/documents").text
    assert "No document has been replaced" in clerk.get("/documents?show=archive").text


def test_what_is_missing_is_listed_until_it_is_there(clerk, uploaded):
    page = clerk.get("/documents/missing").text
    assert "Policy schedule of" in page and "KYC" in page
    assert f"/documents/upload?client_id={CLIENT}&amp;policy_id={POLICY}&amp;kind=policy-schedule" in page
    uploaded(kind="policy-schedule", policy_id=POLICY)
    assert "Policy schedule of" not in clerk.get("/documents/missing").text
    assert "KYC" in clerk.get("/documents/missing?sort_of=kyc").text
    uploaded(kind="pan-card")
    assert "Nothing is missing" in clerk.get("/documents/missing").text


def test_the_list_is_narrowed(clerk, uploaded):
    document = uploaded(name="Receipt 100%_a.pdf", kind="premium-receipt")
    link = f'href="/documents/{document["document_id"]}"'
    for narrowed in ("q=100%25_a", "kind=premium-receipt&client_id=rm01", "source=staff", "date_from=01/01/2026"):
        assert link in clerk.get(f"/documents?{narrowed}").text, narrowed
    for narrowed in ("q=100xx", "kind=photos", "client_id=KI01", "source=whatsapp", "show=archive", "show=overdue"):
        assert link not in clerk.get(f"/documents?{narrowed}").text, narrowed


def test_strange_addresses_show_the_list(clerk):
    for strange in ("kind=%F0%9F%98%80", "policy_id=x", "date_from=99/99/9999", "show=nonsense", "cursor=zzz"):
        assert clerk.get(f"/documents?{strange}").status_code == 200
