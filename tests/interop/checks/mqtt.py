"""What the checks with paho share: clients that wait for answers instead of sleeping."""

import os
import queue
import ssl
import sys
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

SECONDS = 15


def fail(reason):
    sys.exit(reason)


class Client:
    """One connection to one listener; every call returns when the server has answered."""

    def __init__(self, url, username=None, password=None, version=paho.MQTTv311, client_id="", keepalive=60):
        address = urlsplit(url)
        transport = "websockets" if address.scheme in ("ws", "wss") else "tcp"
        self.name = f"{address.scheme} ({address.netloc})"
        self.answers = queue.Queue()
        self.messages = queue.Queue()
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            transport=transport,
            reconnect_on_failure=False,
        )
        if username is not None:
            self.paho.username_pw_set(username, password)
        if address.scheme in ("mqtts", "wss"):
            self.paho.tls_set(ca_certs=os.environ["MQTT_CA_FILE"], cert_reqs=ssl.CERT_REQUIRED)
        self.paho.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(reason)
        self.paho.on_subscribe = lambda _c, _u, _m, reasons, _p: self.answers.put(reasons[0])
        self.paho.on_publish = lambda _c, _u, _m, reason, _p: self.answers.put(reason)
        self.paho.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload.decode()))
        self.address, self.keepalive = address, keepalive

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def answer(self, to):
        try:
            return self.answers.get(timeout=SECONDS)
        except queue.Empty:
            fail(f"{self.name}: no answer to {to} within {SECONDS} s")

    def connect(self):
        """The server's reason code; the network works or the check fails."""
        try:
            self.paho.connect(self.address.hostname, self.address.port, keepalive=self.keepalive)
        except OSError as error:
            fail(f"{self.name}: {error}")
        self.paho.loop_start()
        return self.answer("the login")

    def login(self):
        reason = self.connect()
        if reason.is_failure:
            fail(f"{self.name}: login refused: {reason}")
        return self

    def subscribe(self, topic_filter, qos=1):
        self.paho.subscribe(topic_filter, qos)
        reason = self.answer(f"subscribing to {topic_filter}")
        if reason.is_failure:
            fail(f"{self.name}: subscribing to {topic_filter} refused: {reason}")

    def publish(self, topic, payload, qos=0):
        self.paho.publish(topic, payload, qos)
        return self.answer(f"a message to {topic}")

    def receive(self):
        try:
            return self.messages.get(timeout=SECONDS)
        except queue.Empty:
            fail(f"{self.name}: nothing arrived within {SECONDS} s")

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()
