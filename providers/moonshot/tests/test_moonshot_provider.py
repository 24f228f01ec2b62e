"""Moonshot's manifest, its two platforms, and its list of models."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

import streamkit_moonshot
from streamkit.errors import ConfigurationError, ProviderError
from streamkit.plugin import Capabilities, Capability
from streamkit.provider import Frame
from streamkit.settings import resolve_settings
from streamkit_moonshot.provider import MoonshotProvider
from streamkit_moonshot.rules import rules_of

CANARY = "sk-canary-0123456789"
(SPEC,) = streamkit_moonshot.streamkit_providers()

# Every name of a model of which the service's own pages say what it can do.
MODELS = (
    "kimi-k3",
    "kimi-k2.7-code",
    "kimi-k2.7-code-highspeed",
    "kimi-k2.6",
    "kimi-k2.5",
    "moonshot-v1-8k",
    "moonshot-v1-32k",
    "moonshot-v1-128k",
    "moonshot-v1-auto",
    "moonshot-v1-8k-vision-preview",
    "moonshot-v1-128k-vision-preview",
)


def moonshot(environment: dict[str, str] | None = None, **settings: Any) -> MoonshotProvider:
    known = {"MOONSHOT_API_KEY": CANARY} if environment is None else environment
    return MoonshotProvider(SPEC, resolve_settings(SPEC, environment=known, **settings))


def models(*listed: dict[str, Any]) -> Any:
    return moonshot().decode_models(Frame(json.dumps({"data": listed}).encode()))


def test_the_factory_names_the_provider_class() -> None:
    assert SPEC.factory == f"{MoonshotProvider.__module__}:{MoonshotProvider.__name__}"


def test_the_manifest_imports_neither_pydantic_nor_an_http_client() -> None:
    program = (
        "import sys, streamkit_moonshot; streamkit_moonshot.streamkit_providers();"
        "print(sorted({'pydantic', 'httpx', 'streamkit.provider'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'KimiModel'"):
        streamkit_moonshot.KimiModel  # noqa: B018


def test_the_international_platform_is_the_default() -> None:
    assert moonshot().base_url == "https://api.moonshot.ai/v1"


def test_the_region_cn_is_the_china_platform() -> None:
    provider = moonshot(options={"region": "cn"})
    assert provider.base_url == "https://api.moonshot.cn/v1"
    assert provider.settings.base_url == provider.base_url


def test_the_environment_gives_key_and_address() -> None:
    provider = moonshot(
        {"MOONSHOT_API_KEY": CANARY, "MOONSHOT_BASE_URL": "https://api.kimi.com/coding/v1/"}
    )
    assert provider.base_url == "https://api.kimi.com/coding/v1"
    assert provider.request_headers() == {"Authorization": f"Bearer {CANARY}"}


def test_a_region_and_its_own_address_agree() -> None:
    provider = moonshot(base_url="https://api.moonshot.cn/v1", options={"region": "cn"})
    assert provider.base_url == "https://api.moonshot.cn/v1"


@pytest.mark.parametrize(
    "url",
    ["https://proxy.example/v1", "https://api.moonshot.ai/v1", "https://api.moonshot.ai/v1/"],
)
@pytest.mark.parametrize("place", ["argument", "environment", "table"])
def test_a_region_beside_another_address_is_refused(url: str, place: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "argument": {"base_url": url},
        "environment": {"environment": {"MOONSHOT_API_KEY": CANARY, "MOONSHOT_BASE_URL": url}},
        "table": {"table": {"base_url": url}},
    }
    with pytest.raises(ConfigurationError, match="two different addresses"):
        moonshot(options={"region": "cn"}, **given[place])


@pytest.mark.parametrize(
    "table",
    [
        {"api_key": CANARY},
        {"key_env": "MY_KEY"},
        {"api_key": CANARY, "base_url": "https://api.moonshot.ai/v1"},
    ],
)
def test_a_key_of_the_config_file_does_not_follow_a_region_from_elsewhere(
    table: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        moonshot({"MY_KEY": CANARY}, table=table, options={"region": "cn"})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"table": {"api_key": CANARY, "region": "cn"}},
        {"table": {"key_env": "MY_KEY", "region": "cn"}},
        {
            "table": {"api_key": CANARY, "base_url": "https://api.moonshot.cn/v1"},
            "options": {"region": "cn"},
        },
        {"api_key": CANARY, "options": {"region": "cn"}},
        {"ask_secret": lambda *_: (CANARY, "the plug-in vault"), "options": {"region": "cn"}},
    ],
)
def test_a_key_goes_to_the_region_that_stands_beside_it(settings: dict[str, Any]) -> None:
    provider = moonshot({"MY_KEY": CANARY}, **settings)
    assert provider.base_url == "https://api.moonshot.cn/v1"
    assert provider.reveal_key() == CANARY


def test_a_key_of_the_config_file_goes_to_the_default_address_by_its_name_too() -> None:
    provider = moonshot({}, table={"api_key": CANARY}, options={"region": "international"})
    assert provider.base_url == SPEC.base_url


def test_the_address_of_a_region_comes_from_where_the_region_does() -> None:
    sources = moonshot(options={"region": "cn"}).settings.sources
    assert sources["base_url"] == sources["region"] == "the argument"


def test_an_unknown_region_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="`cn` and `international`, not 'eu'"):
        moonshot(options={"region": "eu"})


def test_without_a_key_there_is_no_provider() -> None:
    with pytest.raises(ConfigurationError, match="MOONSHOT_API_KEY"):
        moonshot({})


def test_the_key_stands_in_one_header_and_nowhere_else() -> None:
    provider = moonshot(api_key=SecretStr(CANARY))
    call = provider.list_models()
    assert call is not None
    assert call.headers == {"Authorization": f"Bearer {CANARY}"}
    assert CANARY not in f"{call!r} {provider.settings!r} {provider!r}"


@pytest.mark.parametrize("model", MODELS)
def test_what_is_declared_of_a_model_agrees_with_the_rules_of_its_requests(model: str) -> None:
    capabilities = SPEC.capabilities_of(model)
    thinks = rules_of(model).thinks
    assert capabilities.reasoning is (Capability.NO if thinks == "never" else Capability.YES)
    assert capabilities.prefill is Capability.YES
    is_text_only = model.startswith("moonshot") and "vision" not in model
    if "code" in model:
        assert capabilities.images is Capability.UNKNOWN
    else:
        assert capabilities.images is (Capability.NO if is_text_only else Capability.YES)


@pytest.mark.parametrize(
    "model",
    ["kimi-k3.1-pro", "kimi-k2.7", "kimi-k2.6-pro", "kimi-for-coding", "k3", "kimi-k4", "other"],
)
def test_of_an_unknown_model_nothing_is_declared(model: str) -> None:
    capabilities = SPEC.capabilities_of(model)
    unknown = (capabilities.reasoning, capabilities.prefill, capabilities.images)
    assert unknown == (Capability.UNKNOWN,) * 3
    rules = rules_of(model)
    assert (rules.thinks, rules.takes_effort, rules.takes_required_tool) == (None, None, False)


def test_the_models_are_listed_with_what_the_service_tells_of_them() -> None:
    kimi, old = models(
        {
            "id": "kimi-k2.6",
            "object": "model",
            "context_length": 262144,
            "supports_image_in": True,
            "supports_reasoning": True,
        },
        {"id": "moonshot-v1-8k", "object": "model", "supports_image_in": False},
    )
    assert (kimi.id, kimi.context_window) == ("kimi-k2.6", 262144)
    assert kimi.capabilities == Capabilities.of(yes="images reasoning")
    assert old.capabilities == Capabilities.of(no="images")


def test_a_model_of_which_nothing_is_told_has_no_capabilities() -> None:
    (info,) = models({"id": "kimi-k3", "supports_image_in": None})
    assert info.capabilities is None


def test_a_list_that_is_an_error_is_raised_without_the_account() -> None:
    body = {
        "error": {
            "message": "Your account org-00000000000000000000000000000000 is suspended",
            "type": "exceeded_current_quota_error",
        }
    }
    with pytest.raises(ProviderError) as caught:
        moonshot().decode_models(Frame(json.dumps(body).encode()))
    assert caught.value.kind == "quota"
    assert "org-0" not in repr(caught.value) + str(caught.value.detail)
