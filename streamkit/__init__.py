"""streamkit: every LLM provider streams the same typed chunks.

Importing this package imports neither an HTTP client nor pydantic; a name is loaded on first use.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamkit.assembly.response import Response as Response
    from streamkit.chunks import ContentChunk as ContentChunk
    from streamkit.chunks import EndChunk as EndChunk
    from streamkit.chunks import ErrorChunk as ErrorChunk
    from streamkit.chunks import ErrorInfo as ErrorInfo
    from streamkit.chunks import NoticeChunk as NoticeChunk
    from streamkit.chunks import ReasoningChunk as ReasoningChunk
    from streamkit.chunks import ResetChunk as ResetChunk
    from streamkit.chunks import StartChunk as StartChunk
    from streamkit.chunks import StreamChunk as StreamChunk
    from streamkit.chunks import ToolCallChunk as ToolCallChunk
    from streamkit.chunks import ToolResultChunk as ToolResultChunk
    from streamkit.chunks import UnknownChunk as UnknownChunk
    from streamkit.chunks import Usage as Usage
    from streamkit.chunks import UsageChunk as UsageChunk
    from streamkit.chunks import chunk_to_json as chunk_to_json
    from streamkit.chunks import parse_chunk as parse_chunk
    from streamkit.errors import AuthenticationError as AuthenticationError
    from streamkit.errors import ConfigurationError as ConfigurationError
    from streamkit.errors import ConnectionFailedError as ConnectionFailedError
    from streamkit.errors import ContentFilterError as ContentFilterError
    from streamkit.errors import ContextOverflowError as ContextOverflowError
    from streamkit.errors import EmptyResponseError as EmptyResponseError
    from streamkit.errors import InvalidRequestError as InvalidRequestError
    from streamkit.errors import MissingKeyError as MissingKeyError
    from streamkit.errors import NotFoundError as NotFoundError
    from streamkit.errors import OverloadedError as OverloadedError
    from streamkit.errors import PermissionDeniedError as PermissionDeniedError
    from streamkit.errors import PluginError as PluginError
    from streamkit.errors import ProtocolError as ProtocolError
    from streamkit.errors import ProviderError as ProviderError
    from streamkit.errors import QuotaError as QuotaError
    from streamkit.errors import RateLimitError as RateLimitError
    from streamkit.errors import SchemaError as SchemaError
    from streamkit.errors import ServiceError as ServiceError
    from streamkit.errors import StreamClaimedError as StreamClaimedError
    from streamkit.errors import StreamFailed as StreamFailed
    from streamkit.errors import StreamInterruptedError as StreamInterruptedError
    from streamkit.errors import StreamkitError as StreamkitError
    from streamkit.errors import StreamTimeoutError as StreamTimeoutError
    from streamkit.errors import StreamTruncatedError as StreamTruncatedError
    from streamkit.errors import ToolUseFailedError as ToolUseFailedError
    from streamkit.listing import list_models as list_models
    from streamkit.listing import list_models_sync as list_models_sync
    from streamkit.listing import show_model as show_model
    from streamkit.listing import show_model_sync as show_model_sync
    from streamkit.messages import ImagePart as ImagePart
    from streamkit.messages import Message as Message
    from streamkit.messages import ReasoningPart as ReasoningPart
    from streamkit.messages import TextPart as TextPart
    from streamkit.messages import Tool as Tool
    from streamkit.messages import ToolCall as ToolCall
    from streamkit.messages import ToolResult as ToolResult
    from streamkit.model import Model as Model
    from streamkit.model import ProviderModel as ProviderModel
    from streamkit.model import get_model as get_model
    from streamkit.provider import ModelInfo as ModelInfo
    from streamkit.request import ChatRequest as ChatRequest
    from streamkit.request import OutputSchema as OutputSchema
    from streamkit.settings import Timeouts as Timeouts
    from streamkit.stream import ChunkStream as ChunkStream
    from streamkit.telemetry import StreamSummary as StreamSummary
    from streamkit.transport.clients import Network as Network

__version__ = "0.1.0"

_NAMES_OF_MODULE = {
    "assembly.response": "Response",
    "chunks": (
        "ContentChunk EndChunk ErrorChunk ErrorInfo NoticeChunk ReasoningChunk ResetChunk "
        "StartChunk StreamChunk ToolCallChunk ToolResultChunk UnknownChunk Usage UsageChunk "
        "chunk_to_json parse_chunk"
    ),
    "errors": (
        "AuthenticationError ConfigurationError ConnectionFailedError ContentFilterError "
        "ContextOverflowError EmptyResponseError InvalidRequestError MissingKeyError "
        "NotFoundError OverloadedError PermissionDeniedError PluginError ProtocolError "
        "ProviderError QuotaError RateLimitError SchemaError ServiceError StreamClaimedError "
        "StreamFailed StreamInterruptedError StreamTimeoutError StreamTruncatedError "
        "StreamkitError ToolUseFailedError"
    ),
    "listing": "list_models list_models_sync show_model show_model_sync",
    "messages": "ImagePart Message ReasoningPart TextPart Tool ToolCall ToolResult",
    "model": "Model ProviderModel get_model",
    "provider": "ModelInfo",
    "request": "ChatRequest OutputSchema",
    "settings": "Timeouts",
    "stream": "ChunkStream",
    "telemetry": "StreamSummary",
    "transport.clients": "Network",
}
_MODULE_OF_NAME = {
    name: module for module, names in _NAMES_OF_MODULE.items() for name in names.split()
}

__all__ = sorted([*_MODULE_OF_NAME, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]

logging.getLogger("streamkit").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    module = _MODULE_OF_NAME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
