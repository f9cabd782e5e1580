from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.config import Config, Persona, find_config, load_config, load_paths, secret
from edge_assistant.errors import ConfigError

DOCUMENT = Path(__file__).parent.parent / "docs" / "configuration.md"
NOBODY = {"HOME": "/nonexistent"}


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "config.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def refusal(text: str | bytes, folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text), NOBODY)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def environment(**values: str) -> dict[str, str]:
    return NOBODY | {f"EDGE_ASSISTANT__{name}": value for name, value in values.items()}


def keys() -> dict[str, object]:
    found = {}
    for section in msgspec.structs.fields(Config):
        struct = Persona() if section.name == "personas" else getattr(Config(), section.name)
        prefix = "personas.NAME" if section.name == "personas" else section.name
        for key in struct.__struct_fields__:
            found[f"{prefix}.{key}"] = getattr(struct, key)
    return found


# --- what is read


def test_without_any_file_the_defaults_hold(monkeypatch):
    monkeypatch.setattr("edge_assistant.config.load.find_config", lambda *_: None)
    assert load_config(None, NOBODY) == Config()


def test_the_file_named_first_wins(tmp_path):
    home = tmp_path / ".config/edge-assistant/config.toml"
    home.parent.mkdir(parents=True)
    home.write_text("[web]\nport = 1")
    environ = {"HOME": str(tmp_path)}
    if not Path("/etc/edge-assistant/config.toml").exists():
        assert load_config(None, environ).web.port == 1
    named = environ | {"EDGE_ASSISTANT_CONFIG": str(tmp_path / "named.toml")}
    assert find_config(None, named) == tmp_path / "named.toml"
    assert find_config(tmp_path / "given.toml", named) == tmp_path / "given.toml"


def test_the_environment_overrides_single_keys_of_the_file(tmp_path):
    file = write(tmp_path, "[llm]\ncontext = 1024\nthreads = 2\n[personas.a]\ntone = 'dry'")
    environ = environment(
        LLM__CONTEXT="2048", LLM__TEMPERATURE="0.5", WEB__ENABLED="Off", ASSISTANT__NAME="42",
        WEB__ALLOWED_HOSTS='["a.local", "b"]', PERSONAS__A__NAME="true", ASSISTANT__PERSONA="a",
    )  # fmt: skip
    config = load_config(file, environ)
    assert (config.llm.context, config.llm.threads, config.llm.temperature) == (2048, 2, 0.5)
    assert (config.web.enabled, config.web.allowed_hosts) == (False, ("a.local", "b"))
    assert config.assistant.name == "42"
    assert config.personas["a"] == Persona(name="true", tone="dry")


@given(st.sampled_from(sorted(keys())), st.text(st.characters(exclude_characters="\0"), max_size=30))
def test_any_value_in_the_environment_is_taken_or_refused_by_name(key, value):
    variable = key.replace("NAME", "x").replace(".", "__").upper()
    outcome: object
    try:
        outcome = load_config(Path("/dev/null"), environment(**{variable: value}))
    except ConfigError as error:
        outcome = error.message
    section = key.split(".", maxsplit=1)[0]
    assert isinstance(outcome, Config) or section in str(outcome)


# --- what is refused


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("[llm]\ncontex = 1", "CONFIG_UNKNOWN_KEY", "did you mean `llm.context`"),
        ("[lm]\ncontext = 1", "CONFIG_UNKNOWN_KEY", "did you mean `llm`"),
        ("[personas.a]\nton = 'x'", "CONFIG_UNKNOWN_KEY", "did you mean `personas.a.tone`"),
        ("[web]\nzzz = 1", "CONFIG_UNKNOWN_KEY", "allowed_hosts, announce, enabled, host, lan, port"),
        ("[llm]\ncontext = '1'", "CONFIG_BAD_VALUE", "llm.context"),
        ("[llm]\ncontext = 511", "CONFIG_BAD_VALUE", ">= 512"),
        ("[llm]\nparallel = 17", "CONFIG_BAD_VALUE", "<= 16"),
        ("[llm]\nmax_tokens = 0", "CONFIG_BAD_VALUE", "llm.max_tokens"),
        ("[llm]\ntemperature = 2.1", "CONFIG_BAD_VALUE", "llm.temperature"),
        ("[llm]\ntemperature = nan", "CONFIG_BAD_VALUE", "llm.temperature"),
        ("[llm]\nengine = 'gpt'", "CONFIG_BAD_VALUE", "llm.engine"),
        ("[llm]\nengine = 'openai'", "CONFIG_BAD_VALUE", "llm.url"),
        ("[llm]\nurl = 'ftp://x'", "CONFIG_BAD_VALUE", "address"),
        ("[web]\nport = 65536", "CONFIG_BAD_VALUE", "web.port"),
        ("[web]\nport = true", "CONFIG_BAD_VALUE", "web.port"),
        ("web = 1", "CONFIG_BAD_VALUE", "web: Expected a table"),
        ("[personas]\na = 1", "CONFIG_BAD_VALUE", "personas"),
        ("[personas.'A B']\ntone = 'x'", "CONFIG_BAD_VALUE", "small letters"),
        ("[assistant]\nname = ''", "CONFIG_BAD_VALUE", "assistant.name"),
        ('[assistant]\nname = "a\\nb"', "CONFIG_BAD_VALUE", "one line"),
        ("[assistant]\npersona = 'butler'\n[personas.b]", "CONFIG_BAD_VALUE", "use b, concise, default"),
        ("[assistant]\nlanguage = 'German'", "CONFIG_BAD_VALUE", "de-CH"),
        ("[llm]\napi_key = 'sk-1'", "CONFIG_SECRET_IN_FILE", "EDGE_ASSISTANT_SECRET_LLM_API_KEY"),
        ("[mqtt]\npassword = 'x'", "CONFIG_SECRET_IN_FILE", "credential mqtt_password"),
        ("token = 'x'", "CONFIG_SECRET_IN_FILE", "token"),
        ("[llm]\nurl = 'http://me:pw@host/v1'", "CONFIG_SECRET_IN_FILE", "llm_api_key"),
        ("[fleet]\nenabled = true", "CONFIG_BAD_VALUE", "fleet.url"),
        ("[guard]\nenabled = true", "CONFIG_NOT_AVAILABLE", "guard.enabled = false"),
        ('"a\\nb" = 1', "CONFIG_UNKNOWN_KEY", "known here"),
        ("= 1", "CONFIG_UNREADABLE", "not valid TOML"),
        (b"\xff", "CONFIG_UNREADABLE", "UTF-8"),
        ("a = " + "[" * 100_000, "CONFIG_UNREADABLE", "nested"),
        ("#" * 1_000_001, "CONFIG_UNREADABLE", "1 MB"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_one_line_that_names_it(tmp_path, text, code, words):
    error = refusal(text, tmp_path)
    assert (error.code, error.exit_code) == (code, 2)
    assert words in error.message


@pytest.mark.parametrize("secret_value", ["sk-geheim", "pw-geheim"])
def test_a_refusal_never_repeats_the_secret(tmp_path, secret_value):
    assert "geheim" not in refusal(f"[llm]\napi_key = '{secret_value}'", tmp_path).message
    assert "geheim" not in refusal(f"[llm]\nurl = 'http://me:{secret_value}@host/v1'", tmp_path).message


def test_a_file_that_somebody_named_must_be_there(tmp_path):
    for arguments in (
        (tmp_path / "none.toml", NOBODY),
        (None, NOBODY | {"EDGE_ASSISTANT_CONFIG": str(tmp_path / "none.toml")}),
        (tmp_path, NOBODY),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(*arguments)
        assert caught.value.code == "CONFIG_UNREADABLE"


@pytest.mark.parametrize("variable", ["LLM__CONTEX", "LM__CONTEXT", "LLM__CONTEXT__X", "", "LLM", "__"])
def test_an_override_of_no_known_key_is_refused(variable):
    with pytest.raises(ConfigError) as caught:
        load_config(Path("/dev/null"), environment(**{variable: "1"}))
    assert caught.value.code in {"CONFIG_UNKNOWN_KEY", "CONFIG_BAD_VALUE"}


# --- paths and secrets


def test_state_and_models_lie_where_the_environment_says(tmp_path):
    paths = load_paths({"HOME": "/home/me"})
    assert paths.state == Path("/home/me/.local/share/edge-assistant")
    assert (paths.models, paths.database) == (paths.state / "models", paths.state / "assistant.db")
    paths = load_paths({"STATE_DIRECTORY": "/a:/b", "EDGE_ASSISTANT_MODELS": "/m"})
    assert (paths.state, paths.models, paths.control_socket) == (
        Path("/a"), Path("/m"), Path("/a/control.sock"),
    )  # fmt: skip
    assert load_paths({"STATE_DIRECTORY": "here"}).state.is_absolute()


def test_a_secret_comes_from_the_credentials_then_from_the_environment(tmp_path):
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "EDGE_ASSISTANT_SECRET_LLM_API_KEY": "second"}
    assert secret("llm_api_key", environ) == "second"
    (tmp_path / "llm_api_key").write_text("first\n")
    assert secret("llm_api_key", environ) == "first"
    assert secret("device_key", environ) is None
    with pytest.raises(ValueError, match="not a name"):
        secret("../etc/passwd", environ)


def test_a_credential_that_cannot_be_read_is_an_error_not_an_absence(tmp_path):
    (tmp_path / "llm_api_key").mkdir()
    with pytest.raises(ConfigError) as caught:
        secret("llm_api_key", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert caught.value.code == "SECRET_UNREADABLE"


# --- the document, the weight


def test_the_document_lists_every_key_with_its_default_and_no_other():
    rows = re.findall(r"^\| `([a-z]+\.[A-Za-z_.]+)` \| `(.*?)` \|", DOCUMENT.read_text(), re.MULTILINE)
    expected = {
        key: msgspec.json.encode(value).decode().replace("Infinity", "inf") for key, value in keys().items()
    }
    assert dict(rows) == expected


def test_reading_the_configuration_loads_nothing_heavy():
    code = "import sys, edge_assistant.config; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"asyncio", "apsw", "aiohttp", "cryptography", "llama_cpp", "numpy", "jinja2", "ssl"}
    assert heavy.isdisjoint(loaded.split())


def test_traces_need_an_address_without_a_password_in_it(tmp_path):
    assert refusal("[telemetry]\nenabled = true", tmp_path).code == "CONFIG_BAD_VALUE"
    secret_in_it = '[telemetry]\nenabled = true\nendpoint = "http://me:pw@collector:4318"'
    assert refusal(secret_in_it, tmp_path).code == "CONFIG_SECRET_IN_FILE"
    fine = write(tmp_path, '[telemetry]\nenabled = true\nendpoint = "http://collector:4318"')
    assert load_config(fine, NOBODY).telemetry.enabled


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("", ()),
        ("[llm]\nengine = 'openai'\nurl = 'http://box:1'\nremote_model = 'm'", ("model",)),
        ("[voice]\nstt = ['openai']\nremote_url = 'http://box:1'", ()),
        ("[voice]\nenabled = true\ntts = ['piper', 'openai']\nremote_url = 'http://box:1'", ("speech",)),
        ("[cloud]\nenabled = true\nurl = 'mqtt://box'", ()),
        ("[cloud]\nenabled = true\nurl = 'mqtt://box'\nconsent = 'asked'", ("cloud",)),
    ],
)
def test_what_may_leave_is_told_and_nothing_may_by_default(tmp_path, text, leaves):
    assert load_config(write(tmp_path, text), NOBODY).leaves == leaves
