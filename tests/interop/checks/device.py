"""A device as an ESP32 with PubSubClient is one: MQTT 3.1.1, small packets, password login, QoS 0 out.

It reaches its own topics in the direction that they have and nothing else, and nobody gets in without a password.
3.1.1 acknowledges a refused publish like any other, so refusals are told by what does not arrive: a message that is
allowed follows on the same connection, and what comes first must be that one.
"""

import json
import os
import time

import paho.mqtt.client as paho
from mqtt import Client, fail

DEVICE = os.environ.get("DEVICE_ID") or fail("DEVICE_ID is not set")
PASSWORD = os.environ.get("DEVICE_PASSWORD") or fail("DEVICE_PASSWORD is not set")
OTHER = "esp32-001" if DEVICE != "esp32-001" else "device-12345"
URLS = [os.environ[name] for name in ("MQTT_URL", "MQTTS_URL", "MQTT_WS_URL")]
# PubSubClient's buffer: fixed header, topic and payload of one packet.
PACKET = 256


def telemetry(mark):
    payload = json.dumps({"deviceId": DEVICE, "heartRate": 72, "battery": 81, "timestamp": mark})
    if len(payload) + len(f"device/{DEVICE}/telemetry") + 4 > PACKET:
        fail(f"telemetry does not fit into {PACKET} bytes: {payload}")
    return payload


def mark():
    return time.time_ns()


def must_not_arrive(device, service, topic, qos):
    """The device writes where it may not, then where it may; the service sees the second only."""
    forged, allowed = telemetry(mark()), telemetry(mark())
    device.publish(topic, forged, qos)
    device.publish(f"device/{DEVICE}/telemetry", allowed, qos)
    received = service.receive()
    if received == (topic, forged):
        fail(f"{device.name}: {DEVICE} wrote to {topic} at QoS {qos}, and it arrived")
    if received != (f"device/{DEVICE}/telemetry", allowed):
        fail(f"{device.name}: expected the message after a refused one, received {received}")


def writes(device, service):
    must_not_arrive(device, service, f"device/{OTHER}/telemetry", 0)
    must_not_arrive(device, service, f"device/{OTHER}/alert", 1)
    must_not_arrive(device, service, f"device/{DEVICE}/command", 0)
    must_not_arrive(device, service, f"device/{DEVICE}/command", 1)
    must_not_arrive(device, service, f"panic/{OTHER}/press", 1)


def reads(device, service):
    """Both subscriptions are granted; only what is the device's own is delivered."""
    own, foreign = f"device/{DEVICE}/command", f"device/{OTHER}/command"
    device.subscribe(foreign)
    device.subscribe(own)
    wanted = json.dumps({"command": "locate", "id": mark()})
    service.publish(foreign, json.dumps({"command": "not-yours", "id": mark()}), 1)
    service.publish(own, wanted, 1)
    received = device.receive()
    if received != (own, wanted):
        fail(f"{device.name}: {DEVICE} waits for {wanted} on {own}, received {received}")


def refused(url, username, password, who):
    for version in (paho.MQTTv311, paho.MQTTv5):
        with Client(url, username, password, version=version) as client:
            reason = client.connect()
            if str(reason) not in ("Not authorized", "Bad user name or password"):
                fail(f"{client.name}: {who} was answered {reason}, not refused")


with Client(URLS[0], os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"]) as service:
    service.login()
    for prefix in ("device", "panic"):
        service.subscribe(f"{prefix}/#", 2)
    for url in URLS:
        with Client(url, DEVICE, PASSWORD, client_id=f"ESP32-{os.getpid()}", keepalive=15) as device:
            device.login()
            writes(device, service)
            # The service must not read its own commands as the device's.
            service.paho.unsubscribe("device/#")
            reads(device, service)
            service.subscribe("device/#", 2)
for url in URLS:
    refused(url, None, None, "a client without a name")
    refused(url, DEVICE, f"not-{PASSWORD}", f"{DEVICE} with a wrong password")
    refused(url, f"nobody-{mark()}", PASSWORD, "an unknown user")
