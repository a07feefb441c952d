"""Each kind of Redis that REDIS_URL may name: one server, TLS, a password, a socket, Sentinels, a cluster."""

import datetime
import ipaddress
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import config
from cache_manager import CacheManager
from tests.conftest import portal_settings
from tests.servers import redis as redis_server
from tests.servers.processes import free_port, wait_for
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.skipif(bool(redis_server.missing()), reason=redis_server.missing())


def works(cache):
    """Everything that a cache does, once."""
    cache.set("a", {"x": 1}, group="g")
    cache.set_many({"b": 2, "c": 3})
    assert cache.is_shared()
    assert cache.get_many(["a", "b", "c"]) == {"a": {"x": 1}, "b": 2, "c": 3}
    assert cache.increment("b") == 3
    assert cache.remember("d", lambda: 4, group="g") == 4
    cache.forget_group("g")
    assert cache.get_many(["a", "d"]) == {}
    assert cache.delete("b", "c") == 2
    assert cache.is_shared()
    return True


@pytest.fixture
def serve():
    started = []

    def start(server):
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.remove()


def test_a_password_and_a_unix_socket(serve):
    server = serve(RedisServer(requirepass="a:p@ss/word", unixsocket="/tmp/will-be-replaced"))
    server.stop()
    server.options["unixsocket"] = str(server.folder / "socket")
    server.start()
    assert works(CacheManager(f"redis://:a%3Ap%40ss%2Fword@127.0.0.1:{server.port}/2"))
    assert works(CacheManager(f"unix://{server.folder}/socket?db=1&password=a%3Ap%40ss%2Fword"))
    assert not CacheManager(f"redis://:wrong@127.0.0.1:{server.port}/0").is_shared()


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256()))
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def test_tls_with_the_certificate_checked(serve, monkeypatch):
    server = RedisServer()
    certificate(server.folder)
    files = {"tls_cert_file": "tls.pem", "tls_key_file": "tls.key", "tls_ca_cert_file": "tls.pem"}
    server.options |= {"port": "0", "tls_port": str(server.port), "tls_auth_clients": "no",
                       **{name: str(server.folder / file) for name, file in files.items()}}
    plain = server.client
    monkeypatch.setattr(server, "client", lambda **options: plain(
        ssl=True, ssl_ca_certs=str(server.folder / "tls.pem"), **options))
    serve(server)
    address = f"rediss://127.0.0.1:{server.port}/0"
    assert works(CacheManager(f"{address}?ssl_ca_certs={server.folder}/tls.pem"))
    assert not CacheManager(address).is_shared()   # signed by nobody whom this machine knows


class SentinelServer(RedisServer):
    def arguments(self):
        return ["--sentinel"]


@pytest.mark.slow
def test_the_master_that_sentinels_name_and_its_successor(serve):
    master = serve(RedisServer())
    replica = serve(RedisServer(replicaof=f"127.0.0.1 {master.port}", repl_diskless_sync_delay="0"))
    sentinel = SentinelServer()
    sentinel.options = {
        "sentinel monitor": f"book 127.0.0.1 {master.port} 1", "sentinel down-after-milliseconds": "book 300",
        "sentinel failover-timeout": "book 2000"}
    serve(sentinel)
    wait_for(lambda: replica.client().info("replication")["master_link_status"] == "up", "the replica", seconds=20)
    wait_for(lambda: bool(sentinel.client().sentinel_slaves("book")), "the sentinel", seconds=20)
    cache = CacheManager(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/book/0")
    assert works(cache)
    cache.set("written to the old master", 1)
    wait_for(lambda: replica.client().exists("cache:written to the old master"), "the copy", seconds=10)
    master.kill()
    cache.get("notice it")
    wait_for(cache.is_shared, "the new master", seconds=30)
    assert works(cache)
    assert cache.get("written to the old master") is None   # what was deleted last may never have reached it


@pytest.mark.slow
def test_a_cluster(serve):
    nodes = [serve(RedisServer(cluster_enabled="yes", cluster_config_file="nodes.conf", cluster_node_timeout="2000",
                               cluster_port=str(free_port())))
             for _ in range(3)]
    addresses = [f"127.0.0.1:{node.port}" for node in nodes]
    subprocess.run(["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"], check=True,
                   capture_output=True, timeout=60)
    wait_for(lambda: all(node.client().cluster("info")["cluster_state"] == "ok" for node in nodes), "the cluster")
    cache = CacheManager(f"redis+cluster://127.0.0.1:1,{addresses[1]}")
    assert works(cache)
    cache.set_many({f"k{number}": number for number in range(50)})
    assert len(cache.get_many([f"k{number}" for number in range(50)])) == 50
    cache.clear()
    assert cache.get_many([f"k{number}" for number in range(50)]) == {}


@pytest.mark.parametrize("url", [
    "redis://localhost:6379/0", "rediss://user:p%40ss@redis.example.com", "unix:///run/redis.sock?db=1",
    "redis+sentinel://:pw@a.example.com:26379,b.example.com/mymaster/2", "rediss+cluster://a:7000,b:7001",
    "redis+cluster://10.0.0.1", "redis://[::1]:6379/0"])
def test_addresses_that_the_setting_takes(tmp_path, url):
    assert portal_settings(tmp_path, REDIS_URL=url).redis_url == url


@pytest.mark.parametrize("url", [
    "localhost:6379", "http://localhost", "redis://", "redis://a,b", "redis+sentinel://a:26379", "redis://host:port",
    "redis+cluster://a:7000,,b:1", "redis+cluster://a:70000", "redis+sentinel://a/service/x", "redis://host/notanumber",
    "unix://", "redis+cluster://a:7000/1"])
def test_addresses_that_it_refuses_with_a_cure_and_without_the_password(tmp_path, url):
    with pytest.raises(config.ConfigurationError, match="REDIS_URL: write") as refusal:
        portal_settings(tmp_path, REDIS_URL=url.replace("//", "//:hidden@", 1))
    assert "hidden" not in str(refusal.value)


