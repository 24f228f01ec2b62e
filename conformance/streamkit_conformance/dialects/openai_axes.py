"""The ways in which servers of OpenAI's dialect differ without saying anything else."""

from typing import Final

from streamkit_conformance.axes import Axis

__all__ = [
    "CHOICES",
    "DELTA_FILLERS",
    "ERROR_SHAPE",
    "EXTRAS",
    "FINISH_RECORD",
    "IDS",
    "REASONING_RECORD",
    "ROLE",
    "TOOL_ARGUMENTS",
    "TOOL_IDS",
    "TOOL_INDEX",
    "TOOL_PARTS",
    "USAGE_CHOICES",
    "USAGE_PLACE",
    "USAGE_RUNNING",
]

#: Which records name the role.
ROLE: Final = Axis("role", "ROLE", ("first", "every", "never"), "SK-CONT-002")
#: Records between the others that say nothing: an empty content, a null one, no delta at all.
DELTA_FILLERS: Final = Axis(
    "fillers", "RECORDS WITHOUT TEXT", ("none", "empty", "null", "no_delta"), "SK-CONT-002"
)
#: Records without a choice: before all others (Azure), or before the last (moderation).
CHOICES: Final = Axis(
    "choices", "RECORDS WITHOUT CHOICES", ("none", "before", "null_before", "late"), "SK-USE-003"
)
#: Fields that the dialect does not know, in the record, its choice and its delta.
EXTRAS: Final = Axis("extras", "UNKNOWN FIELDS", (False, True), "SK-FRAME-004")
#: `constant` ids are OpenAI's; avian.io changes them, Azure's first record has none.
IDS: Final = Axis("ids", "RECORD IDS", ("constant", "changing", "empty_first"), "SK-META-001")
#: How the finish reason comes: in a record of its own, with the last text (vLLM), twice
#: (OpenRouter), or in a key that no other record has (GLM).
FINISH_RECORD: Final = Axis(
    "finish", "FINISH RECORD", ("own", "with_text", "repeated", "sole_key"), "SK-LIFE-002"
)
#: Where the usage stands: in a record of its own, in the finish record (DeepSeek), in the choice
#: of the finish record (Moonshot), in both (Moonshot when asked), twice (Groq).
USAGE_PLACE: Final = Axis(
    "usage_place",
    "USAGE PLACE",
    ("own", "finish", "choice", "choice_and_own", "x_groq_and_own"),
    "SK-USE-002",
)
#: What stands as usage in all other records: nothing, null, or the running totals.
USAGE_RUNNING: Final = Axis(
    "usage_running", "USAGE IN EVERY RECORD", ("none", "null", "totals"), "SK-USE-002"
)
#: What the record of the usage has for choices.
USAGE_CHOICES: Final = Axis(
    "usage_choices", "CHOICES BESIDE USAGE", ("empty", "null", "absent"), "SK-USE-003"
)
#: What stands beside reasoning: nothing, a null content (DeepSeek), the same text as details
#: (OpenRouter).
REASONING_RECORD: Final = Axis(
    "reasoning", "BESIDE REASONING", ("nothing", "null_content", "details"), "SK-REAS-002"
)
#: Whether calls come in fragments, or whole in one delta (xAI, Ollama).
TOOL_PARTS: Final = Axis("tool_parts", "CALLS IN PARTS", ("fragments", "whole"), "SK-TOOL-004")
#: The index of a call: its own, counted from one (Anthropic's layer); zero for each (older
#: Ollama) or absent (Gemini's layer), where calls come whole.
TOOL_INDEX: Final = Axis(
    "tool_index", "CALL INDEX", ("own", "from_one", "zero", "absent"), "SK-TOOL-002"
)
#: Id, type and name behind a call's first fragment: absent, null (vLLM), repeated, an empty name
#: (Mistral).
TOOL_IDS: Final = Axis(
    "tool_ids", "CALL ID", ("first", "null_later", "repeated", "empty_later"), "SK-TOOL-003"
)
#: The arguments in a call's first fragment: empty, absent or null.
TOOL_ARGUMENTS: Final = Axis(
    "tool_arguments", "FIRST ARGUMENTS", ("empty", "absent", "null"), "SK-TOOL-004"
)
#: How a failure inside a stream is told: an object, one in an event named `error` (Groq), a text
#: (LM Studio), an object with a number as code (OpenRouter).
ERROR_SHAPE: Final = Axis(
    "error_shape", "ERROR RECORD", ("object", "named", "text", "number"), "SK-MID-001"
)
