from __future__ import annotations

import pytest

from edge_assistant.errors import ConfigError
from edge_assistant.mqtt.broker import Broker, parse_broker, tls_context


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker.lan", Broker(host="broker.lan", port=1883)),
        ("mqtt://10.0.0.2:1884/", Broker(host="10.0.0.2", port=1884)),
        ("mqtts://[::1]", Broker(host="::1", port=8883, tls=True)),
    ],
)
def test_an_address_says_host_port_and_tls(url, expected):
    assert parse_broker(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "broker", "http://broker", "mqtt://", "mqtt://u:secret@broker", "mqtt://broker:port", "mqtt://b/x"],
)
def test_what_is_no_address_is_refused_without_repeating_a_password(url):
    with pytest.raises(ConfigError, match="MQTT_URL_BAD") as caught:
        parse_broker(url)
    assert ":secret@" not in str(caught.value)


def test_certificates_need_tls_and_must_be_readable(tmp_path):
    with pytest.raises(ConfigError, match="MQTT_URL_BAD"):
        parse_broker("mqtt://b", ca_file="ca.pem")
    with pytest.raises(ConfigError, match="MQTT_CERTIFICATE_BAD"):
        tls_context(parse_broker("mqtts://b", ca_file=str(tmp_path / "no.pem")))
