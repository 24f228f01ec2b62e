"""What is known of OpenAI-compatible servers beside their recordings, and who says so."""

from typing import Any, Final

# The recordings of each server, by the beginning of their names.
RECORDED: Final[dict[str, tuple[str, ...]]] = {
    "azure": ("azure-",),
    "deepseek": ("deepseek-",),
    "groq": ("groq-",),
    "llamacpp": ("llamacpp-",),
    "mistral": ("mistral-",),
    "openrouter": ("openrouter-",),
    "vllm": ("vllm-",),
    "xai": ("xai-",),
    "zai": ("zai-", "glm-"),
}

# Addresses of which there is no recorded request: from the servers' own documentation.
DOCUMENTED_ADDRESSES: Final = {
    "lmstudio": "http://localhost:1234/v1/chat/completions",
    "zai": "https://api.z.ai/api/paas/v4/chat/completions",
}

# Fields of a request that the server answers with an error, and who saw it.
REFUSED_FIELDS: Final[dict[str, dict[str, str]]] = {
    "groq": {
        "reasoning_content": "janhq/jan#8136, NousResearch/hermes-agent#11089",
        "reasoning": "unknown fields of a message are refused, by the same answers",
    },
    "mistral": {
        "max_completion_tokens": "editor-code-assistant/eca#231",
        "reasoning_content": "charmbracelet/crush#1590",
        "stream_options": "openai/openai-agents-python#442, avante-corp/avante.nvim#2347",
    },
}

# Errors that the server documents, or that were seen: status, body, the kind that it is.
ERRORS: Final[dict[str, list[tuple[int, Any, str]]]] = {
    "acme": [
        (400, {"fault": {"detail": {"code": "E42", "message": "x"}}}, "quota"),
        (400, {"ignored": {"code": "E42"}, "message": "x"}, "invalid_request"),
    ],
    "lmstudio": [(400, {"error": "Context size exceeded: context length"}, "context_overflow")],
    "mistral": [(422, {"object": "error", "message": "x"}, "invalid_request")],
    "vllm": [
        (
            400,
            {"object": "error", "message": "x", "type": "BadRequestError", "code": 400},
            "invalid_request",
        ),
        (404, {"error": {"message": "The model `x` does not exist.", "code": 404}}, "not_found"),
    ],
    "xai": [(400, {"code": "x", "error": "Incorrect API key provided."}, "authentication")],
    # https://docs.z.ai/api-reference/api-code
    "zai": [
        (429, {"error": {"code": "1113", "message": "x"}}, "quota"),
        (400, {"error": {"code": "1211", "message": "x"}}, "not_found"),
        (400, {"error": {"code": "1261", "message": "x"}}, "context_overflow"),
        (400, {"error": {"code": "1301", "message": "x"}}, "content_filter"),
        (429, {"error": {"code": "1302", "message": "x"}}, "rate_limit"),
        (429, {"error": {"code": "1308", "message": "x"}}, "quota"),
        (429, {"error": {"code": "1310", "message": "x"}}, "quota"),
    ],
}

# What the made-up server with every quirk streams, and what should come of it.
ACME_FRAMES: Final = [
    "event: ping\ndata: 1",
    "data: ping",
    'data: {"choices":[{"index":0,"delta":{"thoughts":"Hm."}}]}',
    'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}',
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    (
        'data: {"meta":{"tokens":{"prompt_tokens":5,"completion_tokens":7,'
        '"completion_tokens_details":{"reasoning_tokens":6}}}}'
    ),
    "data: [DONE]",
]
