"""The figures of the business: drawn by the server, with the same numbers in a table that leads to the lists."""

import re
from decimal import Decimal

from portal.formats import today
from portal.today import service


def amounts(page):
    """Links of the table by month with what they say."""
    rows = re.findall(r'<td class="num"><a href="([^"]+)">₹([\d,]+)</a></td>', page)
    return [(link.replace("&amp;", "&"), amount) for link, amount in rows]


def test_every_figure_leads_to_the_list_it_counts(manager):
    page = manager.get("/business").text
    filled = [(link, amount) for link, amount in amounts(page) if amount != "0"]
    assert filled
    for link, amount in filled:
        assert f"₹{amount} gross premium" in manager.get(link).text


def test_lines_and_insurers_add_up_to_the_year(manager):
    figures_of = manager.get("/business").text
    whole = re.search(
        r'<tfoot><tr><th scope="row">Year</th><td class="num">(.*?)</td><td class="num">(.*?)</td>', figures_of)
    by_line = re.search(r'By line, table.*?</table>', figures_of, re.DOTALL)[0]
    sums = [int(amount.replace(",", "")) for amount in re.findall(r'<td class="num">₹([\d,]+)</td>', by_line)]
    assert sum(sums) == int(whole[2].lstrip("₹").replace(",", ""))


def test_the_drawing_is_for_the_eye_and_the_table_for_everybody(manager):
    page = manager.get("/business").text
    for figure in re.findall(r"<figure.*?</figure>", page, re.DOTALL):
        assert 'aria-hidden="true"' in figure and "<caption" in figure and "<figcaption>" in figure
        drawn = figure.split("<svg")[1].split("</svg>")[0]
        assert drawn.count("<a ") == drawn.count('tabindex="-1"')
        assert "style=" not in figure


def test_months_without_business_are_there_too():
    bars = service.months_of(service.first_of_year(today()), [], None)
    assert " ".join(bar.label for bar in bars) == "Apr May Jun Jul Aug Sep Oct Nov Dec Jan Feb Mar"
    assert all(bar.value == Decimal(0) for bar in bars)
    assert "start_from=01%2F02%2F" in bars[10].link and re.search(r"start_to=2[89]%2F02%2F", bars[10].link)


def test_an_office_without_business_is_told_what_will_be_here(manager, app):
    assert "No policy was issued" in manager.get("/business?agent_id=999").text
