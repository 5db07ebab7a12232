"""Clocks and hands of bridge-peers.sh, the same for whatever bridge is measured: one purpose a command, named by the
first argument. Kafka and Mosquitto are asked by their protocols, since what a bridge says of itself differs from one to the
next."""

import json
import os
import re
import socket
import struct
import sys
import time

TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")
PATIENCE = 90


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Kafka:
    """Asks brokers where a topic ends for its readers: behind the last record that all in-sync replicas have."""

    def __init__(self, brokers, topic):
        self.topic, self.connections = topic, {}
        host, port = brokers.split(",")[0].rsplit(":", 1)
        self.leaders = self.find_leaders(self.connect(host, int(port)))

    def connect(self, host, port):
        if (host, port) not in self.connections:
            connection = socket.create_connection((host, port), timeout=10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[host, port] = connection
        return self.connections[host, port]

    @staticmethod
    def ask(connection, api, body):
        request = struct.pack(">hhi", api, 1, 0) + text("bench") + body
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        return Answer(connection.recv(size, socket.MSG_WAITALL)[4:])

    def find_leaders(self, connection):
        """Partitions by the connection to their leader (Metadata, version 1)."""
        answer = self.ask(connection, 3, struct.pack(">i", 1) + text(self.topic))
        brokers = {}
        for _ in range(answer.take("i")):
            node = answer.take("i")
            brokers[node] = answer.text(), answer.take("i")
            answer.text()
        answer.take("i")
        assert answer.take("i") == 1 and answer.take("h") == 0, "no such topic: %s" % self.topic
        answer.text(), answer.take("b")
        leaders = {}
        for _ in range(answer.take("i")):
            _, partition, leader = answer.take("h"), answer.take("i"), answer.take("i")
            for _ in range(2):
                for _ in range(answer.take("i")):
                    answer.take("i")
            leaders.setdefault(self.connect(*brokers[leader]), []).append(partition)
        return leaders

    def end(self):
        """The ends of all partitions, added up (ListOffsets, version 1, from a consumer)."""
        total = 0
        for connection, partitions in self.leaders.items():
            body = struct.pack(">ii", -1, 1) + text(self.topic) + struct.pack(">i", len(partitions))
            body += b"".join(struct.pack(">iq", partition, -1) for partition in partitions)
            answer = self.ask(connection, 2, body)
            answer.take("i"), answer.text()
            for _ in range(answer.take("i")):
                _, error, _, offset = answer.take("i"), answer.take("h"), answer.take("q"), answer.take("q")
                assert error == 0, "Kafka's error %d" % error
                total += offset
        return total


class Answer:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        (value,) = struct.unpack_from(">" + kind, self.data, self.at)
        self.at += struct.calcsize(">" + kind)
        return value

    def text(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at].decode()


def cpu_of(pid):
    """Microseconds of CPU that a process and its descendants have taken."""
    processes = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open("/proc/%s/stat" % name).read().rpartition(")")[2].split()
        except OSError:
            continue
        processes[int(name)] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {int(pid)}
    while more := {one for one, (parent, _) in processes.items() if parent in family} - family:
        family |= more
    return sum(processes[one][1] for one in family if one in processes) * TICK


def end(brokers, topic):
    print(Kafka(brokers, topic).end())


def drained(brokers, topic, count, pid, said, connected):
    """Messages a second and microseconds of CPU a message, from when a bridge says that it is connected until a reader of
    Kafka can have the last record: the one after which none comes for two seconds. Then how many records there are. Says
    when it watches, as a bridge may be faster to start; `pid` is a file that is there by then."""
    kafka, count = Kafka(brokers, topic), int(count)
    before, deadline = kafka.end(), time.monotonic() + PATIENCE
    print("watching", file=sys.stderr, flush=True)
    while not re.search(connected, open(said).read()):
        assert time.monotonic() < deadline, "the bridge does not connect"
        time.sleep(0.001)
    began, pid = time.monotonic(), int(open(pid).read())
    spent = used = cpu_of(pid)
    records, last = 0, began
    while records < count or time.monotonic() < last + 2:
        now, looked = kafka.end() - before, time.monotonic()
        if now > records:
            records, last = now, looked
            if records >= count:
                used = cpu_of(pid)
        assert looked < deadline, "%d of %d records came" % (records, count)
        time.sleep(0.002)
    print(round(count / (last - began)), "%.1f" % ((used - spent) / count), records)


def all_there(count):
    """Fails unless the records on stdin are all the messages of a drain, some of them perhaps more than once."""
    missing = set(range(int(count)))
    for line in sys.stdin:
        missing.discard(int(re.search(r'"n":(\d+)', line).group(1)))
    assert not missing, "%d of %s messages are missing" % (len(missing), count)


def forget(address, user, client):
    """Ends the session that Mosquitto keeps for a client: by a connection that keeps none. The password is on stdin."""
    password = sys.stdin.read().strip()
    host, port = address.rsplit(":", 1)
    # A will, a name, a password: none, yes, yes; a clean session.
    body = text("MQTT") + struct.pack(">BBH", 4, 0xC2, 60) + text(client) + text(user) + text(password)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        assert len(body) < 16384
        connection.sendall(struct.pack(">BBB", 0x10, len(body) % 128 | 0x80, len(body) // 128) + body)
        assert connection.recv(4, socket.MSG_WAITALL) == b"\x20\x02\x00\x00", "Mosquitto refuses %s" % client
        connection.sendall(b"\xe0\x00")


def spread(file):
    """The median, the 99th percentile and the largest of a file's microseconds, in milliseconds."""
    numbers = sorted(map(int, open(file)))
    print(*("%.1f" % (one / 1000) for one in (numbers[len(numbers) // 2], numbers[len(numbers) * 99 // 100], numbers[-1])))


def handles(kind):
    """The processes of a kind of service, of a stack's status on stdin."""
    services = json.load(sys.stdin)["services"]
    print(*(one["handle"] for one in services if one["service"].startswith(kind)))


def verdict(file):
    """What a ledger's verdict says of QoS 1 and 2 together, and what was lost at QoS 0."""
    qos = {one["qos"]: one for one in json.load(open(file))["qos"]}
    names = "promised", "lost", "duplicated", "reordered"
    print(*(qos[1][name] + qos[2][name] for name in names), qos[0]["lost"])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
