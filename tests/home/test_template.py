"""Templates of strangers."""

from __future__ import annotations

import pytest

from edge_assistant.home.template import TemplateError, Templates


@pytest.mark.parametrize(
    ("template", "payload", "wanted"),
    [
        ("", b" ON ", "ON"),
        ("{{ value_json.state }}", b'{"state": "ON"}', "ON"),
        ("{{ value_json['a b'] }}", b'{"a b": 3}', "3"),
        ("{{ value_json.a.b | default('x') }}", b'{"a": {}}', "x"),
        ("{{ (value_json.t | float / 10) | round(1) }}", b'{"t": 215}', "21.5"),
        ("{% if value_json.open %}open{% else %}closed{% endif %}", b'{"open": true}', "open"),
        ("{{ value | int * 2 }}", b"4", "8"),
        ("{{ 'a' ~ value ~ 'b' }}", b"-", "a-b"),
        ("{% for x in value_json.l %}{{ x }}{% endfor %}", b'{"l": [1, 2]}', "12"),
        ("{{ value.split(',')[1] | upper }}", b"a,b", "B"),
    ],
)
def test_what_devices_use_works(template, payload, wanted):
    assert Templates().value(template, payload) == wanted


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999999) %}x{% endfor %}",
        "{% for a in range(90) %}{% for b in range(90) %}x{% endfor %}{% endfor %}",
        "{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = 'aaaaaaaa' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
        "{% set x = 'aaaaaaaa' %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
        "{% set x = 99 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
        "{{ 'a' * 999999999 }}",
        "{{ 9 ** 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'a'.ljust(999999999) }}",
        "{{ 'aaaa'" + "|replace('a', 'aaaaaaaa')" * 60 + " }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ value.format(value) }}",
        "{% include 'x' %}",
        "{{ " + "(" * 900 + "1" + ")" * 900 + " }}",
        "{{" + "x" * 5000 + "}}",
        "{% for",
        "{{ value_json.missing | is_defined }}",
        "{{ value_json.a.b.c }}",
    ],
)
@pytest.mark.timeout(60)
def test_what_loops_grows_or_escapes_is_refused(template):
    with pytest.raises(TemplateError):
        Templates().render(template, value="x", value_json={})
