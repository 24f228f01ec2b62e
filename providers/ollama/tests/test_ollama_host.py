"""`OLLAMA_HOST` means to streamkit what it means to Ollama, in every form that it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkit_ollama
from streamkit.errors import ConfigurationError
from streamkit.settings import resolve_settings
from streamkit_ollama.host import base_url_of_host

(SPEC,) = streamkit_ollama.streamkit_providers()

# Ollama's own cases (`TestHost` in envconfig/config_test.go), with two things of a client's own: an
# address to listen on becomes one to call, and the scheme's own port is not written.
FORMS = {
    "1.2.3.4": "http://1.2.3.4:11434",
    ":1234": "http://127.0.0.1:1234",
    "1.2.3.4:1234": "http://1.2.3.4:1234",
    "example.com": "http://example.com:11434",
    "example.com:1234": "http://example.com:1234",
    "example.com:": "http://example.com:11434",
    ":66000": "http://127.0.0.1:11434",
    ":-1": "http://127.0.0.1:11434",
    "localhost:port": "http://localhost:11434",
    f"localhost:{'9' * 5000}": "http://localhost:11434",
    "[::1]": "http://[::1]:11434",
    "[::]": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "::": "http://[::1]:11434",
    "[0:0:0:0:0:0:0:0]:80": "http://[::1]",
    "[::1]:1337": "http://[::1]:1337",
    "fe80::1%eth0": "http://[fe80::1%eth0]:11434",
    " 1.2.3.4 ": "http://1.2.3.4:11434",
    '"1.2.3.4"': "http://1.2.3.4:11434",
    ' " 1.2.3.4 " ': "http://1.2.3.4:11434",
    "'1.2.3.4'": "http://1.2.3.4:11434",
    "http://1.2.3.4": "http://1.2.3.4",
    "http://1.2.3.4:4321": "http://1.2.3.4:4321",
    "http://1.2.3.4:port": "http://1.2.3.4",
    "http://": "http://127.0.0.1",
    "https://1.2.3.4": "https://1.2.3.4",
    "https://1.2.3.4:4321": "https://1.2.3.4:4321",
    "HTTPS://example.com": "https://example.com",
    "https://example.com/ollama": "https://example.com/ollama",
    "https://example.com:443/ollama/": "https://example.com/ollama",
    "example.com/ollama": "http://example.com:11434/ollama",
    "https://name:word@example.com:8443/x": "https://name:word@example.com:8443/x",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:8080": "http://127.0.0.1:8080",
    "http://0.0.0.0:11434": "http://127.0.0.1:11434",
    "http://a/b://c": "http://a/b://c",
    "::ffff:0.0.0.0": "http://127.0.0.1:11434",
    "ollama.com": "https://ollama.com",
    "https://ollama.com": "https://ollama.com",
    "ollama.com:8080": "http://ollama.com:8080",
    '""': "http://127.0.0.1:11434",
}


@pytest.mark.parametrize(("text", "url"), FORMS.items(), ids=[form[:40] for form in FORMS])
def test_a_form_of_the_variable_gives_its_base_url(text: str, url: str) -> None:
    assert resolve_settings(SPEC, environment={"OLLAMA_HOST": text}).base_url == url


@pytest.mark.parametrize("text", ["ftp://example.com", "unix:///run/ollama.sock"])
def test_a_foreign_scheme_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OLLAMA_HOST.*http"):
        resolve_settings(SPEC, environment={"OLLAMA_HOST": text})


def test_port_0_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"OLLAMA_HOST.*port 0"):
        resolve_settings(SPEC, environment={"OLLAMA_HOST": ":0"})


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_unset(text: str) -> None:
    settings = resolve_settings(SPEC, environment={"OLLAMA_HOST": text})
    assert settings.base_url == "http://127.0.0.1:11434"
    assert settings.sources["base_url"] == "the provider's default"


def test_an_argument_wins_over_the_variable() -> None:
    settings = resolve_settings(
        SPEC, base_url="http://localhost:1/", environment={"OLLAMA_HOST": "ftp://nobody-reads-it"}
    )
    assert settings.base_url == "http://localhost:1"


@given(st.text(max_size=30) | st.from_regex(r"[a-z.:\[\]/@0-9%]{0,30}", fullmatch=True))
def test_any_text_gives_an_address_or_a_sentence(text: str) -> None:
    try:
        url = base_url_of_host(text)
    except ValueError as error:
        assert str(error).endswith(".")
    else:
        assert url.startswith(("http://", "https://"))
        assert not url.endswith("/")
