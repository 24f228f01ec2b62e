"""What a failure of an Ollama server means, where its status says too little or something wrong."""

from typing import Final

from streamkit.errors import ProviderError

__all__ = ["with_own_words"]

# What the server finds wrong with a request only while it works on it, and then answers with
# status 500, or in mid-answer: the request is as wrong the second time.
# `llm/server.go`, `api/types.go`, `server/prompt.go` and `model/model.go` of ollama/ollama.
_WRONG_REQUESTS: Final = (
    "invalid format:",
    "invalid json schema in format",
    '" must be of ',
    "this model is missing data required for image input",
    "this model only supports one image",
)
# A model that can think, but not in levels: the status is right, a way out helps.
_NO_LEVELS: Final = "think value "


def with_own_words(error: ProviderError, payload: object) -> ProviderError:
    """The same failure as Ollama means it: its kind by its words, and the way out where one is.

    Args:
        error: The failure as status and body give it.
        payload: The parsed body, or whatever stands in its place.
    """
    message = error.message.lower()
    if error.kind == "provider":
        words = next((words for words in _WRONG_REQUESTS if words in message), None)
        if words is not None:
            return _changed(error, "invalid_request", f'the message says "{words}"')
    if error.kind == "invalid_request" and message.startswith(_NO_LEVELS):
        error.message = f'{error.message.rstrip(".")}; extra={{"think": True}} has no level.'
    if isinstance(payload, dict) and payload.get("signin_url"):
        return _with_sign_in(error)
    return error


def _with_sign_in(error: ProviderError) -> ProviderError:
    # The address stays in the detail: whoever opens it ties the server to an account of theirs, so
    # it is for developers and not for everyone who is shown the message.
    changed = _changed(error, "authentication", "a signin_url")
    changed.message = (
        f"{error.message.rstrip('.')}: run `ollama signin` on the server, or open the signin_url "
        "that it gave."
    )
    return changed


def _changed(error: ProviderError, kind: str, reason: str) -> ProviderError:
    return ProviderError(
        kind,
        error.message,
        detail=error.detail,
        status=error.status,
        evidence=f"{error.evidence}, {reason}",
    )
