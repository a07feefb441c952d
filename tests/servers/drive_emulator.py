"""Google Drive's interface v3 on loopback, faithful where uploads can go wrong: python -m tests.servers.drive_emulator

Token endpoint (JWT bearer), files list (the grammar of q, pageToken, fields, orderBy, corpora and driveId), get,
create, update, delete, copy, generateIds; multipart, media and resumable uploads (308, Range, status query, the 256
KiB rule, expiry); parts of files; permissions, about, changes, drives. Names may be doubled, a used id is answered
409, a foreign id 400, fields beyond the default ones only when asked for, items of a shared drive are invisible
without supportsAllDrives, a service account has no storage outside it. Written from Google's documentation; no
recording of the real one was at hand.

Faults, POST /_admin/fault: {"method": "PUT", "path": regex, "times": 1, "skip": 0, "action": one of
  status       answer "status" with "reason" and "headers" ("raw": an HTML page in place of JSON)
  early_status the same before the body is read, then close
  reset        close before the body is read
  reset_after  do the work, then close: the answer is lost
  mid_body     keep "bytes" of the body, then close
  hang         say nothing for "secs"}
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import tempfile
import time
import urllib.parse
from email.utils import formatdate

FOLDER = "application/vnd.google-apps.folder"
DEFAULT_FIELDS = ("kind", "id", "name", "mimeType")
MIN = 256 * 1024


class ApiError(Exception):
    def __init__(self, code, reason, message, location=None, ltype=None, domain="global", headers=None):
        self.code, self.reason, self.message = code, reason, message
        self.location, self.ltype, self.domain, self.headers = location, ltype, domain, headers or {}

    def body(self):
        e = {"message": self.message, "domain": self.domain, "reason": self.reason}
        if self.location:
            e.update(location=self.location, locationType=self.ltype or "parameter")
        return {"error": {"code": self.code, "message": self.message, "errors": [e]}}


# ---------------------------------------------------------------- q grammar
TOK = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(<=|>=|!=|=|<|>)|([()])|([{}])|([A-Za-z_][A-Za-z0-9_.]*))")


def bad_q():
    return ApiError(400, "invalid", "Invalid Value", "q")


def lex(q):
    out, i = [], 0
    while i < len(q):
        if q[i:].strip() == "":
            break
        m = TOK.match(q, i)
        if not m:
            raise bad_q()
        s, op, par, br, w = m.groups()
        if s is not None:
            out.append(("s", re.sub(r"\\(.)", r"\1", s[1:-1])))
        elif op:
            out.append(("op", op))
        elif par:
            out.append((par, par))
        elif br:
            out.append((br, br))
        else:
            out.append(("w", w))
        i = m.end()
    return out


def either(one, other):
    return lambda file: one(file) or other(file)


def both(one, other):
    return lambda file: one(file) and other(file)


def parse_q(q):
    t = lex(q)
    p = 0

    def peek():
        return t[p] if p < len(t) else (None, None)

    def take(k=None, v=None):
        nonlocal p
        x = peek()
        if x[0] is None or (k and x[0] != k) or (v and x[1].lower() != v):
            raise bad_q()
        p += 1
        return x[1]

    def expr():
        left = conj()
        while peek()[0] == "w" and peek()[1].lower() == "or":
            take()
            left = either(left, conj())
        return left

    def conj():
        left = unary()
        while peek()[0] == "w" and peek()[1].lower() == "and":
            take()
            left = both(left, unary())
        return left

    def unary():
        if peek()[0] == "w" and peek()[1].lower() == "not":
            take()
            x = unary()
            return lambda f: not x(f)
        if peek()[0] == "(":
            take()
            x = expr()
            take(")")
            return x
        return term()

    def term():
        if peek()[0] == "s":
            v = take()
            take("w", "in")
            fld = take("w")
            if fld == "parents":
                return lambda f: (v if v != "root" else "root") in f.get("parents", ())
            if fld in ("owners", "writers", "readers"):
                return lambda f: True
            raise bad_q()
        fld = take("w")
        nonlocal_p = peek()
        if fld in ("appProperties", "properties") and nonlocal_p[1] == "has":
            take("w", "has")
            take("{")
            take("w", "key")
            take("op", "=")
            k = take("s")
            take("w", "and")
            take("w", "value")
            take("op", "=")
            v = take("s")
            take("}")
            return lambda f: f.get(fld, {}).get(k) == v
        if nonlocal_p[0] == "w" and nonlocal_p[1] == "contains":
            take()
            v = take("s").lower()
            if fld not in ("name", "fullText", "mimeType"):
                raise bad_q()
            if fld == "name":  # prefix match on words, as documented
                return lambda f: any(w.startswith(v) for w in [f["name"].lower(), *f["name"].lower().split()])
            return lambda f: str(f.get(fld, "")).lower().startswith(v)
        op = take("op")
        x = peek()
        if x[0] == "s":
            v = take()
        elif x[0] == "w" and x[1].lower() in ("true", "false"):
            v = take().lower() == "true"
        else:
            raise bad_q()
        if fld == "name":
            if op == "=":
                return lambda f: f["name"].lower() == v.lower()  # '=' is case-insensitive (see rclone)
            if op == "!=":
                return lambda f: f["name"].lower() != v.lower()
            raise bad_q()
        if fld == "mimeType":
            return (lambda f: f["mimeType"] == v) if op == "=" else (lambda f: f["mimeType"] != v)
        if fld in ("trashed", "starred", "sharedWithMe"):
            return (lambda f: bool(f.get(fld)) == v) if op == "=" else (lambda f: bool(f.get(fld)) != v)
        if fld in ("modifiedTime", "createdTime", "viewedByMeTime"):
            cmp = {
                "=": lambda a: a == v,
                "!=": lambda a: a != v,
                "<": lambda a: a < v,
                ">": lambda a: a > v,
                "<=": lambda a: a <= v,
                ">=": lambda a: a >= v,
            }[op]
            return lambda f: cmp(f.get(fld, ""))
        raise bad_q()

    r = expr()
    if p != len(t):
        raise bad_q()
    return r


# ---------------------------------------------------------------- fields mask
def parse_fields(s):
    _out, i, n = {}, 0, len(s)

    def level():
        nonlocal i
        d = {}
        while i < n:
            j = i
            while j < n and s[j] not in ",()/":
                j += 1
            key = s[i:j].strip()
            i = j
            if i < n and s[i] == "(":
                i += 1
                d[key] = level()
            elif i < n and s[i] == "/":
                i += 1
                k = i
                while k < n and s[k] not in ",()":
                    k += 1
                d[key] = parse_fields(s[i:k])
                i = k
            else:
                d[key] = None
            if i < n and s[i] == ",":
                i += 1
            elif i < n and s[i] == ")":
                i += 1
                return d
        return d

    return level()


def mask(obj, m):
    if m is None or "*" in m:
        return obj
    if isinstance(obj, list):
        return [mask(o, m) for o in obj]
    if not isinstance(obj, dict):
        return obj
    return {k: mask(v, m[k]) for k, v in obj.items() if k in m}


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{int(time.time() % 1 * 1000):03d}Z"


def newid():
    return "1" + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()[:32]


class Drive:
    def __init__(self, a):
        self.a = a
        self.dir = tempfile.mkdtemp(prefix="portal-drive-")
        self.files, self.sessions, self.generated, self.changes, self.perms = {}, {}, set(), [], {}
        self.tokens, self.faults, self.log = {}, [], []
        self.stats = {
            "conns": 0,
            "requests": 0,
            "tokens": 0,
            "bytes_in": 0,
            "max_inflight": 0,
            "inflight": 0,
            "by": {},
            "rate_limited": 0,
        }
        self.win = []
        self.wwin = []
        self.files["root"] = {
            "kind": "drive#file",
            "id": "root",
            "name": "My Drive",
            "mimeType": FOLDER,
            "parents": [],
            "trashed": False,
        }
        self.files["SHARED"] = {
            "kind": "drive#file",
            "id": "SHARED",
            "name": "Shared drive",
            "mimeType": FOLDER,
            "parents": [],
            "trashed": False,
            "driveId": "SHARED",
        }

    # -- helpers
    def public(self, f):
        return {k: v for k, v in f.items() if not k.startswith("_")}

    def summed(self, f, fields):
        """the second checksum costs as much as the rest of a small upload: it is made when it is asked for"""
        if "_path" in f and "sha256Checksum" not in f and re.search(r"sha256Checksum|\*", fields or ""):
            f["sha256Checksum"] = hashlib.sha256(pathlib.Path(f["_path"]).read_bytes()).hexdigest()
        return f

    def visible(self, f, q):
        return not f.get("driveId") or q.get("supportsAllDrives") == "true" or q.get("supportsTeamDrives") == "true"

    def need(self, fid, q):
        f = self.files.get(fid)
        if not f or not self.visible(f, q):
            raise ApiError(404, "notFound", f"File not found: {fid}.", "fileId")
        return f

    def finish_meta(self, meta, q, content=None, mime=None):
        """validate a create; returns the record (not yet stored)"""
        fid = meta.get("id")
        if fid is not None:
            if fid in self.files:
                raise ApiError(409, "fileIdInUse", "A file already exists with the provided ID.")
            if fid not in self.generated:
                raise ApiError(400, "invalid", "The provided file ID is not usable.", "file.id", "other")
        parents = meta.get("parents") or ["root"]
        if len(parents) > 1:
            raise ApiError(
                400,
                "multipleParentsNotSupported" if False else "invalid",
                "A shared drive item must have exactly one parent.",
            )
        par = self.files.get(parents[0])
        if not par or not self.visible(par, q):
            raise ApiError(404, "notFound", f"File not found: {parents[0]}.", "fileId")
        isf = meta.get("mimeType") == FOLDER
        if not isf and not par.get("driveId") and self.a.sa_quota == "zero":
            raise ApiError(
                403,
                "storageQuotaExceeded",
                "Service Accounts do not have storage quota. Leverage shared drives "
                "(https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth "
                "delegation (http://support.google.com/a/answer/7281227) instead.",
                domain="usageLimits",
            )
        t = now()
        f = {
            "kind": "drive#file",
            "id": fid or newid(),
            "name": meta.get("name") or "Untitled",
            "mimeType": meta.get("mimeType") or mime or "application/octet-stream",
            "parents": parents,
            "trashed": False,
            "createdTime": t,
            "modifiedTime": t,
            "version": "1",
            "_seen": time.time() + self.a.list_lag,
        }
        for k in ("appProperties", "properties", "description"):
            if meta.get(k):
                f[k] = meta[k]
        if par.get("driveId"):
            f["driveId"] = par["driveId"]
        if isf:
            f["webViewLink"] = f"https://drive.google.com/drive/folders/{f['id']}"
        else:
            f["webViewLink"] = f"https://drive.google.com/file/d/{f['id']}/view?usp=drivesdk"
            f["webContentLink"] = f"https://drive.google.com/uc?id={f['id']}&export=download"
        return f

    def put(self, f, path=None, size=0, hashes=None):
        if f["id"] in self.files and path is None:
            raise ApiError(409, "fileIdInUse", "A file already exists with the provided ID.")
        if path is not None:
            f["_path"] = path
            f["size"] = str(size)
            f.update(hashes)
            f["headRevisionId"] = secrets.token_hex(8)
        self.files[f["id"]] = f
        self.changes.append((f["id"], False, time.time()))
        return f

    def rate(self, write):
        t = time.time()
        if self.a.user_rate:
            self.win = [x for x in self.win if x > t - 1]
            if len(self.win) >= self.a.user_rate:
                self.stats["rate_limited"] += 1
                raise ApiError(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits")
            self.win.append(t)
        if write and self.a.write_rate:
            self.wwin = [x for x in self.wwin if x > t - 1]
            if len(self.wwin) >= self.a.write_rate:
                self.stats["rate_limited"] += 1
                raise ApiError(429, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")
            self.wwin.append(t)


def multipart_piece(b, start, stop):
    """(headers, content) of the part that lies there; the content is not copied: it may be the whole file"""
    if b.startswith(b"\r\n", start):
        while start < stop and b[start] in b"\r\n":
            start += 1
    elif b.startswith(b"\n", start):
        start += 1
    # googleapiclient writes LF-only MIME, others CRLF
    eol = b"\r\n" if b.find(b"\r\n\r\n", start, min(stop, start + 600)) >= 0 else b"\n"
    end = b.find(eol * 2, start, stop)
    if end < 0:
        return b[start:stop].decode("latin1"), b""
    if b.endswith(eol, end + 2 * len(eol), stop):
        stop -= len(eol)
    return b[start:end].decode("latin1"), memoryview(b)[end + 2 * len(eol) : stop]


class Conn:
    def __init__(self, d, r, w):
        self.d, self.r, self.w, self.peer = d, r, w, w.get_extra_info("peername")[1]

    async def run(self):
        d = self.d
        d.stats["conns"] += 1
        if d.a.conn_latency:
            await asyncio.sleep(d.a.conn_latency)  # stands for TCP + TLS round trips
        try:
            while True:
                try:
                    head = await asyncio.wait_for(self.r.readuntil(b"\r\n\r\n"), d.a.keepalive)
                except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                    return
                lines = head.decode("latin1").split("\r\n")
                self.method, target, _ = lines[0].split(" ", 2)
                self.h = {
                    k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)
                }
                u = urllib.parse.urlsplit(target)
                self.path = urllib.parse.unquote(u.path)
                self.q = dict(urllib.parse.parse_qsl(u.query, keep_blank_values=True))
                self.left = int(self.h.get("content-length") or 0)
                self.close = False
                if self.h.get("expect", "").lower() == "100-continue":
                    self.w.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                d.stats["requests"] += 1
                d.stats["inflight"] += 1
                d.stats["max_inflight"] = max(d.stats["max_inflight"], d.stats["inflight"])
                k = f"{self.method} {re.sub('/files/(?!generateIds)[^/]+', '/files/ID', self.path)}"
                if self.method in ("POST", "PATCH") and "uploadType" in self.q:
                    k += " " + self.q["uploadType"]
                d.stats["by"][k] = d.stats["by"].get(k, 0) + 1
                if not self.path.startswith("/_admin"):
                    d.log.append(
                        (round(time.time(), 3), self.peer, self.method, self.path, self.h.get("content-range", ""))
                    )
                try:
                    if not await self.one():
                        return
                finally:
                    d.stats["inflight"] -= 1
                if self.close or self.h.get("connection", "").lower() == "close":
                    return
        except (ConnectionError, asyncio.IncompleteReadError, BrokenPipeError):
            pass
        finally:
            with contextlib.suppress(Exception):
                self.w.close()

    def abort(self):
        self.w.transport.abort()
        return False

    def fault(self):
        for f in self.d.faults:
            if (
                f["times"] > 0
                and f.get("method", self.method) == self.method
                and re.search(f.get("path", ""), self.path)
                and re.search(f.get("range", ""), self.h.get("content-range", ""))
            ):
                if f.get("skip", 0) > 0:
                    f["skip"] -= 1
                    continue
                f["times"] -= 1
                return f
        return None

    async def body(self, cap=None):
        out = []
        while self.left:
            b = await self.r.read(min(self.left, 262144))
            if not b:
                raise ConnectionError
            self.left -= len(b)
            self.d.stats["bytes_in"] += len(b)
            out.append(b)
            if self.d.a.bps:
                await asyncio.sleep(len(b) / self.d.a.bps)
        return b"".join(out)

    async def drain_body(self):
        while self.left:
            b = await self.r.read(min(self.left, 262144))
            if not b:
                raise ConnectionError
            self.left -= len(b)

    async def send(self, code, obj=None, headers=None, raw=None, ctype="application/json; charset=UTF-8"):
        b = raw if raw is not None else (b"" if obj is None else json.dumps(obj).encode())
        st = {200: "OK", 201: "Created", 204: "No Content", 206: "Partial Content", 308: "Resume Incomplete"}.get(
            code, "Error"
        )
        hd = [
            f"HTTP/1.1 {code} {st}",
            f"Content-Length: {len(b)}",
            f"Date: {formatdate(usegmt=True)}",
            "Cache-Control: private, max-age=0",
        ]
        if b:
            hd.append(f"Content-Type: {ctype}")
        for k, v in (headers or {}).items():
            hd.append(f"{k}: {v}")
        if self.close:
            hd.append("Connection: close")
        self.w.write(("\r\n".join(hd) + "\r\n\r\n").encode() + b)
        await self.w.drain()
        return True

    async def one(self):
        d = self.d
        if self.path.startswith("/_admin"):
            return await self.admin()
        f = self.fault()
        if f:
            if f.get("delay"):
                await asyncio.sleep(f["delay"])
            if f["action"] == "reset":
                return self.abort()
            if f["action"] == "hang":
                await asyncio.sleep(f.get("secs", 3600))
                return self.abort()
            if f["action"] == "status":
                await self.drain_body()
                if f.get("raw") is not None:
                    return await self.send(
                        f["status"], raw=f["raw"].encode(), ctype="text/html", headers=f.get("headers")
                    )
                e = ApiError(
                    f["status"],
                    f.get("reason", "backendError"),
                    f.get("message", "fault"),
                    domain=f.get("domain", "global"),
                )
                return await self.send(f["status"], e.body(), f.get("headers"))
            if f["action"] == "early_status":  # answer before reading the body, then close (what some proxies do)
                self.close = True
                e = ApiError(f["status"], f.get("reason", "backendError"), f.get("message", "fault"))
                await self.send(f["status"], e.body(), f.get("headers"))
                return False
            if f["action"] == "mid_body":
                self.cut = f["bytes"]
        self.lost = bool(f and f["action"] == "reset_after")
        self.slow = f.get("after_delay", 0) if f else 0
        try:
            if d.a.latency:
                await asyncio.sleep(d.a.latency)
            if self.path == "/token":
                r = await self.token()
            else:
                await self.auth()
                d.rate(self.method != "GET" and "upload_id" not in self.q)
                r = await self.route()
        except ApiError as e:
            await self.drain_body()
            r = (e.code, e.body(), e.headers)
        except Cut:
            return self.abort()
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.lost:
            return self.abort()
        if isinstance(r, dict):
            r = (200, r)
        return await self.send(*r) if not callable(r) else await r()

    async def admin(self):
        b = await self.body()
        d = self.d
        if self.path == "/_admin/fault":
            d.faults.append(dict({"times": 1}, **json.loads(b)))
        elif self.path == "/_admin/clearfaults":
            d.faults = []
        elif self.path == "/_admin/reset":
            a = d.a
            shutil.rmtree(d.dir, ignore_errors=True)
            d.__init__(a)
        elif self.path == "/_admin/config":
            for k, v in json.loads(b).items():
                setattr(d.a, k, v)
        elif self.path == "/_admin/zero":
            d.stats.update(conns=0, requests=0, tokens=0, bytes_in=0, max_inflight=0, by={}, rate_limited=0)
            d.log = []
        elif self.path == "/_admin/revoke":
            d.tokens = {}
        elif self.path == "/_admin/expire_sessions":
            d.sessions = {}
        elif self.path == "/_admin/stats":
            return await self.send(200, dict(d.stats, files=len(d.files), sessions=len(d.sessions)))
        elif self.path == "/_admin/log":
            return await self.send(200, d.log)
        elif self.path == "/_admin/files":
            return await self.send(200, [d.public(f) for f in d.files.values()])
        return await self.send(200, {"ok": True})

    async def token(self):
        b = dict(urllib.parse.parse_qsl((await self.body()).decode()))
        try:
            p = b["assertion"].split(".")
            claims = json.loads(base64.urlsafe_b64decode(p[1] + "=="))
            assert b["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer" and claims["exp"] > time.time()
        except (KeyError, IndexError, ValueError, AssertionError):
            return (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        t = "ya29." + secrets.token_urlsafe(60)
        self.d.tokens[t] = time.time() + self.d.a.token_ttl
        self.d.stats["tokens"] += 1
        return {"access_token": t, "expires_in": self.d.a.token_ttl, "token_type": "Bearer"}

    async def auth(self):
        t = self.h.get("authorization", "")[7:]
        if t == "valid-token":
            return
        if self.d.tokens.get(t, 0) < time.time():
            raise ApiError(401, "authError", "Invalid Credentials", "Authorization", "header")

    def out(self, f):
        m = self.q.get("fields")
        f = self.d.public(self.d.summed(f, m))
        if m:
            return mask(f, parse_fields(m))
        return {k: f[k] for k in DEFAULT_FIELDS if k in f}

    async def jbody(self):
        b = await self.body()
        try:
            return json.loads(b) if b else {}
        except ValueError:
            raise ApiError(400, "parseError", "Parse Error") from None

    async def route(self):
        d, m, p, q = self.d, self.method, self.path, self.q
        if p == "/drive/v3/about":
            await self.body()
            if "fields" not in q:
                raise ApiError(400, "required", "The 'fields' parameter is required for this method.", "fields")
            return mask(
                {
                    "kind": "drive#about",
                    "user": {"displayName": "fake", "emailAddress": "sa@fake.iam.gserviceaccount.com", "me": True},
                    "storageQuota": {"limit": "0" if d.a.sa_quota == "zero" else "16106127360", "usage": "0"},
                },
                parse_fields(q["fields"]),
            )
        if p == "/drive/v3/files/generateIds":
            n = int(q.get("count", 10))
            ids = [newid() for _ in range(n)]
            d.generated.update(ids)
            return {"kind": "drive#generatedIds", "space": "drive", "ids": ids}
        if p == "/drive/v3/files" and m == "GET":
            return self.list()
        if p == "/drive/v3/files" and m == "POST":
            meta = await self.jbody()
            f = d.finish_meta(meta, q)
            if f["mimeType"] == FOLDER:
                d.put(f)
            else:
                d.put(
                    f,
                    os.devnull,
                    0,
                    {"md5Checksum": hashlib.md5().hexdigest(), "sha256Checksum": hashlib.sha256().hexdigest()},
                )
            return self.out(f)
        if p in ("/upload/drive/v3/files", "/resumable/upload/drive/v3/files") and m == "POST":
            return await self.upload(None)
        mm = re.match(r"^/(?:resumable/)?upload/drive/v3/files/([^/]+)$", p)
        if mm and m == "PATCH":
            return await self.upload(d.need(mm.group(1), q))
        if p.endswith("upload/drive/v3/files") and m == "PUT" and "upload_id" in q:
            return await self.chunk()
        if mm and m == "PUT" and "upload_id" in q:
            return await self.chunk()
        if "upload_id" in q and m == "DELETE":
            await self.body()
            d.sessions.pop(q["upload_id"], None)
            return (499, None)
        mm = re.match(r"^/drive/v3/files/([^/]+)(?:/(copy|permissions(?:/([^/]+))?|revisions))?$", p)
        if mm:
            fid, sub, permid = mm.groups()
            f = d.need(fid, q)
            if sub == "copy":
                meta = await self.jbody()
                g = d.finish_meta(
                    dict({"name": "Copy of " + f["name"], "mimeType": f["mimeType"], "parents": f["parents"]}, **meta),
                    q,
                )
                return self.out(
                    d.put(
                        g,
                        f.get("_path", os.devnull),
                        int(f.get("size", 0)),
                        {k: f[k] for k in ("md5Checksum", "sha256Checksum") if k in f},
                    )
                )
            if sub and sub.startswith("permissions"):
                pl = d.perms.setdefault(fid, [])
                if m == "POST":
                    b = await self.jbody()
                    b.update(id=str(len(pl) + 1), kind="drive#permission")
                    pl.append(b)
                    return b
                await self.body()
                if m == "DELETE":
                    d.perms[fid] = [x for x in pl if x["id"] != permid]
                    return (204, None)
                return {"kind": "drive#permissionList", "permissions": pl}
            if m == "GET":
                await self.body()
                if q.get("alt") == "media":
                    return lambda: self.media(f)
                return self.out(f)
            if m == "DELETE":
                await self.body()
                kill = [fid]
                while kill:
                    x = kill.pop()
                    d.files.pop(x, None)
                    d.changes.append((x, True, time.time()))
                    kill += [g["id"] for g in d.files.values() if x in g.get("parents", ())]
                return (204, None)
            if m == "PATCH":
                b = await self.jbody()
                if "parents" in b:
                    raise ApiError(
                        403,
                        "fieldNotWritable",
                        "The parents field is not directly writable in update requests. Use the addParents and "
                        "removeParents parameters instead.",
                    )
                for k in ("name", "trashed", "description", "mimeType", "modifiedTime"):
                    if k in b:
                        f[k] = b[k]
                if "appProperties" in b:
                    f["appProperties"] = {
                        k: v for k, v in dict(f.get("appProperties", {}), **b["appProperties"]).items() if v is not None
                    }
                add = [x for x in q.get("addParents", "").split(",") if x]
                rem = q.get("removeParents", "").split(",")
                for x in add:
                    d.need(x, q)
                if add:
                    left = [x for x in f["parents"] if x not in rem]
                    if len(left) + len(add) > 1:
                        raise ApiError(403, "cannotAddParent", "Increasing the number of parents is not allowed")
                    f["parents"] = left + add
                f["modifiedTime"] = b.get("modifiedTime", now())
                f["version"] = str(int(f.get("version", 1)) + 1)
                d.changes.append((fid, False, time.time()))
                return self.out(f)
        if p == "/drive/v3/drives":
            await self.body()
            return {
                "kind": "drive#driveList",
                "drives": [{"kind": "drive#drive", "id": "SHARED", "name": "Shared drive"}],
            }
        if p == "/drive/v3/changes/startPageToken":
            await self.body()
            return {"kind": "drive#startPageToken", "startPageToken": str(len(d.changes) + 1)}
        if p == "/drive/v3/changes":
            await self.body()
            n = int(q["pageToken"]) - 1
            return {
                "kind": "drive#changeList",
                "newStartPageToken": str(len(d.changes) + 1),
                "changes": [{"kind": "drive#change", "fileId": i, "removed": r} for i, r, _ in d.changes[n:]],
            }
        await self.drain_body()
        raise ApiError(404, "notFound", "Not Found")

    def list(self):
        d, q = self.d, self.q
        ok = parse_q(q["q"]) if q.get("q") else (lambda f: True)
        shared = q.get("includeItemsFromAllDrives") == "true" and (q.get("supportsAllDrives") == "true")
        if q.get("corpora") == "drive" and not q.get("driveId"):
            raise ApiError(400, "invalid", "The driveId parameter must be specified", "driveId")
        if q.get("driveId") and q["driveId"] not in ("SHARED",):
            raise ApiError(404, "notFound", f"Shared drive not found: {q['driveId']}", "driveId")
        n = int(q.get("pageSize", 100))
        if not 1 <= n <= 1000:
            raise ApiError(
                400, "invalidParameter", f"Invalid value {n}. Values must be within the range: [1, 1000]", "pageSize"
            )
        skip = 0
        if q.get("pageToken"):
            try:
                skip = int(base64.urlsafe_b64decode(q["pageToken"] + "==").decode().split("~")[1])
            except (ValueError, IndexError):
                raise ApiError(400, "invalid", "Invalid Value", "pageToken") from None
        t = time.time()
        found = []
        for f in d.files.values():
            if f["id"] in ("root", "SHARED") or f.get("_seen", 0) > t:
                continue
            if f.get("driveId") and not shared:
                continue
            if q.get("corpora") == "drive" and f.get("driveId") != q.get("driveId"):
                continue
            if ok(f):
                found.append(f)
        for key in reversed([k.strip() for k in q.get("orderBy", "").split(",") if k.strip()]):
            name, _, di = key.partition(" ")
            found.sort(
                key=lambda f: (f["mimeType"] != FOLDER) if name == "folder" else f.get(name, ""), reverse=di == "desc"
            )
        r = {"kind": "drive#fileList", "incompleteSearch": False}
        if skip + n < len(found):
            r["nextPageToken"] = base64.urlsafe_b64encode(f"~{skip + n}~x".encode()).decode().rstrip("=")
        page = [d.public(d.summed(f, q.get("fields"))) for f in found[skip : skip + n]]
        if q.get("fields"):
            m = parse_fields(q["fields"])
            r["files"] = page
            return mask(r, m)
        r["files"] = [{k: f[k] for k in DEFAULT_FIELDS if k in f} for f in page]
        return r

    async def upload(self, existing):
        d, q = self.d, self.q
        ut = q.get("uploadType")
        if ut == "resumable":
            meta = await self.jbody()
            if not existing:
                f = d.finish_meta(meta, q, mime=self.h.get("x-upload-content-type"))
            else:
                f = dict(existing, **{k: v for k, v in meta.items() if k in ("name", "appProperties", "mimeType")})
            sid = secrets.token_urlsafe(40)
            path = os.path.join(d.dir, "s-" + secrets.token_hex(8))
            open(path, "wb").close()
            d.sessions[sid] = {
                "f": f,
                "path": path,
                "size": int(self.h["x-upload-content-length"]) if "x-upload-content-length" in self.h else None,
                "got": 0,
                "md5": hashlib.md5(),
                "sha": hashlib.sha256(),
                "done": None,
                "q": dict(q),
                "existing": bool(existing),
                "born": time.time(),
            }
            qs = urllib.parse.urlencode(dict(q, upload_id=sid))
            return (
                200,
                None,
                {
                    "Location": f"{'https' if d.a.tls else 'http'}://{self.h['host']}{self.path}?{qs}",
                    "X-GUploader-UploadID": sid,
                },
            )
        b = await self.body()
        if ut == "media":
            meta, media, mime = {}, b, self.h.get("content-type")
        elif ut == "multipart":
            mm = re.search(r'boundary="?([^";]+)"?', self.h.get("content-type", ""))
            if not mm:
                raise ApiError(400, "badContent", "Unsupported content with type: " + self.h.get("content-type", ""))
            bd = b"--" + mm.group(1).encode()
            i = b.find(bd)
            split = []
            while (j := b.find(bd, i + len(bd))) >= 0:
                split.append(multipart_piece(b, i + len(bd), j))
                i = j
            if len(split) != 2:
                raise ApiError(400, "badRequest", "Malformed multipart body.")
            meta = json.loads(bytes(split[0][1]) or b"{}")
            media = split[1][1]
            mt = re.search(r"content-type:\s*([^\r\n;]+)", split[1][0], re.I)
            mime = mt.group(1).strip() if mt else None
        else:
            raise ApiError(400, "invalid", "Invalid uploadType", "uploadType")
        f = (
            dict(existing, **{k: v for k, v in meta.items() if k in ("name", "appProperties")})
            if existing
            else d.finish_meta(meta, q, mime=mime)
        )
        path = os.path.join(d.dir, secrets.token_hex(10))
        pathlib.Path(path).write_bytes(media)
        return self.out(
            d.put(
                f,
                path,
                len(media),
                {"md5Checksum": hashlib.md5(media).hexdigest()},
            )
        )

    async def chunk(self):
        d = self.d
        s = d.sessions.get(self.q["upload_id"])
        if not s:
            await self.drain_body()
            raise ApiError(404, "notFound", "Not Found")
        self.q = dict(s["q"], **self.q)
        cr = self.h.get("content-range")

        def progress():
            return (308, None, {"Range": f"bytes=0-{s['got'] - 1}"} if s["got"] else {})

        if s["done"]:
            await self.drain_body()
            return self.out(s["done"])
        if cr and cr.startswith("bytes */"):
            await self.drain_body()
            tot = cr[8:]
            if tot != "*" and int(tot) == s["got"] and s["got"] > 0 and False:
                pass
            return progress()
        total = s["size"]
        if cr:
            m = re.match(r"bytes (\d+)-(\d+)/(\d+|\*)$", cr)
            if not m:
                raise ApiError(400, "badRequest", "Failed to parse Content-Range header.")
            a, b = int(m.group(1)), int(m.group(2))
            total = int(m.group(3)) if m.group(3) != "*" else s["size"]
            if b - a + 1 != self.left:
                raise ApiError(400, "badRequest", "Content-Length does not match Content-Range")
        else:
            a, b = 0, self.left - 1
            total = self.left if total is None else total
        last = total is not None and b + 1 == total
        if not last and (b - a + 1) % MIN:
            raise ApiError(
                400,
                "badRequest",
                "Invalid request. The number of bytes uploaded is required to be equal or greater than 262144, except "
                "for the final request (it's recommended to be the exact multiple of 262144).",
            )
        if a > s["got"]:
            raise ApiError(400, "badRequest", f"Invalid request. There were {a - s['got']} missing bytes.")
        skip = s["got"] - a  # overlap is ignored, as GCS/Drive do
        cut = getattr(self, "cut", None)
        self.cut = None
        seen = 0
        with open(s["path"], "r+b") as fh:
            fh.seek(s["got"])
            while self.left:
                x = await self.r.read(min(self.left, 262144))
                if not x:
                    raise ConnectionError
                self.left -= len(x)
                seen += len(x)
                d.stats["bytes_in"] += len(x)
                if d.a.bps:
                    await asyncio.sleep(len(x) / d.a.bps)
                if skip >= len(x):
                    skip -= len(x)
                    continue
                if skip:
                    x = x[skip:]
                    skip = 0
                fh.write(x)
                s["got"] += len(x)
                s["md5"].update(x)
                s["sha"].update(x)
                if cut is not None and seen >= cut:
                    fh.flush()
                    raise Cut()
        if total is not None and s["got"] >= total:
            if not s["existing"] and s["f"]["id"] in d.files:
                raise ApiError(409, "fileIdInUse", "A file already exists with the provided ID.")
            s["f"]["createdTime"] = s["f"]["modifiedTime"] = now()
            s["f"]["_seen"] = time.time() + d.a.list_lag
            s["done"] = d.put(
                s["f"],
                s["path"],
                s["got"],
                {"md5Checksum": s["md5"].hexdigest(), "sha256Checksum": s["sha"].hexdigest()},
            )
            return self.out(s["done"])
        # a chunk that is not the last is kept only up to a multiple of 256 KiB
        return progress()

    async def media(self, f):
        path, size = f.get("_path"), int(f.get("size", 0))
        if not path:
            raise ApiError(
                403,
                "fileNotDownloadable",
                "Only files with binary content can be downloaded. Use Export with Docs Editors files.",
            )
        a, b, code, hd = 0, size - 1, 200, {}
        m = re.match(r"bytes=(\d+)-(\d*)$", self.h.get("range", ""))
        if m:
            a = int(m.group(1))
            b = min(int(m.group(2) or size - 1), size - 1)
            if a >= size:
                return await self.send(416, None, {"Content-Range": f"bytes */{size}"})
            code = 206
            hd["Content-Range"] = f"bytes {a}-{b}/{size}"
        n = b - a + 1
        head = [
            f"HTTP/1.1 {code} OK",
            f"Content-Length: {n}",
            f"Content-Type: {f['mimeType']}",
            "X-Goog-Hash: md5=" + base64.b64encode(bytes.fromhex(f["md5Checksum"])).decode(),
        ] + [f"{k}: {v}" for k, v in hd.items()]
        self.w.write(("\r\n".join(head) + "\r\n\r\n").encode())
        with open(path, "rb") as fh:
            fh.seek(a)
            while n:
                x = fh.read(min(n, 262144))
                n -= len(x)
                self.w.write(x)
                await self.w.drain()
                if self.d.a.bps:
                    await asyncio.sleep(len(x) / self.d.a.bps)
        return True


class Cut(Exception):
    pass


async def main():
    ap = argparse.ArgumentParser()
    option = ap.add_argument
    option("--port", type=int, default=8790)
    option("--latency", type=float, default=0.0)
    option("--bps", type=float, default=0)
    option("--list-lag", dest="list_lag", type=float, default=0.0)
    option("--keepalive", type=float, default=240)
    option("--user-rate", dest="user_rate", type=float, default=0)
    option("--write-rate", dest="write_rate", type=float, default=0)
    option("--sa-quota", dest="sa_quota", default="zero")
    option("--tls", default="")
    option("--conn-latency", dest="conn_latency", type=float, default=0.0)
    option("--token-ttl", dest="token_ttl", type=int, default=3599)
    a = ap.parse_args()
    d = Drive(a)

    async def on(r, w):
        await Conn(d, r, w).run()

    ctx = None
    if a.tls:
        import ssl

        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(a.tls)
    srv = await asyncio.start_server(on, "127.0.0.1", a.port, backlog=512, limit=1 << 20, ssl=ctx)
    print(f"drive emulator on http://127.0.0.1:{a.port} dir {d.dir}", flush=True)
    try:
        async with srv:
            await srv.serve_forever()
    finally:
        shutil.rmtree(d.dir, ignore_errors=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
