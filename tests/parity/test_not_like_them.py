"""One test for each defect that the other portal has and this one must not have, named by its id."""

import ast
import inspect
import pathlib
import re
import subprocess
import sys
import threading

import pytest

import config
from cache_manager import CacheManager
from database_pool import DatabasePool, InvalidQuery, execute_query, new_ids, transaction
from portal.outbox.inputs import DocumentInput, ReplyInput
from portal.renewals.inputs import BulkInput, BulkRequest, ReminderInput
from portal.staff import sessions
from portal.web import access
from tests.cast import email_of, make_cast, sign_in, visitor
from tests.conftest import portal_settings
from tests.parity.elsewhere import NOTHING_CAN_SHOW, SHOWN_BY

ROOT = pathlib.Path(__file__).parents[2]
ALL = {f"{kind}{number:02}" for kind, last in (("S", 53), ("R", 50), ("D", 9)) for number in range(1, last + 1)}
PYTHON = [path for pattern in ("*.py", "portal/**/*.py", "infrastructure/**/*.py") for path in ROOT.glob(pattern)]
PAGES = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/**/*.js")]


def test_every_defect_is_shown_or_explained():
    here = {name[5:8].upper() for name, _ in inspect.getmembers(sys.modules[__name__], inspect.isfunction)
            if re.match(r"test_[srd]\d\d_", name)}
    assert here | set(SHOWN_BY) | set(NOTHING_CAN_SHOW) == ALL
    assert not here & (set(SHOWN_BY) | set(NOTHING_CAN_SHOW))
    assert not set(SHOWN_BY) & set(NOTHING_CAN_SHOW)


@pytest.mark.parametrize("test", sorted(set(SHOWN_BY.values())))
def test_what_shows_it_exists(test):
    file, name = test.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def refused(answer):
    return answer.status_code in (303, 400, 401, 403, 404) and answer.headers.get("Location", "/login").startswith(
        "/login")


def test_s01_strangers_send_nothing_and_other_sites_are_not_let_in(app):
    for path in ("/api/bulk/send-reminders", "/api/bulk/notify-policy-issued"):
        answer = visitor(app).post(path, json={}, headers={"Origin": "https://evil.example"})
        assert refused(answer)
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_s02_strangers_upload_nothing(app):
    assert refused(visitor(app).post("/api/files/batch-upload", data={"policy_ids": "1"}))


def test_s03_strangers_see_no_batch(app):
    for path in ("/api/batches/1", "/api/tasks/1", "/api/files/batch-status/1", "/jobs/1"):
        assert refused(visitor(app).get(path))


def test_s04_strangers_see_no_figures(app):
    for path in ("/metrics", "/health/detailed", "/api/system/status"):
        assert refused(visitor(app).get(path, environ_base={"REMOTE_ADDR": "203.0.113.9"}))


def test_s08_there_is_no_debug_route(app):
    shown = [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    assert not [rule for rule in shown if re.search(r"debug|/test|/media/health", rule)]
    assert not app.debug


@pytest.mark.parametrize("sign", [".innerHTML", ".outerHTML", "insertAdjacentHTML", "document.write", "|safe",
                                  "| safe"])
def test_s12_no_text_becomes_a_page(sign):
    ours = [path for path in PAGES if "vendor" not in path.parts]
    assert not [path.name for path in ours if sign in path.read_text(encoding="utf-8")]


def test_s17_certificates_are_always_checked():
    for path in PYTHON:
        assert not re.search(r"verify\s*=\s*False|CERT_NONE|disable_ssl|check_hostname\s*=\s*False",
                             path.read_text(encoding="utf-8")), path


def test_s18_nobody_is_signed_out_by_a_link(app):
    browser = sign_in(app, "staff")
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout").status_code == 400
    assert browser.get("/account").status_code == 200


def test_s20_a_cookie_is_worth_nothing_after_signing_out(app):
    browser = sign_in(app, "staff")
    stolen = browser.session_cookie()
    browser.submit("/logout")
    thief = visitor(app)
    thief.set_cookie("session", stolen)
    assert thief.get("/account").status_code == 303


def test_s21_who_is_gone_does_not_come_back_by_a_request(app):
    browser, user_id = sign_in(app, "reader"), make_cast()["reader"]
    with transaction() as tx:
        sessions.end_all(tx, user_id)
        tx.update("users", {"is_active": False}, filters={"user_id_eq": user_id})
    before = execute_query("users", columns="user_id", count=True).count
    assert browser.get("/clients").status_code == 303
    assert execute_query("users", columns="user_id", count=True).count == before
    assert execute_query("users", filters={"user_id": user_id}).data[0]["is_active"] is False
    execute_query("users", "update", filters={"user_id": user_id}, data={"is_active": True})


def test_s22_a_disabled_colleague_is_out_at_once(app):
    browser, user_id = sign_in(app, "accounts"), make_cast()["accounts"]
    execute_query("users", "update", filters={"user_id": user_id}, data={"is_active": False})
    assert browser.get("/account").status_code == 303
    execute_query("users", "update", filters={"user_id": user_id}, data={"is_active": True})


@pytest.mark.parametrize("target", [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "https:evil",
    "javascript:alert(1)", "///evil.example", "/%0a/evil" + "\n", "http:///evil.example", " //evil.example", ""])
def test_s24_signing_in_leads_to_no_other_site(target):
    assert access.safe_next(target) == "/"


def test_s30_the_debugger_is_off_and_development_is_not_what_others_serve(app, tmp_path):
    assert not app.config["DEBUG"]
    assert portal_settings(tmp_path, FLASK_ENV="development").web_bind.startswith("127.0.0.1:")


def test_s31_no_secret_is_sent_to_a_browser(app):
    browser = sign_in(app, "administrator")
    for path in ("/settings", "/account", "/users"):
        page = browser.get(path, follow_redirects=True).text
        assert config.settings().secret_key not in page


def test_s32_no_password_hash_is_sent_to_a_browser(app):
    browser = sign_in(app, "administrator")
    pages = [browser.get(path).text for path in ("/users", f"/users/{make_cast()['staff']}", "/account", "/audit")]
    assert not any("$argon2" in page or "password_hash" in page for page in pages)


def test_s34_no_persons_data_is_in_the_repository():
    """No tables and logs, and no address but those that RFC 2606 and the tests' own services keep for examples."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a copy of the repository")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in files if re.search(r"\.(xlsx|xls|csv|log|db|sqlite|pem|key|env)$", name)]
    ours = [ROOT / name for name in files if re.search(r"\.(py|md|sql|html|js|toml|conf|service)$", name)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in ours if "vendor" not in path.parts)
    hosts = {host.lower() for host in re.findall(r"[\w.+-]+@((?:[a-z0-9-]+\.)+[a-z]{2,})\b", text, re.IGNORECASE)}
    made_up = re.compile(r"(.*\.)?(example(\.in|\.com)?|portal\.local|iam\.gserviceaccount\.com|[bc]\.in)")
    assert not {host for host in hosts if not made_up.fullmatch(host)}


def test_s38_no_file_of_the_folder_is_served(app):
    browser = sign_in(app, "staff")
    for name in ("requirements_production.txt", "config.py", ".env", "data/secret_key", "..%2fconfig.py"):
        assert browser.get(f"/{name}").status_code == 404
        assert browser.get(f"/static/{name}").status_code == 404


def test_s39_the_least_role_changes_nothing(app):
    browser = sign_in(app, "reader")
    token = browser.token()
    for rule in app.url_map.iter_rules():
        wanted = access.access_of(app.view_functions[rule.endpoint]) or ""
        if "POST" in (rule.methods or ()) and wanted.endswith((".write", ".delete", ".manage")) and not rule.arguments:
            assert browser.post(rule.rule, data={"csrf_token": token}).status_code == 403, rule.rule


def test_s44_nothing_comes_from_another_site():
    for path in PAGES:
        if "vendor" not in path.parts:
            assert not re.search(r"(src|href)=[\"'](https?:)?//(?!www\.w3\.org)", path.read_text("utf-8")), path


def test_s46_no_secret_has_a_value_that_others_know(tmp_path):
    with pytest.raises(config.ConfigurationError, match="SECRET_KEY"):
        config.load_settings({"FLASK_ENV": "production", "DATA_DIR": str(tmp_path)})
    assert portal_settings(tmp_path).verify_token is None


@pytest.mark.parametrize("form", [ReplyInput, DocumentInput, ReminderInput, BulkInput, BulkRequest])
def test_s40_no_form_that_sends_names_a_recipient(form):
    """The address is the stored one, whatever else a form brings; a test message, with nobody's data, is apart."""
    assert not {name for name in form.model_fields if re.search(r"phone|mail|address|recipient|^to$", name)}


@pytest.mark.parametrize("given", ["0", "-1", "1e9", "nan", "100000"])
def test_s48_no_pause_can_be_taken_away(tmp_path, given):
    with pytest.raises(config.ConfigurationError, match="MESSAGES_PER_SECOND"):
        portal_settings(tmp_path, MESSAGES_PER_SECOND=given)
    with pytest.raises(config.ConfigurationError, match="RATE_LIMIT_API"):
        portal_settings(tmp_path, RATE_LIMIT_API=f"{given}/minute" if given != "100000" else "5 per 0 seconds")


def test_s49_no_template_is_made_at_a_provider():
    gateways = [path for path in PYTHON if "gateways" in path.parts]
    assert gateways
    assert not [path for path in gateways
                if re.search(r"v1/Content|content_and_approvals|message_templates", path.read_text(encoding="utf-8"))]


def test_s52_a_callers_name_is_no_pattern():
    cache = CacheManager("")
    cache.set_many({"user:1": 1, "user:12": 12, "user:*": 0})
    assert cache.delete("user:*") == 1
    assert cache.get_many(["user:1", "user:12"]) == {"user:1": 1, "user:12": 12}


def test_s53_no_weak_hash_and_no_command_that_stops_redis():
    wrong = re.compile(r"hashlib\.(md5|sha1)\((?!.*usedforsecurity=False)|"
                       r"\.keys\(\s*f?[\"'][^\"']*\*|flushall|flushdb")
    assert not [path for path in PYTHON if wrong.search(path.read_text(encoding="utf-8"))]


def test_r04_ids_do_not_repeat(app):
    taken, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: taken.extend(new_ids("users", 50))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 400


def test_r17_a_change_without_a_condition_is_refused(app):
    make_cast()
    for operation in ("update", "delete"):
        with pytest.raises(InvalidQuery):
            execute_query("users", operation, filters={}, data={"name": "Everybody"})
        with pytest.raises(InvalidQuery):
            execute_query("users", operation, data={"name": "Everybody"})
    assert execute_query("users", filters={"email": email_of("staff")}).data[0]["name"] != "Everybody"


def test_r32_every_page_that_needs_nothing_answers(app):
    browser = sign_in(app, "administrator")
    paths = [rule.rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and not rule.arguments
             and not rule.rule.endswith("/events")]
    assert len(paths) > 50
    assert {path: status for path in paths if (status := browser.get(path).status_code) >= 500} == {}


def test_r38_the_figures_of_the_cache_are_figures():
    cache = CacheManager("")
    cache.set("a", 1)
    assert [cache.get("a"), cache.get("b")] == [1, None]
    stats = cache.get_stats()
    assert (stats["hits"], stats["misses"], stats["sets"]) == (1, 1, 1)


def test_r50_no_error_is_swallowed_blindly():
    """ruff's rule for blind excepts is on; what is left is said where it stands."""
    rules = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"BLE"' in rules
    blind = re.compile(r"except:\s|except Exception:\s*\n\s*pass")
    assert not [path for path in PYTHON if blind.search(path.read_text(encoding="utf-8"))]


def test_d01_what_gunicorn_serves_is_the_whole_portal(app):
    served = ast.parse((ROOT / "wsgi.py").read_text(encoding="utf-8"))
    assert any(isinstance(node, ast.ImportFrom) and node.module == "app_multiuser" for node in served.body)
    assert {"/health", "/webhook", "/login"} <= {rule.rule for rule in app.url_map.iter_rules()}


def test_d03_what_the_start_needs_is_checked_and_nothing_else(tmp_path):
    assert portal_settings(tmp_path).clerk_secret_key is None
    with pytest.raises(config.ConfigurationError, match="CLERK_PUBLISHABLE_KEY: missing"):
        portal_settings(tmp_path, CLERK_SECRET_KEY="sk_test_1")


def test_d07_the_server_takes_all_that_the_pools_may_open(tmp_path):
    """On the other portal's machine: four processors, nine processes."""
    settings = portal_settings(tmp_path, WEB_CONCURRENCY="9")
    server = DatabasePool(configuration=settings)._embedded_server()
    assert server._connections > 9 * (settings.db_pool_size + settings.db_max_overflow)


def test_d08_every_setting_is_read_by_something():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (*PYTHON, *ROOT.glob("deployment/*.py"))
                        if path.name not in ("config.py", "setting_values.py"))
    unread = {setting.name for setting in config.TABLE if f".{setting.name.lower()}" not in sources}
    # The guide promises the name; ids of tasks travel through the database alone.
    assert unread <= {"TASK_BROKER_URL"}
