"""Clients of Redis from one address: a server, one behind TLS or a socket, the master that Sentinels name, a cluster.

    redis://:password@host:6379/0                    rediss://host/0                    unix:///run/redis.sock?db=0
    redis+sentinel://:password@a:26379,b:26379/mymaster/0     redis+cluster://a:7000,b:7000     rediss+... with TLS

redis-py speaks the protocol; the pool is the portal's own, because it hands a connection to whoever has waited longest
and costs half as much under gevent.
"""

import select
import time
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from gevent import monkey
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import ConnectionPool as RedisPool
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from infrastructure.connection_pool import ConnectionPool, PoolStatistics
from infrastructure.errors import PoolExhausted

Client = Any   # redis.Redis or RedisCluster; they share the commands and no type
# Together the 50 ms that a request may lose to a Redis that does not answer: in line, then for the answer.
IN_LINE = 0.02
ANSWER = 0.03
PATIENCE_OF_PROBES = 1.0   # seconds for a connection nobody waits for
CONNECTIONS = 50   # a process has no more requests than this at Redis at once; more wait in line
SENTINEL_PORT, CLUSTER_PORT = 26379, 6379
_poll = monkey.get_original("select", "poll") if hasattr(select, "poll") else None
_OPTIONS: dict[str, Any] = {
    "decode_responses": True, "socket_timeout": ANSWER, "socket_connect_timeout": ANSWER, "protocol": 2,
    "driver_info": None,
}


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)   # whether and when to try again is the circuit breaker's business


def connect(address: str) -> Client:
    """A client for `address`. Opens nothing yet, but for a cluster, which is asked for its nodes: redis.RedisError."""
    parts = urlsplit(address)
    scheme, _, kind = parts.scheme.partition("+")
    if kind == "cluster":
        options: dict[str, Any] = {**_OPTIONS, **_credentials(address), "ssl": scheme == "rediss"}
        nodes = [ClusterNode(host, port) for host, port in _hosts(address, CLUSTER_PORT)]
        return RedisCluster(startup_nodes=nodes, retry=_no_retry(), **options)
    return redis.Redis(connection_pool=FairPool(address))


def is_cluster(address: str) -> bool:
    return urlsplit(address).scheme.endswith("+cluster")


class FairPool(RedisPool):
    """redis-py's pool with the portal's own queue inside."""

    def __init__(self, address: str, *, size: int = CONNECTIONS) -> None:
        self._sentinel: Sentinel | None = None
        self._service = ""
        through_sentinels = "+sentinel" in urlsplit(address).scheme
        options = self._through_sentinels(address) if through_sentinels else parse_url(address)
        base = cast(type[Any], options.pop("connection_class", redis.Connection))
        options.pop("max_connections", None)
        super().__init__(_patient(base), retry=_no_retry(), **{**_OPTIONS, **options})
        self._fair: ConnectionPool[Any] = ConnectionPool(self, size, 0, IN_LINE)
        # A new connection that meets a server with another run id is refused: its values are of another life.
        self.expected_run_id: str | None = None
        self.is_probing = False

    def get_connection(self, *_names: Any, **_options: Any) -> Any:
        """A connection for the caller alone. Raises redis.ConnectionError when none becomes free in time."""
        try:
            return self._fair.acquire(time.monotonic() + IN_LINE)
        except PoolExhausted as error:
            raise redis.ConnectionError("no connection to Redis became free in time") from error

    def release(self, connection: Any) -> None:
        self._fair.release(connection, broken=connection._sock is None)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes what lies idle; what is in use closes itself when it fails."""
        self._fair.drop_idle()

    def ask(self, *command: Any) -> Any:
        """What Redis answers to one command, as it comes. Raises redis.RedisError.

        What redis-py's client does around a command (tries, measurements, callbacks for the answer) costs as much as
        the command itself, and none of it is used here. The connection closes itself when it fails.
        """
        connection = self.get_connection()
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            self.release(connection)

    def statistics(self) -> PoolStatistics:
        return self._fair.statistics()

    # What ConnectionPool asks of its opener.

    def open(self, _deadline: float) -> Any:
        connection = self.connection_class(**self.connection_kwargs)
        if self._sentinel is not None:
            connection.host, connection.port = self._sentinel.discover_master(self._service)
        if self.is_probing:
            connection.socket_connect_timeout = PATIENCE_OF_PROBES
        connection.connect()
        if self.expected_run_id:
            connection.send_command("INFO", "server")
            if f"run_id:{self.expected_run_id}" not in str(connection.read_response()):
                connection.disconnect()
                raise redis.ConnectionError("Redis was started anew")
        return connection

    def close(self, connection: Any = None) -> None:
        if connection is None:   # redis-py closes the pool itself under this name
            self._fair.close()
        else:
            connection.disconnect()

    def is_alive(self, connection: Any) -> bool:
        """An idle connection with something to read was closed by the server."""
        return connection._sock is not None and not _readable(connection._sock)

    def _through_sentinels(self, address: str) -> dict[str, Any]:
        parts = urlsplit(address)
        service, _, number = parts.path.strip("/").partition("/")
        credentials = _credentials(address)
        tls = {"ssl": True} if parts.scheme.startswith("rediss") else {}
        self._service = service
        self._sentinel = Sentinel(_hosts(address, SENTINEL_PORT), sentinel_kwargs={
            "socket_timeout": ANSWER, "socket_connect_timeout": ANSWER, "retry": _no_retry(), **tls})
        return {"host": "master", "db": int(number or 0), **credentials,
                **({"connection_class": redis.SSLConnection} if tls else {})}


def _patient(base: type[Any]) -> type[Any]:
    """The connection class with a time limit that only Redis can exceed.

    A process that is busy looks at its sockets late: the timer has run out by then although the answer lay there. So
    after the limit the socket is asked itself, without waiting.
    """

    class PatientConnection(base):
        def read_response(self, disable_decoding: bool = False, **options: Any) -> Any:
            options.pop("disconnect_on_error", None)
            try:
                return super().read_response(disable_decoding, disconnect_on_error=False, **options)
            except redis.TimeoutError:
                if self._sock is None or not _readable(self._sock):
                    self.disconnect()
                    raise
                return super().read_response(disable_decoding, disconnect_on_error=True, **options)
            except redis.ResponseError:
                raise
            except BaseException:
                self.disconnect()
                raise

    return PatientConnection


def _readable(sock: Any) -> bool:
    if _poll is None:
        return bool(select.select([sock], [], [], 0)[0])
    poll = _poll()
    poll.register(sock.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))


def _hosts(address: str, usual_port: int) -> list[tuple[str, int]]:
    hosts = urlsplit(address).netloc.rpartition("@")[2].split(",")
    return [(host.rpartition(":")[0] or host, int(host.rpartition(":")[2]) if ":" in host else usual_port)
            for host in hosts]


def _credentials(address: str) -> dict[str, str]:
    user, _, password = urlsplit(address).netloc.rpartition("@")[0].partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in given.items() if value}
