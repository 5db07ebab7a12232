"""paho-mqtt over WebSocket: MQTT 3.1.1 and 5 there and back, and across to the plain listener."""

import os
import time

import paho.mqtt.client as paho
from mqtt import Client, fail

LOGIN = os.environ["MQTT_USERNAME"], os.environ["MQTT_PASSWORD"]
TOPIC = f"wearable/interop-{os.getpid()}/heartrate"


def exchange(sender_url, receiver_url, version, qos):
    payload = f"{version}-{qos}-{time.time_ns()}"
    with Client(receiver_url, *LOGIN, version=version) as receiver, Client(sender_url, *LOGIN, version=version) as sender:
        receiver.login().subscribe(TOPIC, 2)
        sender.login().publish(TOPIC, payload, qos)
        received = receiver.receive()
        if received != (TOPIC, payload):
            fail(f"{sender.name} to {receiver.name}: sent {payload} to {TOPIC}, received {received}")


websocket, tcp = os.environ["MQTT_WS_URL"], os.environ["MQTT_URL"]
for version in (paho.MQTTv311, paho.MQTTv5):
    for qos in (0, 1, 2):
        exchange(websocket, websocket, version, qos)
exchange(websocket, tcp, paho.MQTTv311, 1)
exchange(tcp, websocket, paho.MQTTv5, 1)
